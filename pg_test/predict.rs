// Stars are predicted from the reviews as they are now.

#[pg_test]
fn stars_are_predicted_from_the_reviews_as_they_are() {
    small_site();
    let stars = |user: i32, item: i32| -> f32 {
        Spi::get_one(&format!("SELECT rating FROM reco_predict_rating({user}, ARRAY[{item}])")).unwrap().unwrap()
    };
    assert!(truth(
        "SELECT count(*) = 2 AND bool_and(rating IS NULL AND model_version IS NULL) FROM reco_predict_rating(3, '{5, 6}')"
    ));
    let version = train();
    // Reader 3 gives 5 to odd books and 2 to even ones.
    assert!(stars(3, 5) > 4.5 && stars(3, 6) < 2.5, "{} {}", stars(3, 5), stars(3, 6));
    assert!(truth(&format!(
        "SELECT array_agg(item_id) = '{{7, 999, 7}}' AND bool_and(rating BETWEEN 2 AND 5) AND bool_and(model_version = {version})
         FROM reco_predict_rating(3, '{{7, 999, 7}}')"
    )));
    assert!(truth("SELECT count(*) = 0 FROM reco_predict_rating(3, '{}')"));
    // Reader 41 has no review, and then two.
    let before = stars(41, 6);
    Spi::run("INSERT INTO resena (usuario_id, libro_id, estrellas) VALUES (41, 1, 5), (41, 2, 2)").unwrap();
    assert!(stars(41, 6) < before - 0.5 && stars(41, 5) > stars(41, 6) + 1.0);
    assert!(truth(
        "SELECT (choice -> 'ratings' ->> 'rmse')::float8 < (choice -> 'ratings' ->> 'baseline_rmse')::float8 FROM reco_models()"
    ));
}

#[pg_test]
fn what_cannot_be_predicted_is_an_error_or_null() {
    small_site();
    assert_eq!(fails("SELECT * FROM reco_predict_rating(1, '{1,NULL}')").0, "22004");
    assert_eq!(fails("SELECT * FROM reco_predict_rating(1, '{{1,2},{3,4}}')").0, "2202E");
    Spi::run("SET LOCAL reco.fallback = off").unwrap();
    assert_eq!(fails("SELECT * FROM reco_predict_rating(1, '{1}')").0, "55000");
    // Favourites alone train, but say nothing of stars.
    Spi::run("DELETE FROM resena").unwrap();
    let version = train();
    assert!(truth(&format!(
        "SELECT bool_and(rating IS NULL AND model_version = {version}) FROM reco_predict_rating(1, '{{1, 2}}')"
    )));
    assert!(truth("SELECT choice -> 'ratings' = 'null' FROM reco_models()"));
}

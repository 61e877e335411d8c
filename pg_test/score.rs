// A score is the weighted mean of its parts, or what the rules give.

#[pg_test]
fn scores_are_the_weighted_parts() {
    small_site();
    Spi::run("SELECT reco_train('{\"force\": true, \"weights\": \"plan\"}')").unwrap();
    assert!(truth(
        "SELECT bool_and(abs(score - (coalesce(.5 * collaborative, 0) + coalesce(.3 * content_based, 0) + .2 * popularity)
             / (CASE WHEN collaborative IS NULL THEN 0 ELSE .5 END + CASE WHEN content_based IS NULL THEN 0 ELSE .3 END + .2)) < 1e-6)
             AND count(*) = 31
         FROM reco_score(3, (SELECT array_agg(i) FROM generate_series(0, 30) i))"
    ));
}

#[pg_test]
fn recommendations_follow_the_readers_taste() {
    small_site();
    train();
    // Reader 3 likes the odd books: of those without an interaction, odd ones score higher.
    assert!(truth(
        "SELECT avg(score) FILTER (WHERE item_id % 2 = 1) > avg(score) FILTER (WHERE item_id % 2 = 0)
         FROM reco_score(3, (SELECT array_agg(id) FROM libro
             WHERE id NOT IN (SELECT libro_id FROM resena WHERE usuario_id = 3)
               AND id NOT IN (SELECT libro_id FROM favorito WHERE usuario_id = 3)))"
    ));
}

#[pg_test]
fn scores_name_the_step_that_gave_them() {
    small_site();
    let source = |user: i32, item: i32| -> String {
        Spi::get_one(&format!("SELECT source FROM reco_score({user}, ARRAY[{item}])")).unwrap().unwrap()
    };
    assert_eq!(source(3, 5), "rules");
    train();
    assert_eq!(source(3, 5), "hybrid");
    assert_eq!(source(3, 999), "popularity");
    assert_eq!(source(999, 999), "popularity");
    Spi::run("INSERT INTO libro VALUES (31, 'Nuevo', 1, 1, '2022-06-01')").unwrap();
    assert_eq!(source(3, 999), "popularity");
    Spi::run("INSERT INTO favorito VALUES (41, 1), (41, 7)").unwrap();
    assert_eq!(source(41, 5), "fold_in");
    Spi::run("DELETE FROM favorito WHERE usuario_id = 41").unwrap();
    assert_ne!(source(41, 5), "fold_in");
    Spi::run("INSERT INTO favorito VALUES (3, 31)").unwrap();
    assert_eq!(source(3, 5), "fold_in");
}

#[pg_test]
fn rules_score_category_author_and_novelty() {
    small_site();
    Spi::run(
        "INSERT INTO libro VALUES (50, 'x', 1, 3, NULL), (51, 'x', 7, 3, NULL), (52, 'x', 1, 99, current_date - 10);
         INSERT INTO favorito VALUES (41, 50); SET LOCAL reco.enabled = off",
    )
    .unwrap();
    let scores: Vec<f32> = Spi::get_one("SELECT reco_scores(41, ARRAY[50, 51, 52, 999])").unwrap().unwrap();
    assert_eq!(scores, [80.0 / 90.0, 30.0 / 90.0, 60.0 / 90.0, 0.0]);
}

#[pg_test]
fn arrays_that_are_not_lists_are_refused() {
    small_site();
    assert_eq!(fails("SELECT * FROM reco_score(1, '{1,NULL}')").0, "22004");
    assert_eq!(fails("SELECT reco_scores(1, '{{1,2},{3,4}}')").0, "2202E");
    assert!(truth("SELECT count(*) = 0 FROM reco_score(1, '{}')"));
    assert!(truth("SELECT reco_scores(1, '{}') = '{}'"));
    assert!(truth("SELECT reco_scores(1, NULL) IS NULL AND reco_scores(NULL, '{1}') IS NULL"));
    Spi::run("SET LOCAL reco.max_candidates = 2").unwrap();
    let (state, message) = fails("SELECT reco_scores(1, '{1,2,3}')");
    assert!(state == "54000" && message.contains("the length of item_ids must be at most 2, not 3"), "{state} {message}");
}

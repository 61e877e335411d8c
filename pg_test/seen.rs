// What counts as seen and liked.

#[pg_test]
fn a_later_bad_review_withdraws_a_favourite() {
    small_site();
    Spi::run(
        "ALTER TABLE favorito ADD fecha_agregado timestamptz;
         INSERT INTO libro VALUES (31, 'Malo', 9, 99, NULL), (32, 'Del autor', 8, 99, NULL);
         INSERT INTO favorito VALUES (41, 31, '2023-01-01');
         SET LOCAL reco.enabled = off",
    )
    .unwrap();
    let score = || Spi::get_one::<f32>("SELECT score FROM reco_score(41, '{32}')").unwrap().unwrap();
    let reason = || Spi::get_one::<String>("SELECT reason FROM reco_recommend(41, 100) WHERE item_id = 32").unwrap();
    assert_eq!((score(), reason()), (30.0 / 90.0, Some("Del autor de «Malo»".into())));
    Spi::run("INSERT INTO resena (usuario_id, libro_id, estrellas, fecha_resena) VALUES (41, 31, 1, '2023-02-01')").unwrap();
    assert_eq!((score(), reason()), (0.0, None));
    // The favourite is the later statement, and the page does not name a book of one star all the same.
    Spi::run("UPDATE favorito SET fecha_agregado = '2023-03-01' WHERE usuario_id = 41").unwrap();
    assert_eq!((score(), reason()), (30.0 / 90.0, Some("De un autor que te gusta".into())));
    Spi::run("UPDATE resena SET estrellas = 5 WHERE usuario_id = 41").unwrap();
    assert_eq!(reason(), Some("Del autor de «Malo»".into()));
    Spi::run("UPDATE libro SET titulo = ' ' WHERE id = 31").unwrap();
    assert_eq!(reason(), Some("De un autor que te gusta".into()));
}

#[pg_test]
fn of_two_reviews_of_one_day_the_later_row_counts() {
    small_site();
    Spi::run(
        "ALTER TABLE resena ALTER fecha_resena TYPE date;
         INSERT INTO libro VALUES (31, 'Uno', 9, 99, NULL), (32, 'Otro', 8, 99, NULL);
         INSERT INTO resena (usuario_id, libro_id, estrellas, fecha_resena) VALUES (41, 31, 5, '2023-01-01'), (41, 31, 1, '2023-01-01')",
    )
    .unwrap();
    let version = train();
    assert!(truth(&format!("SELECT mean_stars = 1 FROM reco.item_feature WHERE model_version = {version} AND item_id = 31")));
    assert!(truth("SELECT bool_and(source <> 'fold_in') FROM reco_score(41, '{32}')"));
    Spi::run("SET LOCAL reco.enabled = off").unwrap();
    let score = || Spi::get_one::<f32>("SELECT score FROM reco_score(41, '{32}')").unwrap().unwrap();
    assert_eq!(score(), 0.0);
    Spi::run("UPDATE resena SET estrellas = 6 - estrellas WHERE usuario_id = 41").unwrap();
    assert_eq!(score(), 30.0 / 90.0);
}

#[pg_test]
fn no_reason_of_a_model_names_a_book_of_one_star() {
    small_site();
    train();
    Spi::run("INSERT INTO favorito VALUES (43, 1)").unwrap();
    let named = || truth("SELECT bool_or(reason LIKE '%«Libro 1»%') FROM reco_recommend(43, 30)");
    assert!(named());
    Spi::run("INSERT INTO resena (usuario_id, libro_id, estrellas) VALUES (43, 1, 1)").unwrap();
    assert!(!named());
}

#[pg_test]
fn rows_that_are_marked_as_deleted_are_advised_and_left_out() {
    small_site();
    Spi::run(
        "ALTER TABLE libro ADD deleted_at timestamptz; ALTER TABLE resena ADD activo boolean;
         UPDATE libro SET deleted_at = now() WHERE id = 7; UPDATE resena SET activo = usuario_id <> 9",
    )
    .unwrap();
    let with_deleted = train();
    assert!(listed("reco_recommend(41, 30)").contains(&7));
    let advice = |source: &str| -> Option<String> {
        Spi::get_one(&format!("SELECT substring(advice FROM 'SELECT reco_configure.*;$') FROM reco_sources() WHERE source = '{source}'"))
            .unwrap()
    };
    assert_eq!(advice("favorite"), None);
    for source in ["item", "rating"] {
        Spi::run(&advice(source).unwrap_or_else(|| panic!("no advice for {source}"))).unwrap();
        assert_eq!(advice(source), None);
    }
    assert!(truth("SELECT bool_and(missing IS NULL) FROM reco_sources() WHERE configured"));
    let without = train();
    assert!(truth(&format!(
        "SELECT (SELECT count(*) FROM reco.user_feature WHERE model_version = {with_deleted} AND user_id = 9 AND ratings > 0) = 1
            AND (SELECT count(*) FROM reco.user_feature WHERE model_version = {without} AND user_id = 9 AND ratings > 0) = 0"
    )));
    for enabled in ["on", "off"] {
        Spi::run(&format!("SET LOCAL reco.enabled = {enabled}")).unwrap();
        assert!(!listed("reco_recommend(41, 30)").contains(&7), "enabled {enabled}");
        assert!(!listed("reco_trending(30, '1000 years')").contains(&7), "enabled {enabled}");
    }
    // Undone in the site, undone here.
    Spi::run("UPDATE libro SET deleted_at = NULL").unwrap();
    assert!(listed("reco_recommend(41, 30)").contains(&7));
}

// Sources are found, or configured; what is wrong with them is named.

#[pg_test]
fn without_tables_the_error_names_the_source() {
    let (state, message) = fails("SELECT * FROM reco_score(1, '{1}')");
    assert_eq!(state, "42P01");
    assert!(message.contains("\"item\"") && message.contains("libro"), "{message}");
}

#[pg_test]
fn a_configured_view_is_read_instead() {
    small_site();
    Spi::run(
        "ALTER TABLE resena RENAME TO opiniones;
         CREATE VIEW mis_notas AS SELECT usuario_id AS quien, libro_id AS que, estrellas / 1.0 AS nota FROM opiniones",
    )
    .unwrap();
    assert!(truth("SELECT missing IS NOT NULL AND relation IS NULL FROM reco_sources() WHERE source = 'rating'"));
    Spi::run(
        "SELECT reco_configure('rating', 'mis_notas', '{\"user\": \"quien\", \"item\": \"que\", \"stars\": \"nota\"}')",
    )
    .unwrap();
    assert!(truth("SELECT configured AND relation LIKE '%mis_notas' FROM reco_sources() WHERE source = 'rating'"));
    assert!(truth("SELECT interactions > 500 FROM reco_train('{\"force\": true}')"));
    Spi::run("SELECT reco_configure('rating', NULL, NULL)").unwrap();
    assert!(truth("SELECT NOT configured AND relation IS NULL FROM reco_sources() WHERE source = 'rating'"));
    assert_eq!(fails("SELECT reco_configure('buyers', NULL, NULL)").0, "22023");
    assert_eq!(fails("SELECT reco_configure('rating', 'mis_notas', NULL)").0, "22023");
}

#[pg_test]
fn configuring_names_what_is_wrong() {
    small_site();
    let message = |columns: &str| fails(&format!("SELECT reco_configure('rating', 'resena', '{columns}')")).1;
    assert!(message("{\"user\": \"usuario_id\"}").contains("\"item\""));
    assert!(
        message("{\"user\": \"nadie\", \"item\": \"libro_id\", \"stars\": \"estrellas\"}")
            .contains("no column \"nadie\"")
    );
    assert!(message("{\"usr\": \"usuario_id\"}").contains("\"usr\""));
    assert!(message("{\"user\": 7}").contains("name in quotes"));
    assert!(
        message("{\"user\": \"fecha_resena\", \"item\": \"libro_id\", \"stars\": \"estrellas\"}").contains("timestamp")
    );
    assert!(fails("SELECT reco_configure('buyers', 'resena', '{}')").1.contains("buyers"));
}

// A model is the one of the tables that it was trained on.

#[pg_test]
fn another_tenants_tables_do_not_get_the_items_of_a_model() {
    Spi::run("CREATE SCHEMA uno; CREATE SCHEMA dos; SET LOCAL search_path = dos, public").unwrap();
    small_site();
    // The same ids, other books: those above 20 are missing here.
    Spi::run("DELETE FROM libro WHERE id > 20; SET LOCAL search_path = uno, public").unwrap();
    small_site();
    let version = train();
    assert!(truth("SELECT bool_and(source <> 'rules') FROM reco_recommend(3)"));
    Spi::run("SET LOCAL search_path = dos, public").unwrap();
    assert!(truth("SELECT count(*) > 0 AND bool_and(source = 'rules' AND model_version IS NULL) FROM reco_recommend(3)"));
    assert!(truth("SELECT bool_and(source = 'rules') FROM reco_score(3, '{1,25}')"));
    assert!(truth("SELECT bool_and(model_version IS NULL) FROM reco_similar(1)"));
    assert!(truth("SELECT bool_and(rating IS NULL AND model_version IS NULL) FROM reco_predict_rating(3, '{1}')"));
    assert!(truth("SELECT bool_and(component = 'rules') FROM reco_explain(3, 1)"));
    assert_eq!((health("{status}"), health("{model,version}")), ("attention".into(), version.to_string()));
    assert!(health("{attention}").contains("trained on the catalogue uno.libro, and it does not answer for dos.libro"));
    Spi::run("SET LOCAL reco.fallback = off").unwrap();
    let (state, message) = fails("SELECT * FROM reco_recommend(3)");
    assert!(state == "55000" && message.contains("uno.libro"), "{state} {message}");
    Spi::run("SET LOCAL reco.fallback = on; SET LOCAL search_path = uno, public").unwrap();
    assert!(truth("SELECT bool_and(source <> 'rules') FROM reco_recommend(3)"));
}

#[pg_test]
fn a_renamed_table_keeps_its_model() {
    small_site();
    train();
    Spi::run("ALTER TABLE libro RENAME TO libros; ALTER TABLE resena RENAME TO resenas").unwrap();
    assert!(truth("SELECT bool_and(source = 'hybrid') FROM reco_score(3, '{5}')"));
    assert!(!health("{attention}").contains("catalogue"));
    // Mapped elsewhere on purpose, it is everybody's catalogue.
    Spi::run(
        "CREATE VIEW vista AS SELECT * FROM libros;
         SELECT reco_configure('item', 'vista', '{\"id\": \"id\", \"category\": \"categoria_id\"}')",
    )
    .unwrap();
    assert!(truth("SELECT bool_and(source <> 'rules') FROM reco_recommend(3)"));
}

// Several models in one database: each name has a mapping, a registry, a gate and a roll-back of its own.

/// The small site, and beside it a shop that has tables and ids of its own.
fn two_shops() {
    small_site();
    Spi::run(
        "CREATE SCHEMA b;
         CREATE TABLE b.productos AS SELECT 1000 + id AS id, 'Producto ' || id AS titulo, categoria_id, autor_id FROM libro;
         CREATE TABLE b.compras AS SELECT usuario_id, 1000 + libro_id AS producto, fecha_resena AS fecha FROM resena
             WHERE estrellas >= 4;
         ALTER TABLE b.productos ADD PRIMARY KEY (id);
         CREATE INDEX ON b.compras (usuario_id);
         SET reco.model = 'tienda_b';
         SELECT reco_configure('item', 'b.productos',
             '{\"id\": \"id\", \"title\": \"titulo\", \"category\": \"categoria_id\", \"author\": \"autor_id\"}');
         SELECT reco_configure('favorite', 'b.compras', '{\"user\": \"usuario_id\", \"item\": \"producto\", \"at\": \"fecha\"}');
         RESET reco.model"
    )
    .unwrap();
}

fn train_shop() -> i64 {
    Spi::get_one("SELECT model_version FROM reco_train('{\"model\": \"tienda_b\", \"force\": true}')").unwrap().unwrap()
}

fn in_shop<R>(ask: impl FnOnce() -> R) -> R {
    Spi::run("SET reco.model = 'tienda_b'").unwrap();
    let answer = ask();
    Spi::run("RESET reco.model").unwrap();
    answer
}

fn active(name: &str) -> Option<i64> {
    Spi::get_one(&format!("SELECT max(version) FILTER (WHERE active) FROM reco_models() WHERE name = '{name}'")).unwrap()
}

#[pg_test]
fn each_name_answers_from_its_own_tables() {
    two_shops();
    let unnamed = train();
    let shop = train_shop();
    assert_eq!((active(""), active("tienda_b")), (Some(unnamed), Some(shop)));
    let recommended = || listed("reco_recommend(41, 10, exclude_seen => false)");
    assert!(recommended().iter().all(|id| *id < 1000));
    assert!(in_shop(recommended).iter().all(|id| *id > 1000));
    // A pool hands a connection from one to the other.
    for _ in 0..3 {
        assert!(truth("SELECT bool_and(source = 'hybrid') FROM reco_score(3, ARRAY[5, 6])"));
        assert!(in_shop(|| truth("SELECT bool_and(source = 'hybrid') FROM reco_score(3, ARRAY[1005, 1006])")));
    }
    assert!(in_shop(|| truth("SELECT count(*) = 3 AND min(item_id) > 1000 FROM reco_similar(1007, 3)")));
    assert!(in_shop(|| truth("SELECT relation = 'b.compras' FROM reco_sources() WHERE source = 'favorite'")));
    // Reviews of the other shop, which may have the same ids, are not detected into this one.
    assert!(in_shop(|| truth("SELECT relation IS NULL AND missing ~ 'has a mapping' FROM reco_sources() WHERE source = 'rating'")));
    assert!(truth("SELECT relation <> 'b.compras' FROM reco_sources() WHERE source = 'favorite'"));
    assert!(in_shop(|| truth("SELECT reco_health() #>> '{model,name}' = 'tienda_b' AND reco_health() #>> '{last_run,name}' = 'tienda_b'")));
    assert!(truth("SELECT reco_health() #>> '{model,name}' = ''"));
}

#[pg_test]
fn the_option_names_the_model_of_one_training_only() {
    two_shops();
    train_shop();
    assert!(truth("SELECT current_setting('reco.model') = ''"));
    assert_eq!(active(""), None);
    assert!(fails("SELECT reco_train('{\"model\": \"tienda_b\", \"factors\": 0}')").1.contains("factors"));
    assert!(truth("SELECT current_setting('reco.model') = ''"));
    assert!(fails("SELECT reco_train('{\"model\": 7}')").1.contains("must be a name in quotes, not 7"));
    let long = "ñ".repeat(32);
    let (state, message) = fails(&format!("SELECT reco_train('{{\"model\": \"{long}\"}}')"));
    assert_eq!(state, "22023");
    assert!(message.contains("at most 63 bytes") && message.contains("64"), "{message}");
}

#[pg_test]
fn the_gate_the_roll_back_and_retention_are_of_one_name() {
    two_shops();
    let unnamed = train();
    let (first, second) = (train_shop(), train_shop());
    assert!(truth(&format!("SELECT previous_ndcg_at_10 IS NULL FROM reco_models() WHERE version = {first}")));
    assert!(truth(&format!("SELECT previous_ndcg_at_10 IS NOT NULL FROM reco_models() WHERE version = {second}")));
    assert_eq!(in_shop(|| Spi::get_one::<i64>("SELECT reco_rollback()").unwrap()), Some(first));
    assert_eq!((active(""), active("tienda_b")), (Some(unnamed), Some(first)));
    Spi::run(&format!("SELECT reco_activate({second})")).unwrap();
    assert_eq!((active(""), active("tienda_b")), (Some(unnamed), Some(second)));
    assert_eq!(fails(&format!("SELECT reco_drop_model({second})")).0, "55006");
    assert_eq!(Spi::get_one::<i64>("SELECT reco_rollback()").unwrap(), None);
    let (state, message) = fails("SELECT reco_rollback()");
    assert_eq!(state, "55000");
    assert!(message.contains("there is no active model to roll back"), "{message}");
    assert_eq!((active(""), active("tienda_b")), (None, Some(second)));
    // Trainings of one name do not push out the models of another.
    Spi::run("SET reco.keep_models = 1").unwrap();
    train();
    train();
    let versions = "SELECT array_agg(version ORDER BY version) FROM reco_models() WHERE name = 'tienda_b'";
    assert_eq!(Spi::get_one::<Vec<i64>>(versions).unwrap(), Some(vec![first, second]));
}

#[pg_test]
fn a_name_that_nothing_has_is_an_error() {
    two_shops();
    train();
    Spi::run("SET reco.model = 'tienda_c'").unwrap();
    for call in ["reco_score(3, ARRAY[5])", "reco_recommend(3)", "reco_similar(5)", "reco_trending()", "reco_predict_rating(3, ARRAY[5])"] {
        let (state, message) = fails(&format!("SELECT * FROM {call}"));
        assert_eq!(state, "42704", "{call}");
        assert_eq!(message, "there is no model named \"tienda_c\"");
    }
    assert!(truth("SELECT reco_health() ->> 'attention' ~ 'there is no model named'"));
    // A mapping is enough for the rules.
    Spi::run("SET reco.model = 'tienda_b'").unwrap();
    assert!(truth("SELECT count(*) = 3 AND min(item_id) > 1000 FROM reco_recommend(41, 3)"));
}

// A training refuses what it cannot use, and fills the feature store.

#[pg_test]
fn wrong_options_are_named() {
    let (state, message) = fails("SELECT * FROM reco_train('{\"factors\": 9999}')");
    assert!(state == "22023" && message.contains("factors") && message.contains("256"), "{message}");
    assert!(fails("SELECT * FROM reco_train('{\"factorz\": 9}')").1.contains("factorz"));
    assert!(fails("SELECT * FROM reco_train('[]')").1.contains("JSON object"));
}

#[pg_test]
fn stars_out_of_range_are_skipped_and_counted() {
    small_site();
    let rows: i64 = Spi::get_one("SELECT count(*) FROM resena").unwrap().unwrap();
    Spi::run("INSERT INTO resena (usuario_id, libro_id) VALUES (1, 6)").unwrap();
    let clean = train();
    Spi::run("INSERT INTO resena (usuario_id, libro_id, estrellas) VALUES (7, 5, 0), (8, 6, -3)").unwrap();
    let skipping = train();
    assert!(truth(&format!(
        "SELECT skipped = '{{\"reviews\": {}, \"skipped\": 2, \"example\": {{\"user\": 7, \"item\": 5, \"stars\": \"0\"}}}}'
             AND interactions = (SELECT interactions FROM reco_models() WHERE version = {clean})
             AND ndcg_at_10 = (SELECT ndcg_at_10 FROM reco_models() WHERE version = {clean})
         FROM reco_models() WHERE version = {skipping}",
        rows + 2
    )));
    assert!(truth(&format!("SELECT skipped IS NULL FROM reco_models() WHERE version = {clean}")));
    assert_eq!((health("{model,skipped,skipped}"), health("{last_run,skipped,example,user}")), ("2".into(), "7".into()));
    let (state, message) = fails("SELECT * FROM reco_train('{\"strict\": true}')");
    let named = format!("estrellas of public.resena is not 1 to 5 in 2 of {} reviews", rows + 2);
    assert!(state == "22000" && message == named, "{state} {message}");
}

#[pg_test]
fn too_many_stars_out_of_range_are_refused() {
    small_site();
    let rows: i64 = Spi::get_one("SELECT count(*) FROM resena").unwrap().unwrap();
    Spi::run("UPDATE resena SET estrellas = 10 * estrellas WHERE usuario_id <= 20").unwrap();
    let (state, message) = fails("SELECT * FROM reco_train()");
    assert!(state == "22000" && message.contains(&format!("of {rows} reviews")), "{state} {message}");
    // Of few reviews one may be wrong, though it is more than 1 %.
    Spi::run("DELETE FROM resena WHERE estrellas > 5 OR usuario_id > 22; DELETE FROM favorito WHERE usuario_id > 30").unwrap();
    assert!(truth("SELECT count(*) < 100 FROM resena"));
    Spi::run("INSERT INTO resena (usuario_id, libro_id, estrellas) VALUES (23, 1, 0)").unwrap();
    train();
}

#[pg_test]
fn too_little_memory_is_refused_before_it_is_taken() {
    small_site();
    Spi::run("SET LOCAL reco.max_train_memory = '64MB'").unwrap();
    let (state, message) = fails("SELECT * FROM reco_train()");
    assert!(state == "53400" && message.contains("the limit is 64 MB"), "{state} {message}");
}

#[pg_test]
fn a_training_fills_the_feature_store() {
    small_site();
    let version = train();
    assert!(truth(&format!(
        "SELECT (SELECT count(*) FROM reco.item_feature WHERE model_version = {version}) = 30
            AND (SELECT count(*) FROM reco.item_factor WHERE model_version = {version}) = 30
            AND (SELECT count(*) FROM reco.user_feature WHERE model_version = {version}) = 40
            AND (SELECT count(*) FROM reco.user_factor WHERE model_version = {version}) = 40
            AND (SELECT count(*) FROM reco.metric WHERE model_version = {version}) = 7"
    )));
    // Forty readers like too little for a content part: it is not trained, so there is nothing to evaluate.
    assert!(truth("SELECT count(*) = 0 FROM reco.metric WHERE part = 'content_based'"));
    assert!(truth(
        "SELECT ratings = (SELECT count(*) FROM resena WHERE libro_id = 5) AND category = 1 AND author = 0
             AND favorites = (SELECT count(*) FROM favorito WHERE libro_id = 5)
             AND abs(mean_stars - (SELECT avg(estrellas) FROM resena WHERE libro_id = 5)) < 1e-4
         FROM reco.item_feature WHERE item_id = 5"
    ));
}

#[pg_test]
fn a_training_leaves_no_lock_on_the_sources() {
    small_site();
    // The site was made in this transaction, which holds stronger locks on it; a configured view is another relation.
    Spi::run(
        "CREATE VIEW seen AS SELECT * FROM resena;
         SELECT reco_configure('rating', 'seen', '{\"user\": \"usuario_id\", \"item\": \"libro_id\", \"stars\": \"estrellas\"}')",
    )
    .unwrap();
    Spi::run("CREATE TEMP TABLE before AS SELECT relation, mode FROM pg_locks WHERE pid = pg_backend_pid()").unwrap();
    train();
    assert!(truth(
        "SELECT count(*) = 0 FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
         WHERE pid = pg_backend_pid() AND c.relname IN ('resena', 'seen', 'libro', 'favorito', 'usuario')
           AND mode = 'AccessShareLock' AND (l.relation, mode) NOT IN (SELECT relation, mode FROM before)"
    ));
}

#[pg_test]
fn an_error_while_reading_ends_the_reading_only() {
    small_site();
    Spi::run(
        "CREATE VIEW broken AS SELECT usuario_id, libro_id, 5 / (usuario_id - 40) AS estrellas FROM resena;
         SELECT reco_configure('rating', 'broken', '{\"user\": \"usuario_id\", \"item\": \"libro_id\", \"stars\": \"estrellas\"}')",
    )
    .unwrap();
    assert_eq!(fails("SELECT * FROM reco_train()").0, "22012");
    Spi::run("SELECT reco_configure('rating', NULL, NULL)").unwrap();
    train();
}

#[pg_test]
fn json_that_cannot_be_read_is_refused() {
    small_site();
    let nested = format!("{}{}", "[".repeat(200), "]".repeat(200));
    for value in ["1e400".to_owned(), nested] {
        for call in [
            format!("SELECT * FROM reco_train('{{\"factors\": {value}}}')"),
            format!("SELECT reco_configure('item', 'libro', '{{\"id\": {value}}}')"),
        ] {
            let (state, message) = fails(&call);
            assert!(state == "22023" && message.contains("cannot be read"), "{state} {message}");
        }
    }
}

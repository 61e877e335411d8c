// A stored model is evaluated on its own hold-out, and what cannot be evaluated is refused.

/// The value of the ensemble.
fn figure(of: &str, metric: &str) -> f64 {
    let sql = format!("SELECT value FROM {of} WHERE part = 'ensemble' AND segment = 'all' AND k = 10 AND metric = '{metric}'");
    Spi::get_one(&sql).unwrap().unwrap()
}

#[pg_test]
fn an_evaluation_finds_what_the_training_found() {
    small_site();
    let version = train();
    assert!(truth(&format!(
        "WITH e AS MATERIALIZED (SELECT * FROM reco_evaluate()),
         pairs AS (SELECT e.*, m.users AS there, to_jsonb(m) ->> e.metric AS value_there, m.ndcg_low, m.ndcg_high
                   FROM reco.metric m JOIN e ON (m.model_version, m.part, m.k) = (e.model_version, e.part, e.k)
                   WHERE m.model_version = {version} AND e.metric NOT IN ('novelty', 'diversity', 'coverage'))
         SELECT count(*) = 42 AND bool_and(value::real = value_there::real AND users = there)
             AND bool_and((low::real, high::real) = (ndcg_low, ndcg_high)) FILTER (WHERE metric = 'ndcg')
             AND (SELECT count(*) FROM e) = 63 AND (SELECT bool_and(segment = 'all' AND category IS NULL) FROM e)
         FROM pairs"
    )));
}

#[pg_test]
fn segments_of_the_users_sum_to_all() {
    small_site();
    train();
    assert!(truth(
        "WITH e AS MATERIALIZED (SELECT * FROM reco_evaluate('{3,10,3}', '{\"segments\": true}')),
         sums AS (SELECT sum(value * users) FILTER (WHERE segment = 'all') AS whole,
                         sum(value * users) FILTER (WHERE segment IN ('cold', 'warm')) AS parts
                  FROM e WHERE metric <> 'coverage' GROUP BY part, k, metric)
         SELECT bool_and(abs(whole - parts) < 1e-9) AND count(*) = 7 * 2 * 8
             AND (SELECT array_agg(DISTINCT category ORDER BY category) FROM e WHERE segment = 'category') = '{0,1}'
             AND (SELECT bool_and((category IS NULL) = (segment <> 'category')) FROM e)
         FROM sums"
    ));
}

#[pg_test]
fn any_version_is_evaluated_and_cut_offs_of_any_number_type() {
    small_site();
    let first = train();
    Spi::run("SELECT reco_train('{\"force\": true, \"neighbour_share\": 0, \"factors\": 2}')").unwrap();
    let of = |version| format!("reco_evaluate(options => '{{\"version\": {version}}}')");
    assert_eq!(figure("reco_evaluate()", "ndcg"), figure(&of(first + 1), "ndcg"));
    assert!(truth(&format!("SELECT bool_and(model_version = {first}) FROM {}", of(first))));
    for cast in ["smallint[]", "int[]", "bigint[]", "numeric[]", "real[]", "double precision[]"] {
        assert!(truth(&format!("SELECT array_agg(DISTINCT k) = '{{5,10}}' FROM reco_evaluate(ARRAY[10, 5]::{cast})")));
    }
    assert!(truth("SELECT bool_and(users <= 7) FROM reco_evaluate(options => '{\"users\": 7}')"));
}

#[pg_test]
fn the_mapping_is_that_of_the_name_of_the_model() {
    two_shops();
    train();
    let shop = train_shop();
    let of_shop = format!("reco_evaluate(options => '{{\"version\": {shop}}}')");
    assert_eq!(figure(&of_shop, "recall"), in_shop(|| figure("reco_evaluate()", "recall")));
    assert!(truth(&format!("SELECT bool_and(model_version = {shop}) FROM {of_shop}")));
    assert!(truth("SELECT current_setting('reco.model') = ''"));
    Spi::run("SET reco.model = 'nowhere'").unwrap();
    assert_eq!(fails("SELECT reco_evaluate()").0, "42704");
    Spi::run("RESET reco.model").unwrap();
}

#[pg_test]
fn wrong_arguments_of_an_evaluation_are_named() {
    small_site();
    assert_eq!(fails("SELECT reco_evaluate()").0, "55000");
    train();
    for (arguments, state, says) in [
        ("'{0}'", "22023", "not 0"),
        ("'{101}'", "22023", "not 101"),
        ("'{2.5}'", "22023", "not 2.5"),
        ("'{NaN}'", "22023", "NaN"),
        ("'{}'", "22023", "not 0"),
        ("array_fill(10, '{21}')", "22023", "not 21"),
        ("'{{1,2}}'", "2202E", "one dimension"),
        ("'{10,NULL}'", "22004", "NULL"),
        ("NULL", "22004", "NULL"),
        ("options => NULL", "22004", "NULL"),
        ("options => '[]'", "22023", "JSON object"),
        ("options => '{\"user\": 7}'", "22023", "\"user\""),
        ("options => '{\"users\": 0}'", "22023", "from 1 to 10000000, not 0"),
        ("options => '{\"users\": 1.5}'", "22023", "not 1.5"),
        ("options => '{\"seed\": -1}'", "22023", "not -1"),
        ("options => '{\"segments\": 1}'", "22023", "true or false"),
        ("options => '{\"version\": \"1\"}'", "22023", "not \"1\""),
        ("options => '{\"version\": 987654}'", "42704", "987654"),
    ] {
        let (found, message) = fails(&format!("SELECT reco_evaluate({arguments})"));
        assert!(found == state && message.contains(says), "{arguments}: {found} {message}");
    }
}

#[pg_test]
fn sources_that_no_longer_fit_the_cut_are_refused() {
    small_site();
    train();
    let before = figure("reco_evaluate()", "recall");
    let refused = |says: &str| {
        let (state, message) = fails("SELECT reco_evaluate()");
        assert!(state == "55000" && message.contains(says), "{state} {message}");
    };
    // A table that is renamed is the same.
    Spi::run("ALTER TABLE favorito RENAME TO favoritos").unwrap();
    assert_eq!(figure("reco_evaluate()", "recall"), before);
    Spi::run("ALTER TABLE favoritos RENAME TO gustos").unwrap();
    refused("\"favorite\" is not what it was");
    Spi::run("ALTER TABLE gustos RENAME TO favorito; DELETE FROM resena WHERE estrellas >= 4; DELETE FROM favorito").unwrap();
    refused("no user has a liked item");
}

#[pg_test]
fn too_little_memory_for_an_evaluation_is_refused() {
    small_site();
    train();
    Spi::run("SET LOCAL reco.max_train_memory = '64MB'").unwrap();
    assert!(figure("reco_evaluate()", "recall") > 0.0);
    Spi::run("SET LOCAL reco.max_threads = 256").unwrap();
    Spi::run("INSERT INTO libro SELECT i FROM generate_series(1001, 6000) i").unwrap();
    let (state, message) = fails("SELECT reco_evaluate()");
    assert!(state == "53400" && message.contains("the limit is 64 MB"), "{state} {message}");
}

#[pg_test]
fn an_evaluation_needs_a_grant_and_reads_with_the_rights_of_the_caller() {
    small_site();
    train();
    let all = figure("reco_evaluate()", "recall");
    Spi::run("CREATE ROLE juez; GRANT SELECT ON libro, resena, favorito, usuario TO juez; SET LOCAL ROLE juez").unwrap();
    assert_eq!(fails("SELECT reco_evaluate()").0, "42501");
    Spi::run("RESET ROLE; GRANT EXECUTE ON FUNCTION reco_evaluate(double precision[], jsonb) TO juez; SET LOCAL ROLE juez").unwrap();
    assert_eq!(figure("reco_evaluate()", "recall"), all);
    Spi::run(
        "RESET ROLE; ALTER TABLE resena ENABLE ROW LEVEL SECURITY; CREATE POLICY propias ON resena USING (usuario_id <= 10);
         ALTER TABLE favorito ENABLE ROW LEVEL SECURITY; CREATE POLICY propios ON favorito USING (usuario_id <= 10);
         SELECT reco_configure('rating', 'resena',
             '{\"user\": \"usuario_id\", \"item\": \"libro_id\", \"stars\": \"estrellas\", \"at\": \"fecha_resena\"}');
         SELECT reco_configure('favorite', 'favorito', '{\"user\": \"usuario_id\", \"item\": \"libro_id\"}'); SET LOCAL ROLE juez",
    )
    .unwrap();
    assert!(truth("SELECT bool_and(users BETWEEN 1 AND 10) FROM reco_evaluate()"));
    Spi::run("RESET ROLE; REVOKE SELECT ON resena FROM juez; SET LOCAL ROLE juez").unwrap();
    assert_eq!(fails("SELECT reco_evaluate()").0, "42501");
}

#[pg_test]
fn an_evaluation_in_a_read_only_transaction_writes_nothing() {
    small_site();
    train();
    let sizes = "SELECT (SELECT count(*) FROM reco.metric) * 1000 + (SELECT count(*) FROM reco.run)";
    let before: Option<i64> = Spi::get_one(sizes).unwrap();
    Spi::run("SET LOCAL transaction_read_only = on").unwrap();
    assert!(figure("reco_evaluate()", "recall") > 0.0);
    assert_eq!(Spi::get_one::<i64>(sizes).unwrap(), before);
}

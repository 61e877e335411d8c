// What only a backend can tell: types, rights, snapshots, errors. Included by src/lib.rs into the schema "tests".

use pgrx::prelude::*;

/// Forty readers of two tastes over thirty books, one reader without a past, and the extension's own detection.
fn small_site() {
    Spi::run(
        "CREATE TABLE libro (id int PRIMARY KEY, titulo text, categoria_id int, autor_id int, fecha_publicacion date);
         CREATE TABLE resena (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, usuario_id int, libro_id int,
             estrellas smallint, fecha_resena timestamptz);
         CREATE TABLE favorito (usuario_id int, libro_id int, PRIMARY KEY (usuario_id, libro_id));
         CREATE TABLE usuario (id int PRIMARY KEY, fecha_registro timestamptz);
         INSERT INTO libro SELECT i, 'Libro ' || i, i % 2, i % 5, date '2020-01-01' + i FROM generate_series(1, 30) i;
         INSERT INTO usuario SELECT i, '2021-01-01' FROM generate_series(1, 41) i;
         INSERT INTO resena (usuario_id, libro_id, estrellas, fecha_resena)
             SELECT u, b, CASE WHEN (u + b) % 2 = 0 THEN 5 ELSE 2 END,
                    timestamptz '2022-01-01' + (u * 37 + b * 11) % 300 * interval '1 day'
             FROM generate_series(1, 40) u, generate_series(1, 30) b WHERE (u * 7 + b * 3) % 5 <> 0;
         INSERT INTO favorito SELECT u, b FROM generate_series(1, 40) u, generate_series(1, 30) b
             WHERE (u + b) % 2 = 0 AND (u * 7 + b * 3) % 5 = 0 AND (u + b) % 3 = 0;",
    )
    .unwrap();
}

fn train() -> i64 {
    Spi::get_one("SELECT model_version FROM reco_train('{\"force\": true}')").unwrap().unwrap()
}

/// Runs a statement that must fail; gives its SQLSTATE and its message.
fn fails(sql: &str) -> (String, String) {
    Spi::run(
        "CREATE OR REPLACE FUNCTION pg_temp.outcome(statement text) RETURNS text[] LANGUAGE plpgsql AS $$
         BEGIN EXECUTE statement; RETURN NULL; EXCEPTION WHEN OTHERS THEN RETURN ARRAY[SQLSTATE, SQLERRM]; END $$",
    )
    .unwrap();
    let outcome = Spi::get_one_with_args::<Vec<String>>("SELECT pg_temp.outcome($1)", &[sql.into()]).unwrap();
    let outcome = outcome.unwrap_or_else(|| panic!("this worked, and should fail: {sql}"));
    (outcome[0].clone(), outcome[1].clone())
}

fn truth(sql: &str) -> bool {
    Spi::get_one(sql).unwrap().unwrap_or(false)
}

#[pg_test]
fn without_tables_the_error_names_the_source() {
    let (state, message) = fails("SELECT * FROM reco_score(1, '{1}')");
    assert_eq!(state, "42P01");
    assert!(message.contains("\"item\"") && message.contains("libro"), "{message}");
}

#[pg_test]
fn scores_are_the_weighted_parts() {
    small_site();
    train();
    assert!(truth(
        "SELECT bool_and(abs(score - (coalesce(.5 * collaborative, 0) + coalesce(.3 * content_based, 0) + .2 * popularity)
             / (CASE WHEN collaborative IS NULL THEN 0 ELSE .5 END + CASE WHEN content_based IS NULL THEN 0 ELSE .3 END + .2)) < 1e-6)
             AND count(*) = 31
         FROM reco_score(3, (SELECT array_agg(i) FROM generate_series(0, 30) i))"
    ));
}

#[pg_test]
fn a_reader_is_recommended_the_own_taste() {
    small_site();
    train();
    // Reader 3 likes the odd books: of those not touched, odd ones score higher.
    assert!(truth(
        "SELECT avg(score) FILTER (WHERE item_id % 2 = 1) > avg(score) FILTER (WHERE item_id % 2 = 0)
         FROM reco_score(3, (SELECT array_agg(id) FROM libro
             WHERE id NOT IN (SELECT libro_id FROM resena WHERE usuario_id = 3)
               AND id NOT IN (SELECT libro_id FROM favorito WHERE usuario_id = 3)))"
    ));
}

#[pg_test]
fn the_ladder_names_its_steps() {
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
fn stars_are_predicted_from_the_reviews_as_they_are() {
    small_site();
    let stars = |user: i32, item: i32| -> f32 {
        Spi::get_one(&format!("SELECT rating FROM reco_predict_rating({user}, ARRAY[{item}])")).unwrap().unwrap()
    };
    assert!(truth("SELECT count(*) = 2 AND bool_and(rating IS NULL AND model_version IS NULL) FROM reco_predict_rating(3, '{5, 6}')"));
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
    assert!(truth("SELECT (choice -> 'ratings' ->> 'rmse')::float8 < (choice -> 'ratings' ->> 'baseline_rmse')::float8 FROM reco_models"));
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
    assert!(truth("SELECT choice -> 'ratings' = 'null' FROM reco_models"));
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
    assert!(state == "54000" && message.contains("at most 2"), "{state} {message}");
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
    Spi::run("SELECT reco_configure('rating', 'mis_notas', '{\"user\": \"quien\", \"item\": \"que\", \"stars\": \"nota\"}')").unwrap();
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
    assert!(message("{\"user\": \"nadie\", \"item\": \"libro_id\", \"stars\": \"estrellas\"}").contains("no column \"nadie\""));
    assert!(message("{\"usr\": \"usuario_id\"}").contains("\"usr\""));
    assert!(message("{\"user\": 7}").contains("name in quotes"));
    assert!(message("{\"user\": \"fecha_resena\", \"item\": \"libro_id\", \"stars\": \"estrellas\"}").contains("timestamp"));
    assert!(fails("SELECT reco_configure('buyers', 'resena', '{}')").1.contains("buyers"));
}

#[pg_test]
fn stars_out_of_range_are_named() {
    small_site();
    Spi::run("INSERT INTO resena (usuario_id, libro_id, estrellas) VALUES (1, 1, 9)").unwrap();
    let (state, message) = fails("SELECT * FROM reco_train()");
    assert!(state == "22000" && message.contains('9') && message.contains("1 to 5"), "{state} {message}");
}

#[pg_test]
fn wrong_options_are_named() {
    let (state, message) = fails("SELECT * FROM reco_train('{\"factors\": 9999}')");
    assert!(state == "22023" && message.contains("factors") && message.contains("256"), "{message}");
    assert!(fails("SELECT * FROM reco_train('{\"factorz\": 9}')").1.contains("factorz"));
    assert!(fails("SELECT * FROM reco_train('[]')").1.contains("JSON object"));
}

#[pg_test]
fn too_little_memory_is_refused_before_it_is_taken() {
    small_site();
    Spi::run("SET LOCAL reco.max_train_memory = '64MB'").unwrap();
    let (state, message) = fails("SELECT * FROM reco_train()");
    assert!(state == "53400" && message.contains("the limit is 64 MB"), "{state} {message}");
}

#[pg_test]
fn the_registry_walks_back_and_never_ping_pongs() {
    small_site();
    let (first, second, third) = (train(), train(), train());
    let active = || -> Option<i64> { Spi::get_one("SELECT version FROM reco_models WHERE active").ok().flatten() };
    assert_eq!(active(), Some(third));
    let back = || -> Option<i64> { Spi::get_one("SELECT reco_rollback()").unwrap() };
    assert_eq!((back(), back()), (Some(second), Some(first)));
    assert_eq!(active(), Some(first));
    assert_eq!((back(), active()), (None, None));
    assert_eq!(fails("SELECT reco_rollback()").0, "55000");
    Spi::run(&format!("SELECT reco_activate({second})")).unwrap();
    assert_eq!(active(), Some(second));
    assert_eq!(fails(&format!("SELECT reco_drop_model({second})")).0, "55006");
    Spi::run(&format!("SELECT reco_drop_model({third})")).unwrap();
    assert_eq!(fails(&format!("SELECT reco_activate({third})")).0, "42704");
    assert!(truth(&format!("SELECT count(*) = 0 FROM reco.user_factor WHERE model_version = {third}")));
}

#[pg_test]
fn retention_keeps_the_newest_and_what_is_served() {
    small_site();
    Spi::run("SET LOCAL reco.keep_models = 1").unwrap();
    let versions = [train(), train(), train(), train()];
    let kept: Vec<i64> = Spi::get_one("SELECT array_agg(version ORDER BY version) FROM reco.model").unwrap().unwrap();
    assert_eq!(kept, versions[2..]);
    assert!(truth("SELECT count(DISTINCT version) = 2 FROM reco.model_blob"));
}

#[pg_test]
fn a_damaged_model_is_an_error_and_no_crash() {
    small_site();
    let version = train();
    Spi::run(&format!(
        "UPDATE reco.model_blob SET data = set_byte(data, length(data) / 2, get_byte(data, length(data) / 2) # 1)
         WHERE version = {version} AND kind = 'served'"
    ))
    .unwrap();
    let (state, message) = fails("SELECT * FROM reco_score(3, '{5}')");
    assert!(state == "XX001" && message.contains("damaged"), "{state} {message}");
}

#[pg_test]
fn the_feature_store_is_filled() {
    small_site();
    let version = train();
    assert!(truth(&format!(
        "SELECT (SELECT count(*) FROM reco.item_feature WHERE model_version = {version}) = 30
            AND (SELECT count(*) FROM reco.item_factor WHERE model_version = {version}) = 30
            AND (SELECT count(*) FROM reco.user_feature WHERE model_version = {version}) = 40
            AND (SELECT count(*) FROM reco.user_factor WHERE model_version = {version}) = 40
            AND (SELECT count(*) FROM reco.metric WHERE model_version = {version}) = 8"
    )));
    assert!(truth(
        "SELECT ratings = (SELECT count(*) FROM resena WHERE libro_id = 5) AND category = 1 AND author = 0
             AND favorites = (SELECT count(*) FROM favorito WHERE libro_id = 5)
             AND abs(mean_stars - (SELECT avg(estrellas) FROM resena WHERE libro_id = 5)) < 1e-4
         FROM reco.item_feature WHERE item_id = 5"
    ));
}

#[pg_test]
fn settings_reject_what_is_not_one() {
    assert_eq!(fails("SET reco.max_threads = 1000").0, "22023");
    assert_ne!(fails("SET reco.nonsense = 1").0, "");
}

/// Every pair of these readers and books, explained and scored.
fn explained(readers: &str, books: &str) -> (i64, f64) {
    Spi::get_two(&format!(
        "SELECT count(*), max(abs(e.sum - s.score)) FROM generate_series({readers}) u, generate_series({books}) b,
             LATERAL (SELECT sum(contribution) FROM reco_explain(u, b)) e, LATERAL reco_score(u, ARRAY[b::bigint]) s"
    ))
    .map(|(count, error)| (count.unwrap(), error.unwrap()))
    .unwrap()
}

#[pg_test]
fn explanations_sum_to_the_score_on_every_rung() {
    small_site();
    train();
    // Reader 39 has read on since, 41 is new, 42 is nobody; book 31 is newer than the model, 32 is nowhere. So few
    // readers teach no trees: what those add is checked on the generated library, by tests/psql.
    Spi::run(
        "INSERT INTO libro VALUES (31, 'Nuevo', 1, 1, '2022-06-01');
         INSERT INTO favorito VALUES (39, 31), (39, 12), (41, 1), (41, 7)",
    )
    .unwrap();
    assert!(truth(
        "SELECT array_agg(DISTINCT source) @> '{hybrid,fold_in,popularity}'
         FROM generate_series(36, 42) u, reco_score(u, ARRAY(SELECT generate_series(1, 32)))"
    ));
    let (pairs, error) = explained("36, 42", "1, 32");
    assert!(pairs == 224 && error < 1e-6, "{pairs} {error}");
    Spi::run("SET LOCAL reco.enabled = off").unwrap();
    let (pairs, error) = explained("36, 42", "1, 32");
    assert!(pairs == 224 && error < 1e-6, "{pairs} {error}");
    assert!(truth("SELECT bool_and(component = 'rules') FROM reco_explain(41, 3)"));
}

#[pg_test]
fn an_explanation_names_the_liked_books() {
    small_site();
    train();
    assert!(truth(
        "SELECT bool_and(liked_item IN (SELECT libro_id FROM resena WHERE usuario_id = 3 AND estrellas >= 4
                                        UNION SELECT libro_id FROM favorito WHERE usuario_id = 3))
            AND bool_and(evidence = 'liked ' || liked_item || ': Libro ' || liked_item) AND count(*) > 5
         FROM reco_explain(3, 6) WHERE component = 'collaborative' AND evidence <> 'base'"
    ));
    // Reader 3 likes odd books; what speaks for an odd one is more than what speaks for an even one.
    assert!(truth(
        "SELECT sum(contribution) FILTER (WHERE b % 2 = 1) / 15 > sum(contribution) FILTER (WHERE b % 2 = 0) / 15
         FROM generate_series(1, 30) b, reco_explain(3, b) WHERE liked_item IS NOT NULL"
    ));
    Spi::run("ALTER TABLE libro DROP COLUMN titulo").unwrap();
    assert!(truth("SELECT bool_and(evidence = 'liked ' || liked_item) FROM reco_explain(3, 6) WHERE liked_item IS NOT NULL"));
}

#[pg_test]
fn explaining_fails_as_scoring_does() {
    assert_eq!(fails("SELECT * FROM reco_explain(1, 1)").0, "42P01");
    small_site();
    assert!(truth("SELECT count(*) = 0 FROM reco_explain(NULL, 1)"));
    Spi::run("SET LOCAL reco.fallback = off").unwrap();
    assert_eq!(fails("SELECT * FROM reco_explain(1, 1)").0, "55000");
    assert_eq!(fails("SET LOCAL reco.locale = 'fr'").0, "22023");
}

fn health(path: &str) -> String {
    let sql = format!("SELECT coalesce(reco_health() #>> '{path}', '-')");
    Spi::get_one(&sql).unwrap().unwrap_or_default()
}

#[pg_test]
fn health_follows_model_and_data() {
    small_site();
    Spi::run("CREATE INDEX ON resena (usuario_id); CREATE INDEX ON favorito (usuario_id)").unwrap();
    assert_eq!((health("{status}"), health("{model}")), ("attention".into(), "-".into()));
    let version = train();
    assert_eq!(health("{model,version}"), version.to_string());
    assert_eq!((health("{status}"), health("{attention}")), ("ok".into(), "[]".into()));
    assert_eq!((health("{cache,place}"), health("{staleness,interactions_since}")), ("shared file".into(), "0".into()));

    // As many as the tables held before, all of a new book, half of them by a new reader.
    Spi::run(
        "INSERT INTO libro VALUES (31, 'Nuevo', 1, 1, '2024-01-01');
         INSERT INTO resena (usuario_id, libro_id, estrellas, fecha_resena)
             SELECT CASE WHEN i % 2 = 0 THEN 3 ELSE 99 END, 31, 1, clock_timestamp() FROM generate_series(1, 1000) i",
    )
    .unwrap();
    assert_eq!(health("{staleness,interactions_since}"), "1000");
    assert_eq!((health("{drift,unknown_items}"), health("{drift,unknown_users}")), ("1.0".into(), "0.5".into()));
    assert_eq!((health("{drift,mean_stars}"), health("{status}")), ("1.0".into(), "attention".into()));
    let attention = health("{attention}");
    assert!(attention.contains("train again") && attention.contains("1000 of 1000"), "{attention}");

    Spi::run("DROP INDEX resena_usuario_id_idx; SET LOCAL reco.enabled = off").unwrap();
    assert_eq!(health("{missing_indexes}"), "[\"CREATE INDEX ON public.resena (usuario_id);\"]");
    assert_eq!(health("{enabled}"), "false");
}

#[pg_test]
fn health_tells_nothing_of_what_the_caller_may_not_read() {
    small_site();
    train();
    Spi::run("CREATE ROLE monitor; GRANT SELECT ON libro, favorito TO monitor; SET LOCAL ROLE monitor").unwrap();
    assert_eq!((health("{staleness}"), health("{drift}")), ("-".into(), "-".into()));
    assert_ne!(health("{model,version}"), "-");
}

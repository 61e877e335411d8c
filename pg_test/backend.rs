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

/// Removes the mapped file of a model, as a restart of the server does.
fn forget_shared_file(version: i64) {
    let of_version = format!("_{version}_");
    // Other tests make and remove such files meanwhile.
    for file in std::fs::read_dir("base/pgsql_tmp").unwrap().flatten() {
        if file.file_name().to_string_lossy().contains(&of_version) {
            let _ = std::fs::remove_file(file.path());
        }
    }
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
    assert!(state == "54000" && message.contains("at most 2 elements, not 3"), "{state} {message}");
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
    // The file that training made is sound, and is served from; without it the tables are read.
    forget_shared_file(version);
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

/// Ids that a query gives, in its order.
fn listed(sql: &str) -> Vec<i64> {
    Spi::get_one::<Vec<i64>>(&format!("SELECT coalesce(array_agg(item_id ORDER BY rank), '{{}}') FROM {sql}"))
        .unwrap()
        .unwrap()
}

/// A reader of the odd books, 43, who has seen the first ten, and the books that are left.
fn recommending() -> i64 {
    small_site();
    let version = train();
    Spi::run("INSERT INTO favorito SELECT 43, i FROM generate_series(1, 9, 2) i").unwrap();
    version
}

#[pg_test]
fn recommendations_are_scores_in_order_with_a_reason() {
    recommending();
    assert!(truth(
        "SELECT count(*) = 10 AND bool_and(r.score = s.score AND r.source = s.source AND r.model_version = s.model_version
                AND r.collaborative IS NOT DISTINCT FROM s.collaborative
                AND r.content_based IS NOT DISTINCT FROM s.content_based AND r.popularity = s.popularity)
            AND array_agg(r.rank ORDER BY r.score DESC, r.item_id) = '{1,2,3,4,5,6,7,8,9,10}'
            AND bool_and(r.reason <> '') AND bool_and(r.propensity IS NULL)
         FROM reco_recommend(43) r, LATERAL reco_score(43, ARRAY[r.item_id]) s"
    ));
    // Exhaustive: the best ten of all that is left.
    assert_eq!(
        listed("reco_recommend(43)"),
        listed("(SELECT item_id, row_number() OVER (ORDER BY score DESC, item_id) AS rank
                 FROM reco_score(43, ARRAY(SELECT id::bigint FROM libro WHERE id NOT IN (1, 3, 5, 7, 9)))) s WHERE rank <= 10")
    );
}

#[pg_test]
fn the_catalogue_is_that_of_this_moment() {
    recommending();
    let before = listed("reco_recommend(43, 5)");
    Spi::run(&format!("DELETE FROM libro WHERE id IN ({}, {})", before[0], before[1])).unwrap();
    let after = listed("reco_recommend(43, 5)");
    assert!(after.len() == 5 && after[..3] == before[2..]);
    // Newer than the model, above and below the ids that it knows.
    Spi::run("INSERT INTO libro VALUES (1000, 'Nuevo', 1, 1, '2022-06-01'), (-5, 'Bajo', 1, 1, '2022-06-01')").unwrap();
    let all = listed("reco_recommend(43, 1000)");
    assert!(all.contains(&1000) && all.contains(&-5) && all.len() == 25, "{all:?}");
    Spi::run("DELETE FROM libro WHERE id > 2").unwrap();
    assert_eq!(listed("reco_recommend(43, 1000)").len(), 2);
    Spi::run("DELETE FROM libro").unwrap();
    assert!(listed("reco_recommend(43)").is_empty());
}

#[pg_test]
fn exclusions_come_before_the_top() {
    recommending();
    let all = listed("reco_recommend(43, 1000)");
    assert!(all.len() == 25 && ![1, 3, 5, 7, 9].iter().any(|seen| all.contains(seen)));
    assert_eq!(listed("reco_recommend(43, 1000, exclude_seen => false)").len(), 30);
    let rest = listed(&format!("reco_recommend(43, 5, ARRAY[{}, {}])", all[0], all[2]));
    assert_eq!(rest, [all[1], all[3], all[4], all[5], all[6]]);
    // A badly rated book is seen too; a book that the model does not know can be excluded.
    Spi::run(&format!("INSERT INTO resena (usuario_id, libro_id, estrellas) VALUES (43, {}, 1)", all[0])).unwrap();
    Spi::run("INSERT INTO libro VALUES (1000, 'Nuevo', 1, 1, '2022-06-01')").unwrap();
    assert!(!listed("reco_recommend(43, 1000)").contains(&all[0]));
    assert!(!listed("reco_recommend(43, 1000, '{1000}')").contains(&1000));
    Spi::run("INSERT INTO favorito VALUES (43, 1000)").unwrap();
    assert!(!listed("reco_recommend(43, 1000)").contains(&1000));
}

#[pg_test]
fn the_category_is_that_of_this_moment() {
    recommending();
    let even = listed("reco_recommend(43, 1000, category => 0)");
    assert!(even.len() == 15 && even.iter().all(|id| id % 2 == 0));
    Spi::run("UPDATE libro SET categoria_id = 7 WHERE id IN (2, 11); INSERT INTO libro VALUES (1000, 'Nuevo', 7, 1, NULL)").unwrap();
    let mut moved = listed("reco_recommend(43, 1000, category => 7)");
    moved.sort();
    assert_eq!(moved, [2, 11, 1000]);
    assert!(!listed("reco_recommend(43, 1000, category => 0)").contains(&2));
    assert!(listed("reco_recommend(43, category => 99)").is_empty());
    Spi::run("ALTER TABLE libro DROP COLUMN categoria_id").unwrap();
    assert_eq!(fails("SELECT * FROM reco_recommend(43, category => 0)").0, "42703");
    assert_eq!(fails("SELECT * FROM reco_trending(category => 0)").0, "42703");
}

#[pg_test]
fn wrong_arguments_of_a_recommendation_are_named() {
    recommending();
    for (call, state, named) in [
        ("reco_recommend(43, 0)", "22023", "n must be between 1 and 1000, not 0"),
        ("reco_recommend(43, 1001)", "22023", "n must be between 1 and 1000, not 1001"),
        ("reco_recommend(43, exclude => '{1,NULL}')", "22004", "exclude must not contain NULL"),
        ("reco_recommend(43, exclude => '{{1},{2}}')", "2202E", "exclude must have one dimension, not 2"),
        ("reco_recommend(43, diversity => 1.5)", "22023", "diversity must be between 0 and 1, not 1.5"),
        ("reco_recommend(43, diversity => 'NaN')", "22023", "diversity must be between 0 and 1, not NaN"),
        ("reco_recommend(43, explore => -0.1)", "22023", "explore must be between 0 and 1, not -0.1"),
        ("reco_similar(1, -3)", "22023", "n must be between 1 and 1000, not -3"),
        ("reco_trending(0)", "22023", "n must be between 1 and 1000, not 0"),
        ("reco_trending(half_life => '0 days')", "22023", "half_life must be more than 0 seconds, not 0"),
        ("reco_trending(half_life => '-1 month')", "22023", "more than 0 seconds, not -2592000"),
    ] {
        let (found, message) = fails(&format!("SELECT * FROM {call}"));
        assert!(found == state && message.contains(named), "{call}: {found} {message}");
    }
    assert!(listed("reco_recommend(NULL)").is_empty() && listed("reco_similar(NULL)").is_empty());
    assert_eq!(listed("reco_recommend(43, NULL, NULL, NULL, NULL, NULL, NULL)"), listed("reco_recommend(43)"));
}

#[pg_test]
fn exploring_is_stable_and_logs_its_propensity() {
    recommending();
    Spi::run("INSERT INTO libro SELECT i, 'Nuevo', i % 2, i % 5, '2022-06-01' FROM generate_series(1001, 1100) i").unwrap();
    let explored = "(SELECT * FROM reco_recommend(43, 10, explore => 0.3) WHERE propensity IS NOT NULL) e";
    let first = listed(explored);
    assert!(first.len() == 3 && first.iter().all(|id| *id > 1000), "{first:?}");
    assert_eq!(listed(explored), first);
    assert!(truth(&format!("SELECT bool_and(propensity > 0 AND propensity <= 1) FROM {explored}")));
    assert!(truth(
        "SELECT count(*) = 10 AND count(DISTINCT item_id) = 10 AND array_agg(rank ORDER BY rank) = '{1,2,3,4,5,6,7,8,9,10}'
         FROM reco_recommend(43, 10, explore => 0.3)"
    ));
    assert!(truth("SELECT count(DISTINCT e.item_id) > 10 FROM generate_series(43, 60) u, reco_recommend(u, 10, explore => 0.3) e WHERE propensity IS NOT NULL"));
    assert!(truth("SELECT count(*) = 10 AND count(propensity) = 10 FROM reco_recommend(43, 10, explore => 1)"));
    Spi::run("DELETE FROM libro WHERE id > 1000").unwrap();
    assert!(truth("SELECT count(*) = 10 AND count(propensity) = 0 FROM reco_recommend(43, 10, explore => 1)"));
}

#[pg_test]
fn diversity_changes_the_list_and_not_its_first() {
    recommending();
    let plain = listed("reco_recommend(43, 8)");
    let varied = listed("reco_recommend(43, 8, diversity => 1)");
    assert!(plain[0] == varied[0] && plain != varied && varied.len() == 8, "{plain:?} {varied:?}");
}

#[pg_test]
fn a_hidden_book_is_never_recommended() {
    recommending();
    Spi::run(
        "INSERT INTO libro SELECT i, 'Nuevo', i % 2, i % 5, '2022-06-01' FROM generate_series(1001, 1040) i;
         CREATE ROLE lector_web; GRANT SELECT ON libro, resena, favorito, usuario TO lector_web;
         ALTER TABLE libro ENABLE ROW LEVEL SECURITY;
         CREATE POLICY visibles ON libro USING (id % 3 = 0);
         SET LOCAL ROLE lector_web",
    )
    .unwrap();
    for call in [
        "reco_recommend(43, 1000)",
        "reco_recommend(43, 10, explore => 1)",
        "reco_recommend(43, 10, diversity => 0.5, explore => 0.5)",
        "reco_recommend(43, 10, category => 1)",
        "reco_similar(15, 1000)",
        "reco_similar(1002, 1000)",
        "reco_trending(1000, '10 years')",
    ] {
        let ids = listed(call);
        assert!(!ids.is_empty() && ids.iter().all(|id| id % 3 == 0), "{call}: {ids:?}");
    }
    assert!(listed("reco_similar(1001, 10)").is_empty());
    Spi::run("SET LOCAL reco.enabled = off").unwrap();
    let ids = listed("reco_recommend(43, 1000)");
    assert!(!ids.is_empty() && ids.iter().all(|id| id % 3 == 0), "{ids:?}");
    Spi::run("RESET ROLE; REVOKE SELECT ON libro FROM lector_web; SET LOCAL ROLE lector_web").unwrap();
    assert_eq!(fails("SELECT * FROM reco_recommend(43)").0, "42501");
}

#[pg_test]
fn lateral_cursors_and_untyped_parameters_give_what_single_calls_give() {
    recommending();
    Spi::run(
        "CREATE TEMP TABLE lote AS SELECT u.id AS lector, r.* FROM usuario u, LATERAL reco_recommend(u.id, 5) r;
         CREATE FUNCTION pg_temp.uno(quien int) RETURNS SETOF bigint LANGUAGE plpgsql AS $$
         BEGIN RETURN QUERY EXECUTE 'SELECT item_id FROM reco_recommend($1, 5) ORDER BY rank' USING quien; END $$",
    )
    .unwrap();
    assert!(truth(
        "SELECT count(*) = 41 AND bool_and(ids = ARRAY(SELECT pg_temp.uno(lector)))
         FROM (SELECT lector, array_agg(item_id ORDER BY rank) AS ids FROM lote GROUP BY 1) l"
    ));
    Spi::run("PREPARE untyped AS SELECT * FROM reco_recommend($1, $2, $3, $4, $5, $6, $7)").unwrap();
    Spi::run("EXECUTE untyped(43, 3, '{2}', 1, true, 0.5, 0)").unwrap();
    Spi::run("DECLARE c CURSOR FOR SELECT item_id, rank FROM reco_recommend(43, 5)").unwrap();
    assert_eq!(Spi::connect_mut(|client| client.update("FETCH ALL FROM c", None, &[]).unwrap().len()), 5);
}

#[pg_test]
fn who_likes_nothing_is_recommended_what_is_popular() {
    recommending();
    assert!(truth("SELECT count(*) = 10 AND bool_and(source IN ('content', 'popularity')) FROM reco_recommend(999)"));
    Spi::run("SET LOCAL reco.enabled = off").unwrap();
    assert!(truth("SELECT count(*) = 10 AND bool_and(source = 'rules' AND model_version IS NULL) FROM reco_recommend(999)"));
    assert!(truth("SELECT bool_and(item_id % 2 = 1 AND score > 0.5 AND reason <> '') FROM reco_recommend(43, 5)"));
    Spi::run("SET LOCAL reco.enabled = on; SET LOCAL reco.fallback = off; SELECT reco_rollback()").unwrap();
    assert_eq!(fails("SELECT * FROM reco_recommend(43)").0, "55000");
    assert_eq!(fails("SELECT * FROM reco_similar(1)").0, "55000");
}

#[pg_test]
fn similar_books_are_read_by_the_same_readers() {
    recommending();
    assert!(truth(
        "SELECT count(*) = 10 AND bool_and(item_id % 2 = 1 AND item_id <> 3) AND bool_and(similarity BETWEEN 0 AND 1)
            AND array_agg(item_id ORDER BY similarity DESC, rank) = array_agg(item_id ORDER BY rank)
         FROM reco_similar(3)"
    ));
    let first = listed("reco_similar(3)")[0];
    Spi::run(&format!("DELETE FROM libro WHERE id = {first}; INSERT INTO libro VALUES (1000, 'Nuevo', 1, 2, NULL)")).unwrap();
    assert!(!listed("reco_similar(3, 1000)").contains(&first));
    assert!(truth("SELECT count(*) > 5 AND bool_and(evidence IN ('author', 'category')) FROM reco_similar(1000)"));
    assert!(listed("reco_similar(12345)").is_empty());
    Spi::run("SET LOCAL reco.enabled = off").unwrap();
    assert!(truth("SELECT count(*) = 10 AND bool_and(model_version IS NULL AND item_id <> 1000) FROM reco_similar(1000)"));
}

#[pg_test]
fn trends_fade_by_half_and_need_no_model() {
    small_site();
    Spi::run(
        "TRUNCATE resena; DELETE FROM favorito;
         INSERT INTO resena (usuario_id, libro_id, estrellas, fecha_resena) VALUES
             (1, 1, 5, now() - interval '7 days'), (2, 1, 5, now() - interval '14 days'), (3, 2, 5, now()),
             (4, 3, 5, now() + interval '1 year'), (5, 3, 1, now() - interval '21 days'),
             (6, 4, 5, now() - interval '1 year'), (7, 999, 5, now()), (8, 5, 5, NULL)",
    )
    .unwrap();
    assert!(truth(
        "SELECT array_agg(item_id ORDER BY rank) = '{3,2,1}' AND array_agg(interactions ORDER BY rank) = '{2,1,2}'
            AND bool_and(abs(score - CASE item_id WHEN 3 THEN 1.125 WHEN 2 THEN 1 ELSE 0.75 END) < 1e-6)
         FROM reco_trending()"
    ));
    assert_eq!(listed("reco_trending(1)"), [3]);
    assert_eq!(listed("reco_trending(category => 0)"), [2]);
    assert_eq!(listed("reco_trending(half_life => '1 year')"), [3, 1, 2, 4]);
    assert_eq!(listed("reco_trending(half_life => '10000 years')").len(), 4);
    // Favourites count too, in another type of time.
    Spi::run("ALTER TABLE favorito ADD fecha_agregado date; INSERT INTO favorito VALUES (1, 2, current_date), (2, 2, current_date)").unwrap();
    assert_eq!(listed("reco_trending(1)"), [2]);
    Spi::run("ALTER TABLE resena DROP COLUMN fecha_resena; ALTER TABLE favorito DROP COLUMN fecha_agregado").unwrap();
    let (state, message) = fails("SELECT * FROM reco_trending()");
    assert!(state == "42703" && message.contains("time"), "{state} {message}");
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

// Calls are counted by what answered them. Other tests count at the same time, so numbers are compared as "at least".

/// A number of the metrics, of the samples whose labels contain these.
fn metric(name: &str, labels: &str) -> f64 {
    let sql = format!("SELECT coalesce(sum(value), 0) FROM reco_metrics() WHERE name = '{name}' AND labels @> '{labels}'");
    Spi::get_one(&sql).unwrap().unwrap_or_default()
}

fn calls(labels: &str) -> f64 {
    metric("reco_requests_total", labels)
}

/// By how much a number grew while something was done.
fn growth(of: impl Fn() -> f64, work: impl FnOnce()) -> f64 {
    let before = of();
    work();
    of() - before
}

#[pg_test]
fn a_call_counts_for_what_answered_it() {
    let version = recommending();
    let run = |sql: &'static str| move || Spi::run(sql).unwrap();
    let scores = "SELECT reco_scores(43, ARRAY[11, 12, 13]) FROM generate_series(1, 3)";
    let by = |function: &str, source: &str| format!(r#"{{"function": "{function}", "source": "{source}", "outcome": "ok"}}"#);
    assert!(growth(|| calls(&by("reco_scores", "fold_in")), run(scores)) >= 3.0);
    let rows = || metric("reco_rows_total", r#"{"function": "reco_scores", "source": "fold_in"}"#);
    assert!(growth(rows, run(scores)) >= 9.0);
    assert!(growth(|| calls(&by("reco_score", "hybrid")), run("SELECT * FROM reco_score(1, ARRAY[1, 2])")) >= 1.0);
    assert!(growth(|| calls(&by("reco_recommend", "fold_in")), run("SELECT * FROM reco_recommend(43)")) >= 1.0);
    assert!(growth(|| calls(&by("reco_recommend", "none")), run("SELECT * FROM reco_recommend(NULL)")) >= 1.0);
    assert!(growth(|| calls(&by("reco_similar", "model")), run("SELECT * FROM reco_similar(1)")) >= 1.0);
    assert!(growth(|| calls(&by("reco_trending", "none")), run("SELECT * FROM reco_trending(10, '10 years')")) >= 1.0);
    Spi::run("SET LOCAL reco.enabled = off").unwrap();
    assert!(growth(|| calls(&by("reco_scores", "rules")), run(scores)) >= 3.0);
    assert!(growth(|| calls(&by("reco_explain", "rules")), run("SELECT * FROM reco_explain(43, 11)")) >= 1.0);
    assert_eq!(metric("reco_model_version", r#"{"model": ""}"#), version as f64);
}

#[pg_test]
fn the_rules_of_a_variant_are_no_fallback() {
    recommending();
    let asked = || calls(r#"{"function": "reco_serve", "source": "rules_variant", "outcome": "ok"}"#);
    let rows = || metric("reco_rows_total", r#"{"function": "reco_serve", "source": "rules_variant"}"#);
    let two = r#"[{"name": "modelo"}, {"name": "reglas", "rules": true}]"#;
    start("mitad", two, "{}");
    let pages = || Spi::run("CREATE TEMP TABLE paginas AS SELECT * FROM generate_series(1, 40) u, reco_serve(u, 3, exclude_seen => false)").unwrap();
    let by_rules = growth(asked, pages);
    let logged: f64 =
        Spi::get_one("SELECT count(DISTINCT request_id)::float8 FROM reco.impression WHERE variant = 'reglas'").unwrap().unwrap();
    assert!(logged > 0.0 && by_rules >= logged, "{by_rules} calls, {logged} pages");
    // On a page that both share, each item is counted for who gave it.
    Spi::run("SELECT reco_experiment_stop('mitad')").unwrap();
    start("juntos", two, r#"{"kind": "interleaving"}"#);
    assert!(growth(rows, || Spi::run("SELECT * FROM reco_serve(3, 6, exclude_seen => false)").unwrap()) >= 3.0);
    Spi::run("SELECT reco_experiment_promote('mitad', 'reglas')").unwrap();
    Spi::run("SELECT reco_experiment_stop('juntos')").unwrap();
    assert!(growth(asked, || Spi::run("SELECT * FROM reco_serve(3, 6, exclude_seen => false)").unwrap()) >= 1.0);
}

#[pg_test]
fn a_call_that_fails_counts_as_failed() {
    small_site();
    let failed = |function: &str| calls(&format!(r#"{{"function": "{function}", "outcome": "error"}}"#));
    // An argument that is refused, and an error of PostgreSQL on the way.
    let wrong = || assert_eq!(fails("SELECT reco_scores(1, ARRAY[NULL]::bigint[])").0, "22004");
    assert!(growth(|| failed("reco_scores"), wrong) >= 1.0);
    Spi::run("CREATE ROLE nadie").unwrap();
    let forbidden = || assert_eq!(fails("SET LOCAL ROLE nadie; SELECT * FROM reco_recommend(1)").0, "42501");
    assert!(growth(|| failed("reco_recommend"), forbidden) >= 1.0);
}

#[pg_test]
fn the_buckets_of_a_latency_add_up() {
    recommending();
    Spi::run("SELECT reco_scores(43, ARRAY[11, 12]) FROM generate_series(1, 20)").unwrap();
    // Of one look: the buckets grow, the last is the count, and the sum lies between what the buckets allow.
    assert!(truth(
        "WITH m AS MATERIALIZED (SELECT * FROM reco_metrics()), b AS (
             SELECT (labels ->> 'le')::float8 AS le, value, value - lag(value, 1, 0) OVER (ORDER BY (labels ->> 'le')::float8) AS calls
             FROM m WHERE name = 'reco_request_duration_seconds_bucket'
                 AND labels @> '{\"function\": \"reco_scores\", \"source\": \"fold_in\", \"outcome\": \"ok\"}')
         SELECT count(*) = 17 AND min(calls) >= 0 AND max(value) = (SELECT value FROM m WHERE name = 'reco_request_duration_seconds_count'
                 AND labels @> '{\"function\": \"reco_scores\", \"source\": \"fold_in\", \"outcome\": \"ok\"}')
             AND max(value) >= 20
             AND (SELECT value FROM m WHERE name = 'reco_request_duration_seconds_sum'
                 AND labels @> '{\"function\": \"reco_scores\", \"source\": \"fold_in\", \"outcome\": \"ok\"}')
                 BETWEEN sum(calls * le / 2) FILTER (WHERE le < 'Infinity') - max(value) * 0.0001 AND 60
         FROM b"
    ));
}

#[pg_test]
fn the_text_has_what_the_rows_have() {
    recommending();
    Spi::run("SELECT reco_check()").unwrap();
    assert!(truth(
        "WITH line AS (SELECT line FROM regexp_split_to_table(reco_metrics_text(), '\\n') line),
             typed AS (SELECT split_part(line, ' ', 3) AS family, split_part(line, ' ', 4) AS type FROM line WHERE line LIKE '# TYPE %'),
             named AS (SELECT DISTINCT regexp_replace(line, '[{ ].*', '') AS name FROM line WHERE line <> '' AND line NOT LIKE '#%'),
             rows AS (SELECT DISTINCT name, type FROM reco_metrics())
         SELECT (SELECT array_agg(name ORDER BY name) FROM named) = (SELECT array_agg(name ORDER BY name) FROM rows)
             AND (SELECT count(*) FROM rows) > 20
             AND (SELECT bool_and(EXISTS (SELECT FROM typed t WHERE t.type = r.type AND t.family = CASE r.type
                 WHEN 'histogram' THEN regexp_replace(r.name, '_(bucket|sum|count)$', '') ELSE r.name END)) FROM rows r)"
    ));
    let wrong = "SELECT string_agg(line, '; ') FROM regexp_split_to_table(reco_metrics_text(), '\\n') line WHERE line <> ''
         AND line !~ '^# (HELP reco_[a-z0-9_]+ .+|TYPE reco_[a-z0-9_]+ (counter|gauge|histogram))$'
         AND line !~ '^reco_[a-z0-9_]+({[a-z]+=\"([^\"\\\\]|\\\\.)*\"(,[a-z]+=\"([^\"\\\\]|\\\\.)*\")*})? (-?[0-9.]+|NaN)$'";
    assert_eq!(Spi::get_one::<String>(wrong).unwrap(), None);
}

#[pg_test]
fn a_name_is_escaped_in_the_text() {
    small_site();
    Spi::run(r#"SELECT reco_train(jsonb_build_object('model', 'a\b "c"', 'force', true))"#).unwrap();
    let text: String = Spi::get_one("SELECT reco_metrics_text()").unwrap().unwrap();
    assert!(text.contains(r#"reco_model_version{model="a\\b \"c\""} "#), "{text}");
}

// A night trains if something has changed, and goes on when the training fails.

/// Outcome and reason of a night.
fn night(options: &str) -> (String, String) {
    let sql = format!("SELECT ARRAY[outcome, reason] FROM reco_nightly('{options}')");
    let row: Vec<String> = Spi::get_one(&sql).unwrap().unwrap();
    (row[0].clone(), row[1].clone())
}

#[pg_test]
fn a_night_without_a_change_is_skipped_and_says_so() {
    small_site();
    Spi::run("SET LOCAL reco.model = 'noche'").unwrap();
    assert_eq!(night("{}").0, "trained");
    let (outcome, reason) = night("{}");
    assert!(outcome == "skipped" && reason.starts_with("nothing has changed since model "), "{outcome}: {reason}");
    let row = "SELECT ARRAY[kind, outcome, phase, (ended_at >= begun_at)::text, (model_version IS NULL)::text] FROM reco_runs()
         WHERE model_name = 'noche' ORDER BY id DESC LIMIT 1";
    let row: Vec<String> = Spi::get_one(row).unwrap().unwrap();
    assert_eq!(row, ["nightly".to_string(), "skipped".into(), reason, "true".into(), "true".into()]);
    // Other options are another training; the same in another order are not.
    assert_ne!(night(r#"{"seed": 7, "factors": 8}"#).0, "skipped");
    assert_eq!(night(r#"{"factors": 8, "seed": 7}"#).0, "skipped");
    assert_ne!(night(r#"{"factors": 8, "seed": 7, "always": true}"#).0, "skipped");
}

#[pg_test]
fn whatever_changes_ends_the_skipping() {
    small_site();
    Spi::run(
        "CREATE VIEW publicado AS SELECT * FROM libro; CREATE TABLE gusta (usuario_id int, libro_id int) PARTITION BY LIST (libro_id);
         CREATE TABLE gusta_1 PARTITION OF gusta DEFAULT; INSERT INTO gusta SELECT * FROM favorito;
         SELECT reco_configure('item', 'publicado', '{\"id\": \"id\", \"category\": \"categoria_id\"}');
         SELECT reco_configure('favorite', 'gusta', '{\"user\": \"usuario_id\", \"item\": \"libro_id\"}')",
    )
    .unwrap();
    let options = r#"{"force": true}"#;
    assert_eq!(night(options).0, "trained");
    for change in [
        "INSERT INTO resena (usuario_id, libro_id, estrellas, fecha_resena) VALUES (1, 1, 5, '2022-12-01')",
        "UPDATE libro SET titulo = 'Otro' WHERE id = 1",
        "DELETE FROM gusta WHERE usuario_id = 1",
        "TRUNCATE gusta",
        "ALTER TABLE resena ADD COLUMN nota text",
        "SELECT reco_configure('item', 'publicado', '{\"id\": \"id\", \"author\": \"autor_id\"}')",
    ] {
        assert_eq!(night(options).0, "skipped", "before: {change}");
        Spi::run(change).unwrap();
        assert_eq!(night(options).0, "trained", "after: {change}");
    }
    assert_eq!(night(options).0, "skipped");
    Spi::run("SET LOCAL track_counts = off").unwrap();
    assert_eq!(night(options).0, "trained");
}

#[pg_test]
fn a_night_whose_training_fails_goes_on() {
    small_site();
    Spi::run("SET LOCAL reco.model = 'noche_mala'; DELETE FROM resena; DELETE FROM favorito").unwrap();
    let (outcome, reason) = night("{}");
    assert_eq!(outcome, "refused", "{reason}");
    assert!(reason.contains("nothing to learn from"), "{reason}");
    // What comes after the training was done.
    assert!(truth("SELECT count(*) = 1 FROM reco.alert WHERE model_name = 'noche_mala' AND kind = 'stale_model'"));
    assert_eq!(fails("SELECT reco_nightly('{\"nonsense\": 1}')").0, "22023");
    assert_eq!(fails("SELECT reco_nightly('{\"always\": 1}')").0, "22023");
    assert_eq!(fails("SELECT reco_nightly(NULL)").0, "22004");
}

#[pg_test]
fn without_pg_cron_the_error_says_what_to_write() {
    let (state, message) = fails("SELECT reco_schedule('0 3 * * *')");
    assert!(state == "42704" && message.contains("pg_cron is not in database"), "{state} {message}");
    assert_eq!(fails("SELECT reco_schedule(NULL)").0, "22004");
    assert_eq!(fails("SELECT reco_schedule('0 3 * * *', '{\"nonsense\": 1}')").0, "22023");
    assert!(truth("SELECT NOT reco_unschedule()"));
}

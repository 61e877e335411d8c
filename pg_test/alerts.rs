// An alert is raised once and closed when what it is about is gone.

/// The kinds that are open.
fn open_alerts() -> Vec<String> {
    Spi::get_one("SELECT coalesce(array_agg(kind ORDER BY kind), '{}') FROM reco_check() WHERE kind <> 'fallback_rate'")
        .unwrap()
        .unwrap()
}

#[pg_test]
fn an_alert_is_raised_once_and_closed_when_it_is_gone() {
    small_site();
    Spi::run("SET LOCAL reco.model = 'avisos'").unwrap();
    assert_eq!(open_alerts(), ["stale_model"]);
    assert!(health("{alerts}").contains("there is no active model"), "{}", health("{alerts}"));
    Spi::run("CREATE TEMP TABLE antes AS SELECT raised_at FROM reco.alert WHERE model_name = 'avisos' AND kind = 'stale_model'").unwrap();
    assert_eq!(open_alerts(), ["stale_model"]);
    assert!(truth(
        "SELECT count(*) = 1 AND bool_and(raised_at = (SELECT raised_at FROM antes) AND seen_at > raised_at)
         FROM reco.alert WHERE model_name = 'avisos' AND kind = 'stale_model'"
    ));
    train();
    assert!(open_alerts().is_empty());
    assert!(truth("SELECT bool_and(closed_at >= seen_at) FROM reco.alert WHERE model_name = 'avisos' AND kind = 'stale_model'"));
    assert!(!health("{alerts}").contains("stale_model"));

    // About as many as the tables held before, all of a new book.
    Spi::run(
        "INSERT INTO libro VALUES (31, 'Nuevo', 1, 1, '2024-01-01');
         INSERT INTO resena (usuario_id, libro_id, estrellas, fecha_resena)
             SELECT 3, 31, 1, clock_timestamp() FROM generate_series(1, 1000) i",
    )
    .unwrap();
    assert_eq!(open_alerts(), ["drift", "stale_model"]);
    assert!(truth("SELECT count(*) = 3 FROM reco.alert WHERE model_name = 'avisos' AND kind <> 'fallback_rate'"));
    assert_eq!(metric("reco_alerts_open", r#"{"model": "avisos", "kind": "drift"}"#), 1.0);
    let figure = |name: &str| metric(name, r#"{"model": "avisos"}"#);
    assert_eq!((figure("reco_data_unknown_items_ratio"), figure("reco_data_unknown_users_ratio")), (1.0, 0.0));
    assert!(figure("reco_data_stale_ratio") > 0.4 && (0.96..0.98).contains(&figure("reco_data_coverage_ratio")));
    train();
    assert!(open_alerts().is_empty());
}

#[pg_test]
fn an_alert_is_kept_for_ninety_days_after_it_was_closed() {
    small_site();
    Spi::run(
        "SET LOCAL reco.model = 'avisos';
         INSERT INTO reco.alert (model_name, kind, message, detail, raised_at, seen_at, closed_at)
         SELECT 'avisos', 'drift', 'm', '{}', now() - d * interval '1 day', now(), now() - d * interval '1 day'
         FROM unnest(ARRAY[89, 91]) d; SELECT reco_check()",
    )
    .unwrap();
    assert!(truth("SELECT count(*) = 1 FROM reco.alert WHERE model_name = 'avisos' AND kind = 'drift'"));
}

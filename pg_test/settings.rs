// Settings are checked.

#[pg_test]
fn unknown_and_wrong_settings_are_refused() {
    assert_eq!(fails("SET reco.max_threads = 1000").0, "22023");
    assert_ne!(fails("SET reco.nonsense = 1").0, "");
}

#[pg_test]
fn an_array_that_is_too_long_is_not_copied() {
    small_site();
    Spi::run("SET LOCAL reco.max_candidates = 10").unwrap();
    let (state, message) = fails("SELECT reco_scores(1, ARRAY(SELECT generate_series(1, 3000000)::bigint))");
    assert!(state == "54000" && message.contains("3000000"), "{state} {message}");
}

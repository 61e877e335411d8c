// Settings are checked.

#[pg_test]
fn unknown_and_wrong_settings_are_refused() {
    assert_eq!(fails("SET reco.max_threads = 1000").0, "22023");
    assert_ne!(fails("SET reco.nonsense = 1").0, "");
}

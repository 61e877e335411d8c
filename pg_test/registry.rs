// Models are activated, rolled back, dropped and retired.

#[pg_test]
fn each_rollback_goes_further_back() {
    small_site();
    let (first, second, third) = (train(), train(), train());
    let active = || -> Option<i64> { Spi::get_one("SELECT version FROM reco_models() WHERE active").ok().flatten() };
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
fn retention_keeps_the_newest_and_the_active_model() {
    small_site();
    Spi::run("SET LOCAL reco.keep_models = 1").unwrap();
    let versions = [train(), train(), train(), train()];
    let kept: Vec<i64> = Spi::get_one("SELECT array_agg(version ORDER BY version) FROM reco.model").unwrap().unwrap();
    assert_eq!(kept, versions[2..]);
    assert!(truth("SELECT count(DISTINCT version) = 2 FROM reco.model_blob"));
}

// Nothing is shown that the caller may not read.

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
fn health_tells_nothing_of_what_the_caller_may_not_read() {
    small_site();
    train();
    Spi::run("CREATE ROLE monitor; GRANT SELECT ON libro, favorito TO monitor; SET LOCAL ROLE monitor").unwrap();
    assert_eq!((health("{staleness}"), health("{drift}")), ("-".into(), "-".into()));
    assert_ne!(health("{model,version}"), "-");
}

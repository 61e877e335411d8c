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

/// A site with a model, and a role that sees only some of the rows: books whose id is divisible by 3, and the reviews and
/// favourites of reader 1.
fn restricted() {
    small_site();
    train();
    Spi::run(
        "CREATE ROLE lector_web; GRANT SELECT ON libro, resena, favorito, usuario TO lector_web;
         GRANT CREATE ON SCHEMA public TO lector_web;
         ALTER TABLE libro ENABLE ROW LEVEL SECURITY; CREATE POLICY v ON libro USING (id % 3 = 0);
         ALTER TABLE resena ENABLE ROW LEVEL SECURITY; CREATE POLICY v ON resena USING (usuario_id = 1);
         ALTER TABLE favorito ENABLE ROW LEVEL SECURITY; CREATE POLICY v ON favorito USING (usuario_id = 1);",
    )
    .unwrap();
}

#[pg_test]
fn a_hidden_book_is_as_one_that_does_not_exist() {
    restricted();
    Spi::run("SET LOCAL ROLE lector_web").unwrap();
    // 4 is hidden, 3 is not, 999 is none.
    assert!(truth(
        "SELECT bool_and((h.score, h.collaborative, h.content_based, h.popularity, h.source)
            IS NOT DISTINCT FROM (n.score, n.collaborative, n.content_based, n.popularity, n.source))
         FROM reco_score(1, '{4}') h, reco_score(1, '{999}') n"
    ));
    assert!(truth("SELECT bool_and(score > 0) FROM reco_score(1, '{3}')"));
    assert!(truth(
        "SELECT (SELECT array_agg(e::text) FROM reco_explain(1, 4) e) = (SELECT array_agg(e::text) FROM reco_explain(1, 999) e)"
    ));
    assert!(truth(
        "SELECT count(DISTINCT rating) = 1 FROM reco_predict_rating(1, '{4,999}')"
    ));
    assert!(listed("reco_similar(4)").is_empty() && !listed("reco_similar(3)").is_empty());
    Spi::run("RESET ROLE").unwrap();
    assert!(truth("SELECT count(DISTINCT rating) = 2 FROM reco_predict_rating(1, '{4,999}')"));
    assert!(truth("SELECT bool_and(score > 0) FROM reco_score(1, '{4}')"));
}

#[pg_test]
fn counts_of_hidden_rows_are_not_shown() {
    restricted();
    assert!(truth("SELECT bool_or(evidence LIKE 'mean_stars = %') FROM reco_explain(1, 3)"));
    Spi::run("SET LOCAL ROLE lector_web").unwrap();
    assert!(truth("SELECT count(*) > 3 AND bool_or(evidence = 'mean_stars') AND NOT bool_or(evidence ~ '=') FROM reco_explain(1, 3)"));
    assert!(truth(
        "SELECT abs(sum(contribution) - (SELECT score FROM reco_score(1, '{3}'))) < 1e-6 FROM reco_explain(1, 3)"
    ));
    assert_eq!((health("{staleness}"), health("{drift}")), ("-".into(), "-".into()));
}

#[pg_test]
fn the_source_is_no_oracle_for_a_history() {
    restricted();
    assert!(truth("SELECT bool_and(source = 'hybrid') FROM reco_score(2, '{3}')"));
    Spi::run(
        "CREATE SCHEMA guess; GRANT ALL ON SCHEMA guess TO lector_web;
         CREATE TABLE copia_r AS SELECT * FROM resena; CREATE TABLE copia_f AS SELECT * FROM favorito;
         GRANT SELECT ON copia_r, copia_f TO lector_web; SET LOCAL ROLE lector_web;
         CREATE TABLE guess.resena AS SELECT * FROM copia_r; CREATE TABLE guess.favorito AS SELECT * FROM copia_f",
    )
    .unwrap();
    // Under row security not even the own history, seen whole, is told to be whole.
    assert!(truth("SELECT bool_and(source = 'fold_in') FROM reco_score(1, '{3}')"));
    // Tables of one's own, in which the right history of everybody was guessed.
    Spi::run("SET LOCAL search_path = guess, public").unwrap();
    assert!(truth("SELECT relation = 'guess.resena' FROM reco_sources() WHERE source = 'rating'"));
    assert!(truth("SELECT bool_and(source = 'fold_in') FROM reco_score(2, '{3}')"));
    assert_eq!(health("{drift}"), "-");
}

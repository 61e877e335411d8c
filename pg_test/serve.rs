// A page that is served is a page that is recommended, and it is logged.

#[pg_test]
fn a_served_page_is_the_recommended_one_and_is_logged() {
    let version = recommending();
    Spi::run(
        "CREATE TEMP TABLE page AS SELECT * FROM reco_serve(43, 5, 'home', exclude => '{11}', diversity => 0.3);
         CREATE TEMP TABLE recommended AS SELECT * FROM reco_recommend(43, 5, exclude => '{11}', diversity => 0.3)",
    )
    .unwrap();
    assert!(truth(
        "SELECT count(*) = 5 AND bool_and((p.rank, p.item_id, p.score, p.collaborative, p.content_based, p.popularity,
             p.source, p.model_version, p.reason, p.propensity) IS NOT DISTINCT FROM (r.rank, r.item_id, r.score,
             r.collaborative, r.content_based, r.popularity, r.source, r.model_version, r.reason, r.propensity))
         FROM page p JOIN recommended r USING (rank)"
    ));
    assert!(truth(&format!(
        "SELECT count(*) = 5 AND bool_and(i.user_id = 43 AND i.score = p.score AND i.source = p.source AND i.rank = p.rank
             AND i.surface = 'home' AND i.model_version = {version} AND i.model_name = '' AND i.at = now()
             AND i.propensity IS NULL AND i.experiment IS NULL AND i.variant IS NULL)
         FROM reco.impression i JOIN page p USING (request_id, item_id)"
    )));
    assert!(truth("SELECT count(*) = 5 FROM reco.impression"));
    // One id for a page: a UUID of version 7, whose time says in which partition it lies.
    assert!(truth(
        "SELECT count(DISTINCT request_id) = 1 AND bool_and(request_id::text ~ '^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab]')
         FROM page"
    ));
    assert!(truth(
        "SELECT bool_and(('x' || translate(left(request_id::text, 13), '-', ''))::bit(48)::bigint
                 = floor(extract(epoch FROM now()) * 1000)
             AND tableoid::regclass::text = 'reco.impression_' || floor(extract(epoch FROM now()) / 604800)::bigint % 16)
         FROM reco.impression"
    ));
    assert!(truth("SELECT count(DISTINCT request_id) = 3 FROM generate_series(1, 3) i, reco_serve(43, 1, i::text)"));
}

#[pg_test]
fn explored_places_are_logged_with_their_propensity() {
    recommending();
    Spi::run("INSERT INTO libro SELECT i, 'Nuevo', 1, 1, '2022-06-01' FROM generate_series(101, 110) i").unwrap();
    Spi::run("CREATE TEMP TABLE page AS SELECT * FROM reco_serve(43, 10, explore => 0.2)").unwrap();
    assert!(truth("SELECT count(propensity) = 2 FROM page"));
    assert!(truth(
        "SELECT count(*) = 10 AND bool_and(i.propensity IS NOT DISTINCT FROM p.propensity)
         FROM reco.impression i JOIN page p USING (request_id, item_id)"
    ));
}

#[pg_test]
fn pages_of_the_rules_are_logged_too() {
    recommending();
    Spi::run("SET LOCAL reco.enabled = off").unwrap();
    assert!(!listed("reco_serve(43, 3)").is_empty());
    assert!(truth("SELECT bool_and(model_version IS NULL AND source = 'rules' AND surface = '') FROM reco.impression"));
}

#[pg_test]
fn nothing_shown_is_nothing_logged() {
    recommending();
    assert!(listed("reco_serve(NULL)").is_empty());
    assert!(listed("reco_serve(43, among => '{}')").is_empty());
    for (call, state) in [
        ("reco_serve(43, 5000)", "22023"),
        ("reco_serve(43, 10, repeat('x', 64))", "22023"),
        ("reco_serve(43, exclude => '{NULL}')", "22004"),
    ] {
        assert_eq!(fails(&format!("SELECT * FROM {call}")).0, state, "{call}");
    }
    let read_only = fails("DO $x$ BEGIN SET LOCAL transaction_read_only = on; PERFORM * FROM reco_serve(43); END $x$");
    assert_eq!(read_only, ("25006".into(), "cannot execute reco_serve() in a read-only transaction".into()));
    assert!(truth("SELECT count(*) = 0 FROM reco.impression"));
}

#[pg_test]
fn the_role_of_an_application_serves_and_sees_nobodys_pages() {
    recommending();
    Spi::run("CREATE ROLE web; GRANT SELECT ON libro, resena, favorito, usuario TO web; SET LOCAL ROLE web").unwrap();
    assert_eq!(fails("SELECT * FROM reco_serve(43)").0, "42501");
    assert_eq!(fails("SELECT reco_feedback(gen_random_uuid(), 1, 'click')").0, "42501");
    Spi::run(
        "RESET ROLE;
         GRANT EXECUTE ON FUNCTION reco_serve, reco_feedback TO web;
         SET LOCAL ROLE web",
    )
    .unwrap();
    assert!(truth("SELECT bool_and(reco_feedback(request_id, item_id, 'click')) FROM reco_serve(43, 3)"));
    for table in ["impression", "feedback", "dismissal", "impression_0", "feedback_0"] {
        assert_eq!(fails(&format!("SELECT FROM reco.{table}")).0, "42501", "{table}");
    }
    assert_eq!(fails("SELECT reco_expire()").0, "42501");
}

#[pg_test]
fn a_user_who_is_forgotten_leaves_no_pages() {
    recommending();
    Spi::run(
        "CREATE TEMP TABLE page AS SELECT u, s.* FROM generate_series(42, 43) u, reco_serve(u, 4) s;
         SELECT reco_feedback(request_id, item_id, e) FROM page, unnest('{click,dismiss}'::text[]) e WHERE rank = 1",
    )
    .unwrap();
    // Four impressions, a click, a dismissal and what it hides.
    assert!(truth("SELECT reco_forget(43) = 7"));
    for table in ["impression", "feedback", "dismissal"] {
        assert!(truth(&format!("SELECT count(*) > 0 AND bool_and(user_id = 42) FROM reco.{table}")), "{table}");
    }
}

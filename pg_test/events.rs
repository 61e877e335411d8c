// Events: what else users do with items, by types that the site weighs.

/// A site without reviews and favourites: what its readers bought, looked at and discarded.
fn shop() {
    Spi::run(
        "SELECT pg_advisory_xact_lock(1);
         CREATE TABLE libro (id int PRIMARY KEY, titulo text, categoria_id int);
         CREATE TABLE evento (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, usuario_id int, libro_id int, tipo text,
             momento timestamptz, cantidad int);
         INSERT INTO libro SELECT i, 'Libro ' || i, i % 2 FROM generate_series(1, 30) i;
         INSERT INTO evento (usuario_id, libro_id, tipo, momento)
             SELECT u, b, CASE WHEN (u + b) % 2 = 1 THEN 'descarte' WHEN b % 3 = 0 THEN 'compra' ELSE 'click' END,
                    timestamptz '2022-01-01' + (u * 37 + b * 11) % 300 * interval '1 day'
             FROM generate_series(1, 40) u, generate_series(1, 30) b
             WHERE (u * 7 + b * 3) % 5 < CASE WHEN (u + b) % 2 = 0 THEN 4 ELSE 1 END;
         SELECT reco_configure('event', 'evento', '{\"user\": \"usuario_id\", \"item\": \"libro_id\", \"type\": \"tipo\",
             \"at\": \"momento\", \"value\": \"cantidad\", \"weights\": {\"click\": 0.2, \"compra\": 3, \"descarte\": -1}}')",
    )
    .unwrap();
}

#[pg_test]
fn a_site_with_events_only_trains_and_recommends() {
    shop();
    assert!(truth("SELECT promoted FROM reco_train()"));
    assert!(truth("SELECT missing IS NULL AND columns -> 'weights' ->> 'compra' = '3.0' AND relation LIKE '%evento'
        FROM reco_sources() WHERE source = 'event'"));
    assert!(truth("SELECT interactions = (SELECT count(*) FROM evento) FROM reco_models() WHERE active"));
    // Readers of even number like even books.
    for (reader, odd) in [(2, 0), (3, 1)] {
        let ids = listed(&format!("reco_recommend({reader}, 3)"));
        assert!(ids.len() == 3 && ids.iter().all(|id| id % 2 == odd), "{reader}: {ids:?}");
    }
    assert!(truth("SELECT bool_and(source = 'hybrid') FROM reco_recommend(2, 3)"));
    // A visit is folded in, as in a training.
    Spi::run("INSERT INTO evento (usuario_id, libro_id, tipo, momento) VALUES (77, 2, 'compra', clock_timestamp()), (77, 4, 'click', clock_timestamp())").unwrap();
    let ids = listed("reco_recommend(77, 3)");
    assert!(ids.iter().all(|id| id % 2 == 0 && ![2, 4].contains(id)), "{ids:?}");
    assert!(truth("SELECT bool_and(source = 'fold_in' AND reason IS NOT NULL) FROM reco_recommend(77, 3)"));
    // Such a reader is told of books of the same taste that are not among the events.
    for (book, told) in [(6, true), (2, false)] {
        assert!(truth(&format!("SELECT count(*) FILTER (WHERE user_id = 77) = {} FROM reco_audience({book}, 100)", u8::from(told))));
    }
    // What weighs more counts for more.
    assert!(truth("SELECT sum(contribution) FILTER (WHERE liked_item = 2) > sum(contribution) FILTER (WHERE liked_item = 4)
        FROM reco_explain(77, 6)"));
    assert_eq!(listed("reco_trending(1, '1 day')"), [2]);
    assert!(truth("SELECT score BETWEEN 2.9 AND 3.1 AND interactions = 1 FROM reco_trending(1, '1 day')"));
    assert_eq!(health("{staleness,interactions_since}"), "2");
}

#[pg_test]
fn what_is_discarded_is_never_recommended_until_something_later_is_for_it() {
    shop();
    train();
    let add = |kind: &str, at: &str| {
        Spi::run(&format!("INSERT INTO evento (usuario_id, libro_id, tipo, momento) VALUES (77, 8, '{kind}', {at})")).unwrap();
    };
    Spi::run("INSERT INTO evento (usuario_id, libro_id, tipo, momento) VALUES (77, 2, 'compra', '2023-01-01')").unwrap();
    for enabled in ["on", "off"] {
        Spi::run(&format!("SET LOCAL reco.enabled = {enabled}")).unwrap();
        let with_seen = || listed("reco_recommend(77, 100, exclude_seen => false)");
        Spi::run("DELETE FROM evento WHERE libro_id = 8 AND usuario_id = 77").unwrap();
        assert!(with_seen().contains(&8) && with_seen().contains(&2));
        add("descarte", "'2023-02-01'");
        assert!(!with_seen().contains(&8) && with_seen().contains(&2), "enabled {enabled}");
        assert!(!listed("reco_recommend(77, 100)").contains(&8));
        // The later statement counts, and a type without a weight is none.
        add("compra", "'2023-01-15'");
        add("visita", "'2023-03-01'");
        assert!(!with_seen().contains(&8), "enabled {enabled}");
        add("compra", "'2023-03-01'");
        assert!(with_seen().contains(&8) && !listed("reco_recommend(77, 100)").contains(&8), "enabled {enabled}");
    }
}

#[pg_test]
fn events_add_to_reviews_and_favourites() {
    small_site();
    Spi::run("CREATE TYPE tipo AS ENUM ('compra', 'descarte', 'visita');
        CREATE TABLE accion (usuario_id int, libro_id int, que tipo, cuando int, cantidad numeric);
        SELECT reco_configure('event', 'accion', '{\"user\": \"usuario_id\", \"item\": \"libro_id\", \"type\": \"que\",
            \"at\": \"cuando\", \"value\": \"cantidad\", \"weights\": {\"compra\": 3, \"descarte\": -1}}');
        INSERT INTO accion SELECT 41, b, 'compra', 1700000000, 2 FROM generate_series(1, 9, 2) b;
        INSERT INTO accion VALUES (41, 11, 'visita', 1700000000, NULL), (1, 1, 'descarte', 1700000000, NULL)").unwrap();
    let version = train();
    assert!(truth(&format!("SELECT positives = 5 AND favorites = 5 FROM reco.user_feature WHERE model_version = {version} AND user_id = 41")));
    assert!(truth("SELECT bool_and(source = 'hybrid' AND item_id % 2 = 1) FROM reco_recommend(41, 5)"));
    // A visit has no weight: book 11 is as if nothing had happened.
    assert!(listed("reco_recommend(41, 100)").contains(&11));
    // The later discard withdraws five stars.
    assert!(truth("SELECT NOT bool_or(liked_item = 1) FROM reco_explain(1, 3)"));
}

#[pg_test]
fn wrong_weights_are_named_with_their_range() {
    shop();
    let configure = |weights: &str| {
        fails(&format!("SELECT reco_configure('event', 'evento', '{{\"user\": \"usuario_id\", \"item\": \"libro_id\", \"type\": \"tipo\" {weights}}}')"))
    };
    for (weights, expected) in [
        ("", "no \"weights\" are given"),
        (", \"weights\": 3", "\"weights\" must be an object of numbers by type, not 3"),
        (", \"weights\": {\"click\": \"x\"}", "the weight of \"click\" must be a number between -100 and 100, not \"x\""),
        (", \"weights\": {\"click\": 1000}", "the weight of \"click\" must be a number between -100 and 100, not 1000"),
        (", \"weights\": {\"click\": 0, \"x\": -1}", "no type in \"weights\" is above 0"),
        (", \"peso\": \"x\"", "has no column \"peso\""),
    ] {
        let (code, message) = configure(weights);
        assert!(code == "22023" && message.contains(expected), "{weights}: {code} {message}");
    }
    let (_, message) = fails("SELECT reco_configure('rating', 'evento', '{\"user\": \"usuario_id\", \"weights\": {\"a\": 1}}')");
    assert!(message.contains("has no column \"weights\""), "{message}");
    // A quote in a type is a part of its name.
    Spi::run("SELECT reco_configure('event', 'evento', '{\"user\": \"usuario_id\", \"item\": \"libro_id\", \"type\": \"tipo\",
        \"weights\": {\"it''s \\\\\": 1, \"click\": 1}}')").unwrap();
    train();
}

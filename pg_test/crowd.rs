// Users who are similar to a user, and the audience of an item.

/// Users that a query gives, in its order.
fn users_of(sql: &str) -> Vec<i64> {
    Spi::get_one::<Vec<i64>>(&format!("SELECT coalesce(array_agg(user_id ORDER BY rank), '{{}}') FROM {sql}"))
        .unwrap()
        .unwrap()
}

#[pg_test]
fn similar_users_have_the_same_taste_and_the_highest_cosines() {
    recommending();
    let found = users_of("reco_similar_users(2, 19)");
    assert!(found.len() == 19 && found.iter().all(|user| user % 2 == 0 && *user != 2), "{found:?}");
    // As a pass over the feature store in SQL gives them.
    Spi::run(
        "CREATE FUNCTION cosine(a real[], b real[]) RETURNS float8 LANGUAGE sql AS
         'SELECT sum(x::float8 * y) / sqrt(sum(x::float8 * x) * sum(y::float8 * y)) FROM unnest(a, b) AS t (x, y)'",
    )
    .unwrap();
    assert!(truth(
        "SELECT count(*) = 19 AND bool_and(abs(s.similarity - cosine(own.factor, f.factor)) < 1e-5)
         FROM reco_similar_users(2, 19) s JOIN reco.user_factor f USING (user_id), reco.user_factor own
         WHERE own.user_id = 2"
    ));
    assert!(truth(
        "SELECT min(s.similarity) >= (SELECT max(cosine(own.factor, f.factor)) - 1e-5 FROM reco.user_factor f, reco.user_factor own
             WHERE own.user_id = 2 AND f.user_id <> 2 AND f.user_id NOT IN (SELECT user_id FROM reco_similar_users(2, 5)))
         FROM reco_similar_users(2, 5) s"
    ));
    // A newer user is folded in: 43 likes odd books.
    assert!(users_of("reco_similar_users(43, 10)").iter().all(|user| user % 2 == 1));
    assert!(users_of("reco_similar_users(41)").is_empty(), "nobody is similar to a user without a liked item");
    assert!(users_of("reco_similar_users(NULL)").is_empty());
    assert_eq!(fails("SELECT * FROM reco_similar_users(2, 1001)").0, "22023");
}

#[pg_test]
fn who_has_left_is_not_similar_and_no_audience() {
    recommending();
    let found = users_of("reco_similar_users(2, 3)");
    let audience = users_of("reco_audience(1, 3)");
    Spi::run(&format!("DELETE FROM usuario WHERE id IN ({}, {})", found[0], audience[0])).unwrap();
    Spi::run(&format!("DELETE FROM resena WHERE usuario_id = {0}", found[1])).unwrap();
    Spi::run(&format!("DELETE FROM favorito WHERE usuario_id = {0}", found[1])).unwrap();
    assert_eq!(users_of("reco_similar_users(2, 3)")[..1], found[2..]);
    assert_eq!(users_of("reco_audience(1, 3)")[..2], audience[1..]);
}

#[pg_test]
fn the_audience_is_who_has_the_highest_scores() {
    recommending();
    // A book that the model does not know, and one that half of the users have not seen.
    Spi::run("INSERT INTO libro VALUES (1000, 'Nuevo', 1, 1, '2022-06-01')").unwrap();
    for (book, most) in [(1000, 50), (1000, 5), (7, 50)] {
        let same = format!(
            "SELECT count(*) > 4 AND bool_and(a.user_id = s.user_id AND a.score = s.score AND a.source = s.source
                 AND a.model_version = s.model_version)
             FROM reco_audience({book}, {most}) a FULL JOIN
             (SELECT row_number() OVER (ORDER BY score DESC, u.id) AS rank, u.id AS user_id, s.*
              FROM usuario u, reco_score(u.id, '{{{book}}}') s
              WHERE EXISTS (SELECT FROM resena r WHERE r.usuario_id = u.id)
                AND NOT EXISTS (SELECT FROM resena r WHERE r.usuario_id = u.id AND r.libro_id = {book})
                AND NOT EXISTS (SELECT FROM favorito f WHERE f.usuario_id = u.id AND f.libro_id = {book})
              ORDER BY 1 LIMIT {most}) s USING (rank)"
        );
        assert!(truth(&same), "{book}: {same}");
    }
    assert_eq!(users_of("reco_audience(1000, 1, among => '{7, 5, 5, 41, 999}')").len(), 1);
    assert!(users_of("reco_audience(1000, among => '{41, 999}')").is_empty());
    assert!(users_of("reco_audience(999999)").is_empty(), "the catalogue does not have it");
    assert!(users_of("reco_audience(NULL)").is_empty());
    assert_eq!(fails("SELECT * FROM reco_audience(1, 0)").0, "22023");
    assert_eq!(fails("SELECT * FROM reco_audience(1, among => '{NULL}')").0, "22004");
}

#[pg_test]
fn without_a_model_the_rules_say_whom_to_tell() {
    small_site();
    Spi::run("INSERT INTO libro VALUES (1000, 'Nuevo', 1, 1, '2000-06-01')").unwrap();
    assert!(truth(
        "SELECT count(*) = 20 AND bool_and(a.source = 'rules' AND a.score = s.score AND a.user_id % 2 = 1 AND model_version IS NULL)
         FROM reco_audience(1000, 20) a, LATERAL (SELECT score FROM reco_score(a.user_id, '{1000}')) s"
    ));
    assert!(users_of("reco_similar_users(2)").is_empty());
    Spi::run("SET LOCAL reco.fallback = off").unwrap();
    assert_eq!(fails("SELECT * FROM reco_similar_users(2)").0, "55000");
    assert_eq!(fails("SELECT * FROM reco_audience(1000)").0, "55000");
}

#[pg_test]
fn who_reads_not_all_interactions_learns_nothing_of_the_others() {
    recommending();
    Spi::run(
        "CREATE ROLE reader;
         GRANT SELECT ON libro, favorito, usuario TO reader;
         SET LOCAL ROLE reader",
    )
    .unwrap();
    for call in ["reco_similar_users(2)", "reco_audience(1)"] {
        assert_eq!(fails(&format!("SELECT * FROM {call}")).0, "42501", "{call}");
    }
    Spi::run(
        "RESET ROLE;
         GRANT SELECT ON resena TO reader;
         SET LOCAL ROLE reader",
    )
    .unwrap();
    assert_eq!(users_of("reco_similar_users(2)").len(), 10);
    Spi::run(
        "RESET ROLE;
         ALTER TABLE resena ENABLE ROW LEVEL SECURITY;
         ALTER TABLE favorito ENABLE ROW LEVEL SECURITY;
         CREATE POLICY own ON resena USING (usuario_id <= 6);
         CREATE POLICY own ON favorito USING (usuario_id <= 6);
         SET LOCAL ROLE reader",
    )
    .unwrap();
    let (state, message) = fails("SELECT * FROM reco_similar_users(2)");
    assert!(state == "42501" && message.contains("row security"), "{message}");
    let audience = users_of("reco_audience(30, 100)");
    assert!(!audience.is_empty() && audience.iter().all(|user| *user <= 6), "{audience:?}");
    assert!(truth("SELECT bool_and(source = 'fold_in') FROM reco_audience(30, 100)"));
}

#[pg_test]
fn tables_of_ones_own_do_not_tell_who_is_similar() {
    recommending();
    Spi::run(
        "CREATE ROLE stranger;
         CREATE SCHEMA own AUTHORIZATION stranger;
         GRANT SELECT ON libro, favorito, usuario TO stranger;
         SET LOCAL ROLE stranger;
         SET LOCAL search_path = own, public;
         CREATE TABLE own.resena (usuario_id int, libro_id int, estrellas int);
         INSERT INTO own.resena VALUES (2, 2, 5), (2, 4, 5)",
    )
    .unwrap();
    assert_eq!(fails("SELECT * FROM reco_similar_users(2)").0, "55000");
}

#[pg_test]
fn users_and_items_may_have_keys() {
    keyed_site(USERS, ITEMS);
    train();
    let found = |sql: &str| -> Vec<String> {
        Spi::get_one(&format!("SELECT coalesce(array_agg(reco_key(user_id) ORDER BY rank), '{{}}') FROM {sql}"))
            .unwrap()
            .unwrap()
    };
    let similar = found("reco_similar_users(reco_id(usr(2)), 19)");
    let even = truth(&format!("SELECT '{{{}}}' <@ ARRAY(SELECT usr(i)::text FROM generate_series(4, 40, 2) i)", similar.join(",")));
    assert!(similar.len() == 19 && even, "{similar:?}");
    // The same from the bare id, which a session has that did not call reco_id().
    assert_eq!(found(&format!("reco_similar_users({}, 19)", id_of("usr(2)"))), similar);

    Spi::run("INSERT INTO libro VALUES (itm(1000), 'Nuevo', itm(1), itm(1), '2022-06-01')").unwrap();
    for book in [1000, 7] {
        let same = format!(
            "SELECT count(*) > 4 AND bool_and(a.user_id = s.user_id AND a.score = s.score)
             FROM reco_audience(reco_id(itm({book})), 50) a FULL JOIN
             (SELECT row_number() OVER (ORDER BY score DESC, reco_id(u.id)) AS rank, reco_id(u.id) AS user_id, score
              FROM usuario u, reco_score(reco_id(u.id), ARRAY[reco_id(itm({book}))])
              WHERE EXISTS (SELECT FROM resena r WHERE r.usuario_id = u.id)
                AND NOT EXISTS (SELECT FROM resena r WHERE r.usuario_id = u.id AND r.libro_id = itm({book}))
                AND NOT EXISTS (SELECT FROM favorito f WHERE f.usuario_id = u.id AND f.libro_id = itm({book}))) s USING (rank)"
        );
        assert!(truth(&same), "{book}: {same}");
    }
    let audience = found("reco_audience(reco_id(itm(1000)), 10)");
    assert_eq!(found(&format!("reco_audience({}, 10)", id_of("itm(1000)"))), audience);
    let chosen = "ARRAY[reco_id(usr(4)), reco_id(usr(7)), reco_id(usr(999))]";
    let mut among = found(&format!("reco_audience(reco_id(itm(1000)), among => {chosen})"));
    let mut wanted = ["usr(4)", "usr(7)"].map(key);
    among.sort();
    wanted.sort();
    assert_eq!(among, wanted);
    assert_eq!(fails("SELECT * FROM reco_similar_users(2)").0, "22023");
    assert_eq!(fails("SELECT * FROM reco_audience(1000)").0, "22023");
    assert_eq!(fails("SELECT * FROM reco_audience(reco_id(itm(1000)), among => '{7}')").0, "22023");
}

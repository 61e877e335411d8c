// Keys of users and items that are not integers: ids stand for them in every function, and lead back to them.

/// The small site, with keys in place of the integers: types, and expressions over the integer `i`.
fn keyed_site(user: (&str, &str), item: (&str, &str)) {
    small_site();
    with_keys(user, item);
}

fn with_keys((users, user): (&str, &str), (items, item): (&str, &str)) {
    Spi::run(&format!(
        "CREATE FUNCTION usr(i int) RETURNS {users} IMMUTABLE LANGUAGE sql AS $$ SELECT ({user})::{users} $$;
         CREATE FUNCTION itm(i int) RETURNS {items} IMMUTABLE LANGUAGE sql AS $$ SELECT ({item})::{items} $$;
         ALTER TABLE usuario ALTER id TYPE {users} USING usr(id);
         ALTER TABLE resena ALTER usuario_id TYPE {users} USING usr(usuario_id),
                            ALTER libro_id TYPE {items} USING itm(libro_id);
         ALTER TABLE favorito ALTER usuario_id TYPE {users} USING usr(usuario_id),
                              ALTER libro_id TYPE {items} USING itm(libro_id);
         ALTER TABLE libro ALTER id TYPE {items} USING itm(id), ALTER categoria_id TYPE {items} USING itm(categoria_id),
                           ALTER autor_id TYPE {items} USING itm(autor_id);"
    ))
    .unwrap();
}

const USERS: (&str, &str) = ("uuid", "md5('u' || i)");
const ITEMS: (&str, &str) = ("uuid", "md5('i' || i)");
const TEXTS: (&str, &str) = ("varchar(40)", "'Clave ' || i");

fn keys(sql: &str) -> Vec<String> {
    Spi::get_one::<Vec<String>>(&format!("SELECT coalesce(array_agg(reco_key(item_id) ORDER BY rank), '{{}}') FROM {sql}"))
        .unwrap()
        .unwrap()
}

fn key(sql: &str) -> String {
    Spi::get_one(&format!("SELECT ({sql})::text")).unwrap().unwrap()
}

/// An id that this backend did not get from reco_id().
fn id_of(sql: &str) -> i64 {
    reco_models::Key::of_text(&key(sql)).id()
}

#[pg_test]
fn a_site_with_uuids_is_served_like_one_with_integers() {
    recommending();
    let expected = listed("reco_recommend(3, 3)");
    with_keys(USERS, ITEMS);
    let version = train();
    let key_of = |id: i64| key(&format!("itm({id})"));
    // The hold-out differs, and with it what is nearly equal: the order, and of the many odd books which ones.
    let mut found = keys("reco_recommend(reco_id(usr(3)), 3)");
    let mut expected: Vec<String> = expected.into_iter().map(key_of).collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
    let odd: Vec<String> = (1..30).step_by(2).map(key_of).collect();
    let found = keys("reco_recommend(reco_id(usr(43)), 3, exclude_seen => false)");
    assert!(found.len() == 3 && found.iter().all(|book| odd.contains(book)), "{found:?}");
    Spi::run("INSERT INTO favorito SELECT usr(44), itm(i) FROM generate_series(1, 9, 2) i").unwrap();
    let sources = "SELECT array_agg(DISTINCT source) FROM reco_score(reco_id(usr($1)), ARRAY(SELECT reco_id(id) FROM libro))";
    for (reader, source) in [(3, "hybrid"), (44, "fold_in")] {
        let found = Spi::get_one_with_args::<Vec<String>>(sources, &[reader.into()]).unwrap().unwrap();
        assert_eq!(found, [source]);
    }
    // As text, in capital letters, the way that a phone sends it.
    assert!(truth("SELECT reco_id(upper(usr(3)::text)) = reco_id(usr(3)) AND reco_id(usr(3)) < 0"));
    assert!(truth(&format!("SELECT bool_and(key ~ '^[-0-9a-f]{{36}}$') FROM reco.key WHERE model_version = {version}")));
}

#[pg_test]
fn every_function_takes_ids_of_keys() {
    keyed_site(USERS, ITEMS);
    train();
    Spi::run("UPDATE resena SET fecha_resena = now()").unwrap();
    let book = |sql: &str| keys(sql).into_iter().next().unwrap_or_default();
    assert_eq!(keys("reco_similar(reco_id(itm(7)), 3)").len(), 3);
    assert_eq!(keys("reco_trending(3)").len(), 3);
    assert_eq!(keys("reco_trending(30, category => reco_id(itm(1)))").len(), 15);
    assert_eq!(keys("reco_recommend_for(ARRAY[reco_id(itm(7))], 4)").len(), 4);
    let in_category = "reco_recommend(reco_id(usr(41)), 30, category => reco_id(itm(1)))";
    assert_eq!(keys(in_category).len(), 15);
    let best = book("reco_recommend(reco_id(usr(41)), 1)");
    assert_ne!(book(&format!("reco_recommend(reco_id(usr(41)), 1, exclude => ARRAY[reco_id('{best}')])")), best);
    assert_eq!(keys("reco_recommend(reco_id(usr(41)), 9, among => ARRAY[reco_id(itm(5)), reco_id(itm(99))])"), [key("itm(5)")]);
    assert!(truth("SELECT count(rating) = 2 FROM reco_predict_rating(reco_id(usr(3)), ARRAY[reco_id(itm(5)), reco_id(itm(6))])"));
    assert!(truth(
        "SELECT abs(sum(contribution) - max(s.score)) < 1e-5 AND bool_or(evidence ~ '^liked [-0-9a-f]{36}: Libro ')
         FROM reco_explain(reco_id(usr(3)), reco_id(itm(5))), reco_score(reco_id(usr(3)), ARRAY[reco_id(itm(5))]) s"
    ));
    Spi::run("SET reco.enabled = off").unwrap();
    assert_eq!(keys("reco_recommend(reco_id(usr(41)), 5)").len(), 5);
    assert_eq!(keys("reco_similar(reco_id(itm(7)), 3)").len(), 3);
    assert!(truth("SELECT bool_or(evidence ~ '^category [-0-9a-f]{36}: ') FROM reco_explain(reco_id(usr(3)), reco_id(itm(5)))"));
}

#[pg_test]
fn a_session_goes_on_when_keys_change_their_type() {
    let found = || truth("SELECT bool_and(reco_key(reco_id(id::text)) = id::text) FROM (SELECT id FROM libro LIMIT 9) l");
    keyed_site(USERS, ITEMS);
    assert!(found());
    Spi::run(
        "ALTER TABLE libro ALTER id TYPE text; ALTER TABLE resena ALTER libro_id TYPE text;
         ALTER TABLE favorito ALTER libro_id TYPE text",
    )
    .unwrap();
    assert!(found());
    train();
    assert_eq!(keys("reco_recommend(reco_id(usr(41)), 5)").len(), 5);
}

#[pg_test]
fn what_a_backend_has_not_met_is_looked_up() {
    keyed_site(USERS, ITEMS);
    train();
    Spi::run("INSERT INTO favorito SELECT usr(143), itm(i) FROM generate_series(1, 9, 2) i;
              INSERT INTO libro VALUES (itm(131), 'Nuevo', itm(1), itm(1), '2020-01-01')").unwrap();
    // Known to the model, and known to nobody yet.
    for (key, source) in [("usr(12)", "hybrid"), ("usr(143)", "fold_in"), ("usr(999)", "popularity")] {
        let sql = format!("SELECT source FROM reco_score({}, ARRAY[{}])", id_of(key), id_of("itm(5)"));
        assert_eq!(Spi::get_one::<String>(&sql).unwrap().as_deref(), Some(source), "{key}");
    }
    let back = format!("SELECT reco_key({}) = itm(131)::text", id_of("itm(131)"));
    assert!(truth(&back));
    assert!(truth(&format!("SELECT reco_key({}) IS NULL AND reco_key(7) IS NULL", id_of("usr(998)"))));
}

#[pg_test]
fn text_keys_are_taken_by_their_letters() {
    keyed_site(TEXTS, ("char(20)", "'libro' || i"));
    Spi::run("INSERT INTO usuario VALUES ('clave 3', '2021-01-01')").unwrap();
    train();
    let sources = "SELECT source FROM reco_score(reco_id($1), ARRAY[reco_id('libro5')])";
    let source = |key: &str| Spi::get_one_with_args::<String>(sources, &[key.into()]).unwrap().unwrap();
    assert_eq!((source("Clave 3").as_str(), source("clave 3").as_str()), ("hybrid", "popularity"));
    assert!(keys("reco_recommend(reco_id('Clave 41'), 5)").iter().all(|key| key.starts_with("libro") && !key.ends_with(' ')));
    assert_eq!(keys("reco_trending(9, interval '99 years')").len(), 9);
}

#[pg_test]
fn users_may_have_keys_and_items_integers() {
    keyed_site(USERS, ("int", "i"));
    train();
    assert!(listed("reco_recommend(reco_id(usr(3)), 5, exclude_seen => false)").iter().all(|id| id % 2 == 1 && *id > 0));
    assert_eq!(listed("reco_recommend(reco_id(usr(3)), 5, among => '{1,2}', exclude_seen => false)").len(), 2);
    assert!(truth("SELECT bool_and(id IN (SELECT reco_id(usr(i)) FROM generate_series(1, 40) i)) FROM reco.key"));
}

#[pg_test]
fn an_integer_is_no_key() {
    keyed_site(USERS, ITEMS);
    train();
    let (state, message) = fails("SELECT * FROM reco_recommend(14)");
    assert_eq!(state, "22023");
    assert!(message.contains("14 is not the id of a key: the column \"usuario_id\" is uuid"), "{message}");
    assert_eq!(fails("SELECT * FROM reco_recommend(reco_id(usr(3)), category => 1)").0, "22023");
}

#[pg_test]
fn two_keys_with_one_id_are_named() {
    keyed_site(TEXTS, TEXTS);
    let upper = "upper('0b3c5a1e-7f42-4d8e-9a6b-c1d2e3f40516')";
    Spi::run(&format!("INSERT INTO favorito VALUES ({upper}, itm(1)), (lower({upper}), itm(2))")).unwrap();
    let (state, message) = fails("SELECT reco_train()");
    assert_eq!(state, "22000");
    assert!(message.contains("0B3C5A1E") && message.contains("0b3c5a1e") && message.contains("the same id"), "{message}");
}

#[pg_test]
fn keys_of_rows_that_are_hidden_are_not_told() {
    keyed_site(USERS, ITEMS);
    train();
    Spi::run(
        "CREATE ROLE lector; GRANT SELECT ON libro, resena, favorito, usuario TO lector;
         ALTER TABLE libro ENABLE ROW LEVEL SECURITY;
         CREATE POLICY p ON libro TO lector USING (titulo <> 'Libro 5')",
    )
    .unwrap();
    // Nobody has interacted with it, so only the catalogue has the key.
    Spi::run("DELETE FROM resena WHERE libro_id = itm(5); DELETE FROM favorito WHERE libro_id = itm(5)").unwrap();
    let (hidden, shown) = (id_of("itm(5)"), id_of("itm(6)"));
    assert!(truth(&format!("SELECT reco_key({hidden}) = itm(5)::text")));
    Spi::run("SET ROLE lector").unwrap();
    assert!(truth(&format!("SELECT reco_key({hidden}) IS NULL AND reco_key({shown}) = itm(6)::text")));
    assert_eq!(fails("SELECT * FROM reco.key").0, "42501");
    Spi::run("RESET ROLE").unwrap();
}

#[pg_test]
fn keys_go_with_their_model() {
    keyed_site(USERS, ITEMS);
    let (first, second) = (train(), train());
    let kept = |version: i64| truth(&format!("SELECT count(*) > 70 AND count(*) < 90 FROM reco.key WHERE model_version = {version}"));
    assert!(kept(first) && kept(second));
    Spi::run(&format!("SELECT reco_drop_model({first})")).unwrap();
    assert!(!kept(first) && kept(second));
}

#[pg_test]
fn integers_and_keys_never_meet() {
    small_site();
    Spi::run("ALTER TABLE usuario ALTER id TYPE uuid USING md5(id::text)::uuid").unwrap();
    assert!(truth(
        "SELECT missing ~ 'column \"id\" of public.usuario is uuid, and column \"usuario_id\" of public.resena is integer'
         FROM reco_sources() WHERE source = 'user'"
    ));
    let version = train();
    assert!(truth(&format!("SELECT NOT EXISTS (SELECT FROM reco.key) AND {version} > 0")));
    Spi::run(
        "ALTER TABLE libro ALTER id TYPE uuid USING md5(id::text)::uuid;
         ALTER TABLE resena ALTER libro_id TYPE uuid USING md5(libro_id::text)::uuid;
         ALTER TABLE favorito ALTER libro_id TYPE uuid USING md5(libro_id::text)::uuid",
    )
    .unwrap();
    assert!(truth("SELECT reco_health() ->> 'attention' ~ 'was trained when id of public.libro was not uuid yet'"));
    assert!(truth("SELECT bool_and(source = 'rules') FROM reco_recommend(3)"));
}

// A user who was forgotten is in no table of reco, nor in the file of a model.

/// Whose id is found wherever it is: in text, in an array, as eight bytes.
const FORGOTTEN: i64 = 0x1122_3344_5566_7788;

/// Where an id is in the schema reco, by table, and in the file of the active model.
fn places(id: i64) -> Vec<String> {
    let bytes = id.to_le_bytes().iter().map(|b| format!("{b:02x}")).collect::<String>();
    let tables = "SELECT array_agg(quote_ident(relname)) FROM pg_class
        WHERE relnamespace = 'reco'::regnamespace AND relkind IN ('r', 'p', 'm')";
    let tables = Spi::get_one::<Vec<String>>(tables).unwrap().unwrap();
    assert!(tables.len() >= 10);
    let has = |rows: &str| truth(&format!("SELECT EXISTS (SELECT FROM {rows} x WHERE x::text ~ '{id}|{bytes}')"));
    let mut found: Vec<String> = tables.into_iter().filter(|table| has(&format!("reco.{table}"))).collect();
    found.sort();
    let file = health("{cache,path}");
    if file != "-" && has(&format!("(SELECT encode(pg_read_binary_file('{file}'), 'hex') AS x)")) {
        found.push("the file".into());
    }
    found
}

/// The small site, whose reader 7 has an id that is easily found, and a book that has another one.
fn site_with_ids_to_find() -> i64 {
    small_site();
    Spi::run(&format!(
        "ALTER TABLE resena ALTER usuario_id TYPE bigint, ALTER libro_id TYPE bigint;
         ALTER TABLE favorito ALTER usuario_id TYPE bigint, ALTER libro_id TYPE bigint;
         ALTER TABLE usuario ALTER id TYPE bigint;
         ALTER TABLE libro ALTER id TYPE bigint;
         UPDATE resena SET usuario_id = {FORGOTTEN} WHERE usuario_id = 7;
         UPDATE favorito SET usuario_id = {FORGOTTEN} WHERE usuario_id = 7;
         UPDATE usuario SET id = {FORGOTTEN} WHERE id = 7;
         UPDATE resena SET libro_id = {book} WHERE libro_id = 5;
         UPDATE favorito SET libro_id = {book} WHERE libro_id = 5;
         UPDATE libro SET id = {book} WHERE id = 5;
         INSERT INTO resena (usuario_id, libro_id, estrellas) VALUES ({FORGOTTEN}, 3, 9)",
        book = FORGOTTEN + 1
    ))
    .unwrap();
    train();
    train()
}

#[pg_test]
fn who_was_forgotten_is_found_nowhere() {
    let version = site_with_ids_to_find();
    let score = format!("SELECT source FROM reco_score({FORGOTTEN}, '{{3}}')");
    let source = || Spi::get_one::<String>(&score).unwrap().unwrap();
    assert_eq!(source(), "hybrid");
    // That the search can find what is there: ids of items are in the bytes of a model.
    let of_a_book = places(FORGOTTEN + 1);
    for place in ["model_blob", "item_factor", "the file"] {
        assert!(of_a_book.iter().any(|found| found == place), "{place}: {of_a_book:?}");
    }
    assert_eq!(places(FORGOTTEN), ["model", "user_factor", "user_feature"]);

    let others = || {
        key("SELECT md5(string_agg(concat(u, ' ', item_id, ' ', score, source), ' ' ORDER BY u, item_id))
             FROM generate_series(1, 40) u, reco_score(u, ARRAY(SELECT id FROM libro))")
    };
    let before = others();
    // Both models have a vector, features and the example of a review with nine stars.
    assert_eq!(Spi::get_one::<i64>(&format!("SELECT reco_forget({FORGOTTEN})")).unwrap(), Some(6));
    assert!(places(FORGOTTEN).is_empty(), "{:?}", places(FORGOTTEN));
    assert_eq!(others(), before, "the scores of others, bit for bit");
    assert_eq!(source(), "fold_in", "from the interactions that the site still has");
    assert_eq!(health("{model,version}"), version.to_string());
    assert!(truth("SELECT skipped ->> 'skipped' = '1' FROM reco_models() WHERE active"));

    Spi::run(&format!("DELETE FROM resena WHERE usuario_id = {FORGOTTEN}; DELETE FROM favorito WHERE usuario_id = {FORGOTTEN}")).unwrap();
    assert_eq!(source(), "popularity", "as of anybody who is new");
    assert_eq!(Spi::get_one::<i64>(&format!("SELECT reco_forget({FORGOTTEN})")).unwrap(), Some(0));
    train();
    assert!(places(FORGOTTEN).is_empty(), "{:?}", places(FORGOTTEN));
}

#[pg_test]
fn only_who_may_train_forgets() {
    small_site();
    train();
    Spi::run("CREATE ROLE web; GRANT SELECT ON resena, favorito, libro, usuario TO web; SET LOCAL ROLE web").unwrap();
    assert_eq!(fails("SELECT reco_forget(1)").0, "42501");
    Spi::run("RESET ROLE; GRANT EXECUTE ON FUNCTION reco_forget(bigint) TO web; SET LOCAL ROLE web").unwrap();
    assert!(truth("SELECT reco_forget(1) >= 2"));
    Spi::run("RESET ROLE; REVOKE SELECT ON resena, favorito FROM web; SET LOCAL ROLE web").unwrap();
    assert!(truth("SELECT reco_forget(3) >= 2"), "who does not read the sources");
    Spi::run("RESET ROLE").unwrap();
    assert_eq!(fails("SELECT reco_forget(NULL)").0, "22004");
    assert!(truth("SELECT count(*) = 0 FROM reco.user_factor WHERE user_id = 1"));
    assert!(truth("SELECT count(*) > 0 FROM reco.user_factor WHERE user_id = 2"));
}

#[pg_test]
fn a_key_goes_unless_it_is_that_of_an_item_too() {
    // Users and books have the same keys, and so have categories and authors.
    keyed_site(TEXTS, TEXTS);
    Spi::run("INSERT INTO favorito SELECT 'Clave 0', itm(i) FROM generate_series(1, 9, 2) i").unwrap();
    train();
    for (user, rows, kept) in [("Clave 35", 3, false), ("Clave 3", 2, true), ("Clave 0", 2, true)] {
        let removed = Spi::get_one::<i64>(&format!("SELECT reco_forget(reco_id('{user}'))")).unwrap();
        assert_eq!(removed, Some(rows), "{user}");
        assert_eq!(truth(&format!("SELECT EXISTS (SELECT FROM reco.key WHERE key = '{user}')")), kept, "{user}");
    }
    assert_eq!(fails("SELECT reco_forget(35)").0, "22023");
}

#[pg_test]
fn the_journal_does_not_name_who_was_forgotten() {
    small_site();
    train();
    Spi::run(
        "INSERT INTO reco.run (id, kind, background, started_by, role, begun_at, options, outcome, phase, pid, handle, error)
         SELECT -u, 'train', false, 'x', 'x', now(), '{}', 'refused', 'reading', 1, 1,
             'too many' || chr(10) || 'DETAIL: For example the review of item 7 by user ' || u || ' holds 9. Up to 1 % are skipped'
         FROM unnest('{7, 77}'::int[]) u",
    )
    .unwrap();
    assert!(truth("SELECT reco_forget(7) >= 3"), "vector, features, journal, where other tests may have left more");
    let error = |id: i64| Spi::get_one::<String>(&format!("SELECT error FROM reco.run WHERE id = {id}")).unwrap().unwrap();
    assert_eq!(error(-7), "too many\nDETAIL: For example the review of item 7 by a user holds 9. Up to 1 % are skipped");
    assert!(error(-77).contains("by user 77 holds"));
}

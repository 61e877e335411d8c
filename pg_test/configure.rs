// Sources are found, or configured; what is wrong with them is named.

#[pg_test]
fn without_tables_the_error_names_the_source() {
    let (state, message) = fails("SELECT * FROM reco_score(1, '{1}')");
    assert_eq!(state, "42P01");
    assert!(message.contains("\"item\"") && message.contains("libro"), "{message}");
}

#[pg_test]
fn a_configured_view_is_read_instead() {
    small_site();
    Spi::run(
        "ALTER TABLE resena RENAME TO opiniones;
         CREATE VIEW mis_notas AS SELECT usuario_id AS quien, libro_id AS que, estrellas / 1.0 AS nota FROM opiniones",
    )
    .unwrap();
    assert!(truth("SELECT missing IS NOT NULL AND relation IS NULL FROM reco_sources() WHERE source = 'rating'"));
    Spi::run(
        "SELECT reco_configure('rating', 'mis_notas', '{\"user\": \"quien\", \"item\": \"que\", \"stars\": \"nota\"}')",
    )
    .unwrap();
    assert!(truth("SELECT configured AND relation LIKE '%mis_notas' FROM reco_sources() WHERE source = 'rating'"));
    assert!(truth("SELECT interactions > 500 FROM reco_train('{\"force\": true}')"));
    Spi::run("SELECT reco_configure('rating', NULL, NULL)").unwrap();
    assert!(truth("SELECT NOT configured AND relation IS NULL FROM reco_sources() WHERE source = 'rating'"));
    assert_eq!(fails("SELECT reco_configure('buyers', NULL, NULL)").0, "22023");
    assert_eq!(fails("SELECT reco_configure('rating', 'mis_notas', NULL)").0, "22023");
}

#[pg_test]
fn a_null_is_refused_where_it_would_do_something_else() {
    small_site();
    assert_eq!(fails("SELECT * FROM reco_train(NULL)").0, "22004");
    let columns = "'{\"user\": \"usuario_id\", \"item\": \"libro_id\"}'";
    assert_eq!(fails(&format!("SELECT reco_configure('favorite', to_regclass('favoritoz'), {columns})")).0, "22004");
    assert_eq!(fails("SELECT reco_configure(NULL, 'favorito', '{}')").0, "22023");
}

#[pg_test]
fn without_usable_interactions_the_error_names_what_is_there() {
    small_site();
    Spi::run("DROP TABLE resena; ALTER TABLE favorito ALTER usuario_id TYPE bytea USING int4send(usuario_id)").unwrap();
    let (state, message) = fails("SELECT * FROM reco_recommend(1)");
    assert!(state == "42P01" && message.contains("\"usuario_id\" of favorito must be") && message.contains("not bytea"), "{message}");
}

#[pg_test]
fn an_empty_search_path_has_the_sources_of_the_model() {
    Spi::run("CREATE SCHEMA tienda; SET LOCAL search_path = tienda, public").unwrap();
    small_site();
    train();
    let expected = listed("public.reco_recommend(3)");
    Spi::run("CREATE MATERIALIZED VIEW tienda.portada AS SELECT * FROM public.reco_recommend(3)").unwrap();
    for path in ["''", "pg_catalog, pg_temp"] {
        Spi::run(&format!("SET LOCAL search_path = {path}; REFRESH MATERIALIZED VIEW tienda.portada")).unwrap();
        assert_eq!(listed("tienda.portada"), expected, "{path}");
    }
    Spi::run("SET LOCAL search_path = public").unwrap();
    assert_eq!(fails("SELECT * FROM reco_recommend(3)").0, "42P01");
}

#[pg_test]
fn configuring_names_what_is_wrong() {
    small_site();
    let message = |columns: &str| fails(&format!("SELECT reco_configure('rating', 'resena', '{columns}')")).1;
    assert!(message("{\"user\": \"usuario_id\"}").contains("\"item\""));
    assert!(
        message("{\"user\": \"nadie\", \"item\": \"libro_id\", \"stars\": \"estrellas\"}")
            .contains("no column \"nadie\"")
    );
    assert!(message("{\"usr\": \"usuario_id\"}").contains("\"usr\""));
    assert!(message("{\"user\": 7}").contains("name in quotes"));
    assert!(
        message("{\"user\": \"fecha_resena\", \"item\": \"libro_id\", \"stars\": \"estrellas\"}").contains("timestamp")
    );
    assert!(fails("SELECT reco_configure('buyers', 'resena', '{}')").1.contains("buyers"));
}

#[pg_test]
fn a_mapping_is_not_mistaken_for_an_earlier_one_with_the_same_sum() {
    small_site();
    Spi::run("CREATE TABLE gustos AS SELECT * FROM favorito; CREATE TABLE notas AS SELECT * FROM resena").unwrap();
    let relations = || -> String {
        Spi::get_one("SELECT string_agg(relation, ' ' ORDER BY source) FROM reco_sources()").unwrap().unwrap()
    };
    Spi::run(
        "SELECT reco_configure('favorite', 'gustos', '{\"user\": \"usuario_id\", \"item\": \"libro_id\"}');
         SELECT reco_configure('rating', 'notas', '{\"user\": \"usuario_id\", \"item\": \"libro_id\", \"stars\": \"estrellas\"}')",
    )
    .unwrap();
    let sum = || -> i64 { Spi::get_one("SELECT sum(revision)::bigint FROM reco.source").unwrap().unwrap() };
    assert!(relations().contains("gustos") && relations().contains("notas"));
    let before = sum();
    // As another session would leave it: one row, with the sum of the two.
    Spi::run(&format!("DELETE FROM reco.source WHERE source = 'favorite'; UPDATE reco.source SET revision = {before}")).unwrap();
    assert_eq!(sum(), before);
    assert!(!relations().contains("gustos"), "{}", relations());
}

#[pg_test]
fn a_renamed_schema_is_noticed() {
    Spi::run("CREATE SCHEMA tienda; SET LOCAL search_path = tienda, public").unwrap();
    small_site();
    train();
    assert!(!listed("reco_recommend(1)").is_empty());
    Spi::run("ALTER SCHEMA tienda RENAME TO tienda_vieja; CREATE SCHEMA tienda").unwrap();
    Spi::run("CREATE TABLE tienda.libro (nada int)").unwrap();
    let (state, message) = fails("SELECT * FROM reco_recommend(1)");
    assert!(state == "42P01" && message.contains("none of the columns id"), "{state} {message}");
    Spi::run("SET LOCAL search_path = tienda_vieja, public").unwrap();
    assert!(!listed("reco_recommend(1)").is_empty());
    Spi::run("ALTER SCHEMA tienda_vieja RENAME TO tienda_nueva").unwrap();
    assert_eq!(fails("SELECT * FROM reco_recommend(1)").0, "42P01");
}

#[pg_test]
fn an_empty_table_does_not_win_over_a_full_one() {
    small_site();
    Spi::run(
        "ALTER TABLE libro RENAME TO books; CREATE TABLE libro (LIKE books);
         CREATE TABLE libros (LIKE books) PARTITION BY LIST (id); CREATE TABLE libros_1 PARTITION OF libros DEFAULT",
    )
    .unwrap();
    let item = || -> String {
        Spi::get_one("SELECT relation || ': ' || coalesce(passed_over, '-') FROM reco_sources() WHERE source = 'item'")
            .unwrap()
            .unwrap()
    };
    assert_eq!(item(), "public.books: public.libro is empty; public.libros is empty");
    train();
    assert!(!listed("reco_recommend(1)").is_empty());
    // Rows decide, in a session that has looked before too.
    Spi::run("INSERT INTO libros SELECT * FROM books").unwrap();
    assert_eq!(item(), "public.libros: public.libro is empty");
    Spi::run("TRUNCATE libros, books").unwrap();
    assert_eq!(item(), "public.libro: -");
    Spi::run("INSERT INTO books VALUES (1, 'Uno')").unwrap();
    assert_eq!(item(), "public.books: public.libro is empty; public.libros is empty");
}

#[pg_test]
fn a_column_that_vanished_leaves_the_rest_of_its_source() {
    small_site();
    Spi::run(
        "SELECT reco_configure('item', 'libro',
             '{\"id\": \"id\", \"category\": \"categoria_id\", \"author\": \"autor_id\", \"title\": \"titulo\"}')",
    )
    .unwrap();
    train();
    Spi::run("ALTER TABLE libro RENAME autor_id TO escritor").unwrap();
    assert!(truth(
        "SELECT relation = 'public.libro' AND columns ? 'category' AND NOT columns ? 'author' AND missing LIKE '%\"autor_id\"%'
         FROM reco_sources() WHERE source = 'item'"
    ));
    assert!(!listed("reco_recommend(1, 5, category => 1)").is_empty());
    assert!(health("{attention}").contains("autor_id"));
}

#[pg_test]
fn a_column_of_a_fitting_type_is_found_beside_one_of_another() {
    small_site();
    Spi::run("ALTER TABLE libro ADD category_id int; UPDATE libro SET category_id = categoria_id;
              ALTER TABLE libro ALTER categoria_id TYPE box USING NULL")
        .unwrap();
    assert!(truth("SELECT columns ->> 'category' = 'category_id' AND missing IS NULL FROM reco_sources() WHERE source = 'item'"));
    Spi::run("ALTER TABLE libro DROP category_id").unwrap();
    assert!(truth("SELECT missing LIKE '%categoria_id%not box%' FROM reco_sources() WHERE source = 'item'"));
}

#[pg_test]
fn the_index_that_is_missing_behind_views_is_named() {
    small_site();
    Spi::run(
        "ALTER TABLE resena RENAME usuario_id TO \"the reader\";
         CREATE VIEW inner_view AS SELECT libro_id AS item_id, \"the reader\" AS who FROM resena WHERE estrellas > 0;
         CREATE VIEW outer_view AS SELECT who AS user_id, item_id, 5 AS stars FROM inner_view
             UNION ALL SELECT usuario_id AS user_id, libro_id, 5 FROM favorito;
         SELECT reco_configure('rating', 'outer_view', '{\"user\": \"user_id\", \"item\": \"item_id\", \"stars\": \"stars\"}')",
    )
    .unwrap();
    let advice = || Spi::get_one::<String>("SELECT advice FROM reco_sources() WHERE source = 'rating'").unwrap();
    assert_eq!(advice().as_deref(), Some("CREATE INDEX ON public.resena (\"the reader\");"));
    assert_eq!(health("{missing_indexes}"), r#"["CREATE INDEX ON public.resena (\"the reader\");"]"#);
    Spi::run("CREATE INDEX ON resena (\"the reader\")").unwrap();
    assert_eq!(advice(), None);
    // What the view computes has no index that could help.
    Spi::run("CREATE OR REPLACE VIEW outer_view AS SELECT who + 0 AS user_id, item_id, 5 AS stars FROM inner_view").unwrap();
    assert_eq!(advice(), None);
}

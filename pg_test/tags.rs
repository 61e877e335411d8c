// Items of several categories and authors: an array column, or a table of pairs.

/// Books by the parity of their number, as tags 0 and 1, and those that three divides also with the tag 7.
const TAGGED: &str = "ALTER TABLE libro ADD etiquetas int[];
    UPDATE libro SET etiquetas = CASE WHEN id % 3 = 0 THEN ARRAY[7, NULL, id % 2] ELSE ARRAY[id % 2] END";
const CONFIGURED: &str = "SELECT reco_configure('item', 'libro', '{\"id\": \"id\", \"title\": \"titulo\",
    \"category\": \"etiquetas\", \"author\": \"autor_id\", \"published\": \"fecha_publicacion\"}')";
/// The same as pairs.
const LINKED: &str = "CREATE TABLE libro_categoria (libro_id int, categoria_id int, PRIMARY KEY (libro_id, categoria_id));
    INSERT INTO libro_categoria SELECT id, 7 FROM libro WHERE id % 3 = 0";

/// What holds of both.
fn tags_count_everywhere(newcomer: &str) {
    let version = train();
    assert!(truth(&format!("SELECT count(*) = 10 AND bool_and(item_id % 3 = 0 AND category = item_id % 2 AND more_categories = '{{7}}')
        FROM reco.item_feature WHERE model_version = {version} AND more_categories IS NOT NULL")));
    assert!(truth(&format!("SELECT bool_and(7 = ANY (top_categories)) FROM reco.user_feature
        WHERE model_version = {version} AND user_id BETWEEN 1 AND 40")));
    Spi::run("INSERT INTO favorito SELECT 43, i FROM generate_series(1, 9, 2) i").unwrap();
    Spi::run(newcomer).unwrap();
    for enabled in ["on", "off"] {
        Spi::run(&format!("SET LOCAL reco.enabled = {enabled}")).unwrap();
        let of = |category: i64| {
            let mut ids = listed(&format!("reco_recommend(43, 100, category => {category})"));
            ids.sort_unstable();
            ids
        };
        assert_eq!(of(7), [6, 12, 15, 18, 21, 24, 27, 30, 31], "enabled {enabled}");
        assert_eq!(of(1), [11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31], "enabled {enabled}");
        assert!(of(i64::MAX).is_empty(), "enabled {enabled}");
        let mut trending = listed("reco_trending(100, '1000 years', 7)");
        trending.sort_unstable();
        assert_eq!(trending, [3, 6, 9, 12, 15, 18, 21, 24, 27, 30]);
        assert_eq!(listed("reco_recommend(43, 1, among => '{31}', category => 7)"), [31]);
        assert!(listed("reco_similar(31, 100)").contains(&12), "enabled {enabled}");
    }
    // By the rules: one of its two categories is one of the reader's. Both are: 3 and 9 are liked, too.
    assert!(truth("SELECT abs(score - 50.0 / 90) < 1e-6 FROM reco_score(43, '{31}')"));
    Spi::run("SET LOCAL reco.enabled = on").unwrap();
    assert!(truth("SELECT abs(sum(contribution) - (SELECT score FROM reco_score(43, '{31}'))) < 1e-6 FROM reco_explain(43, 31)"));
}

#[pg_test]
fn the_tags_of_an_array_column_count_everywhere() {
    small_site();
    Spi::run(TAGGED).unwrap();
    Spi::run(CONFIGURED).unwrap();
    tags_count_everywhere("INSERT INTO libro VALUES (31, 'Nuevo', 0, 99, NULL, '{7, 1}')");
}

#[pg_test]
fn a_table_of_pairs_is_found_and_adds_to_the_column() {
    small_site();
    Spi::run(LINKED).unwrap();
    assert!(truth("SELECT relation LIKE '%.libro_categoria' AND NOT configured AND missing IS NULL AND advice IS NULL
        FROM reco_sources() WHERE source = 'category'"));
    tags_count_everywhere(
        "INSERT INTO libro VALUES (31, 'Nuevo', 1, 99, NULL); INSERT INTO libro_categoria VALUES (31, 7), (77, 7)",
    );
    // It is one of the sources of the model: without it something is lost.
    Spi::run("DROP TABLE libro_categoria").unwrap();
    assert!(health("{attention,0}").contains("the source \"category\" was"));
}

#[pg_test]
fn the_authors_of_a_table_of_pairs_lead_to_a_book() {
    small_site();
    Spi::run("CREATE TABLE book_authors (book_id int, author_id int, PRIMARY KEY (book_id, author_id));
        INSERT INTO book_authors SELECT id, 50 FROM libro WHERE id IN (2, 30)").unwrap();
    train();
    Spi::run("INSERT INTO libro VALUES (31, 'Nuevo', 9, 9, NULL); INSERT INTO book_authors VALUES (31, 50)").unwrap();
    for enabled in ["on", "off"] {
        Spi::run(&format!("SET LOCAL reco.enabled = {enabled}")).unwrap();
        let mut similar = listed("reco_similar(31, 100)");
        similar.sort_unstable();
        assert_eq!(similar, [2, 30], "enabled {enabled}");
    }
    Spi::run("INSERT INTO favorito VALUES (41, 30)").unwrap();
    assert!(truth("SELECT evidence = 'author 50: 30 of 90 points' FROM reco_explain(41, 31)"));
    assert!(truth("SELECT reason = 'Del autor de «Libro 30»' FROM reco_recommend(41, 1, among => '{31}')"));
}

#[pg_test]
fn keys_of_another_kind_take_the_place_of_a_detected_column() {
    small_site();
    Spi::run("CREATE TABLE libro_etiqueta (libro_id int, etiqueta_id int, PRIMARY KEY (libro_id, etiqueta_id));
        INSERT INTO libro_etiqueta SELECT id, 1 FROM libro WHERE id > 20;
        SELECT reco_configure('category', 'libro_etiqueta', '{\"item\": \"libro_id\", \"category\": \"etiqueta_id\"}')").unwrap();
    assert!(truth("SELECT NOT columns ? 'category' AND missing LIKE '%categoria_id is not used: %libro_etiqueta is in its place'
        FROM reco_sources() WHERE source = 'item'"));
    train();
    let mut ids = listed("reco_recommend(41, 100, category => 1)");
    ids.sort_unstable();
    assert_eq!(ids, (21..=30).collect::<Vec<i64>>());
    // Whoever configures the column says that its keys are of the same kind.
    Spi::run("SELECT reco_configure('item', 'libro', '{\"id\": \"id\", \"category\": \"categoria_id\"}')").unwrap();
    assert_eq!(listed("reco_recommend(41, 100, category => 1)").len(), 20);
}

#[pg_test]
fn only_one_ordinary_table_of_pairs_is_taken_unasked() {
    small_site();
    let of_category = |column: &str| {
        Spi::get_one::<String>(&format!("SELECT {column}::text FROM reco_sources() WHERE source = 'category'")).unwrap().unwrap()
    };
    assert!(truth("SELECT count(*) = 4 FROM reco_sources()"));
    Spi::run("CREATE VIEW book_categories AS SELECT id AS book_id, 1 AS category_id FROM libro").unwrap();
    assert!(of_category("missing").contains("book_categories is a view"));
    Spi::run(LINKED).unwrap();
    assert!(of_category("passed_over").contains("book_categories is a view"));
    Spi::run("CREATE TABLE item_categories (item_id int, category_id int)").unwrap();
    assert!(of_category("missing").contains("could all be it"), "{}", of_category("missing"));
    Spi::run("SELECT reco_configure('category', 'book_categories', '{\"item\": \"book_id\", \"category\": \"category_id\"}')").unwrap();
    assert!(truth("SELECT configured AND missing IS NULL FROM reco_sources() WHERE source = 'category'"));
    let (code, message) = fails("SELECT reco_configure('author', 'libro_categoria', '{\"item\": \"libro_id\"}')");
    assert!(code == "42703" && message.contains("no column is configured for \"author\""), "{message}");
    let (code, message) = fails("SELECT reco_configure('item', 'libro', '{\"id\": \"id\", \"category\": \"fecha_publicacion\"}')");
    assert!(code == "42703" && message.contains("or an array of integers"), "{message}");
}

fn pairs_of_keys_count(items: (&str, &str)) {
    small_site();
    Spi::run("ALTER TABLE libro DROP categoria_id, ADD categoria_id int").unwrap();
    with_keys(USERS, items);
    let kind = items.0;
    Spi::run(&format!(
        "CREATE TABLE libro_categoria (libro_id {kind}, categoria_id {kind}, PRIMARY KEY (libro_id, categoria_id));
         INSERT INTO libro_categoria SELECT itm(i), itm(7) FROM generate_series(3, 30, 3) i;
         INSERT INTO libro_categoria SELECT itm(i), itm(i % 2) FROM generate_series(1, 30) i"
    ))
    .unwrap();
    train();
    for enabled in ["on", "off"] {
        Spi::run(&format!("SET LOCAL reco.enabled = {enabled}")).unwrap();
        for call in [
            "reco_recommend(reco_id(usr(41)), 100, category => reco_id(itm(7)))",
            "reco_trending(100, '1000 years', reco_id(itm(7)))",
        ] {
            let found = format!(
                "SELECT count(*) = 10 AND bool_and(reco_key(item_id) IN
                     (SELECT itm(i)::text FROM generate_series(3, 30, 3) i)) FROM {call}"
            );
            assert!(truth(&found), "enabled {enabled}: {call}");
        }
    }
}

#[pg_test]
fn pairs_of_uuids_count_too() {
    pairs_of_keys_count(ITEMS);
}

#[pg_test]
fn pairs_of_texts_count_too() {
    pairs_of_keys_count(TEXTS);
}

/// Categories and authors as enums of a schema that is in nobody's path, the authors' behind a domain.
const ENUMS: &str = "CREATE SCHEMA tipos;
    CREATE TYPE tipos.genero AS ENUM ('novela', 'ensayo', 'poesía');
    CREATE TYPE tipos.firma AS ENUM ('a0', 'a1', 'a2', 'a3', 'a4');
    CREATE DOMAIN tipos.autoria AS tipos.firma;
    ALTER TABLE libro ALTER categoria_id TYPE tipos.genero USING (CASE categoria_id WHEN 0 THEN 'novela' ELSE 'ensayo' END)::tipos.genero,
                      ALTER autor_id TYPE tipos.autoria USING ('a' || autor_id)::tipos.autoria";

#[pg_test]
fn an_enum_is_a_category_or_an_author_by_its_labels() {
    small_site();
    Spi::run(ENUMS).unwrap();
    assert!(truth("SELECT missing IS NULL FROM reco_sources() WHERE source = 'item'"));
    let version = train();
    assert!(truth(&format!("SELECT count(*) = 30 AND bool_and(reco_key(category) = CASE item_id % 2 WHEN 0 THEN 'novela' ELSE 'ensayo' END
        AND reco_key(author) = 'a' || item_id % 5) FROM reco.item_feature WHERE model_version = {version}")));
    Spi::run("INSERT INTO favorito SELECT 43, i FROM generate_series(1, 9, 2) i;
              INSERT INTO libro VALUES (31, 'Nuevo', 'ensayo', 'a1', NULL)").unwrap();
    for enabled in ["on", "off"] {
        Spi::run(&format!("SET LOCAL reco.enabled = {enabled}")).unwrap();
        let of = |label: &str| {
            let mut ids = listed(&format!("reco_recommend(43, 100, category => reco_id('{label}'))"));
            ids.sort_unstable();
            ids
        };
        assert_eq!(of("ensayo"), [11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31], "enabled {enabled}");
        // Of no item, and of no enum.
        assert!(of("poesía").is_empty() && of("no such label").is_empty(), "enabled {enabled}");
        let mut trending = listed("reco_trending(100, '1000 years', reco_id('novela'))");
        trending.sort_unstable();
        assert_eq!(trending, (1..=15).map(|i| 2 * i).collect::<Vec<i64>>());
    }
    assert!(truth("SELECT bool_or(evidence ~ '^category ensayo: ') AND bool_or(evidence ~ '^author a1: ') FROM reco_explain(43, 31)"));
    assert_eq!(fails("SELECT * FROM reco_recommend(43, category => 1)").0, "22023");
}

#[pg_test]
fn pairs_may_have_an_enum() {
    small_site();
    Spi::run(ENUMS).unwrap();
    Spi::run(
        "CREATE TABLE libro_categoria (libro_id int, categoria tipos.genero, PRIMARY KEY (libro_id, categoria));
         INSERT INTO libro_categoria SELECT id, 'poesía' FROM libro WHERE id % 3 = 0",
    )
    .unwrap();
    train();
    for enabled in ["on", "off"] {
        Spi::run(&format!("SET LOCAL reco.enabled = {enabled}")).unwrap();
        let mut listed = listed("reco_recommend(41, 100, category => reco_id('poesía'))");
        listed.sort_unstable();
        assert_eq!(listed, (1..=10).map(|i| 3 * i).collect::<Vec<i64>>(), "enabled {enabled}");
    }
}

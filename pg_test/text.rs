// Texts and embeddings of books: what they say of new ones, and what of them is not usable.

/// Sixty books of two kinds, and nothing in the catalogue that tells them apart but two texts and an embedding. Sixty readers
/// like those of their kind.
fn described_site() {
    Spi::run(
        "SELECT pg_advisory_xact_lock(1);
         CREATE TABLE libro (id int PRIMARY KEY, titulo varchar(200), sinopsis text, huella real[]);
         CREATE TABLE favorito (usuario_id int, libro_id int, PRIMARY KEY (usuario_id, libro_id));
         CREATE FUNCTION palabras(kind int, n int) RETURNS text LANGUAGE sql AS $$
             SELECT string_agg((CASE kind WHEN 1 THEN '{Dragón,mago,espada,reino,hechizo}'::text[]
                 ELSE '{crimen,detective,niebla,policía,arma}'::text[] END)[1 + (n * 7 + i * i) % 5], ' ')
             FROM generate_series(1, 3) i $$;
         CREATE FUNCTION huella(kind int, n int) RETURNS real[] LANGUAGE sql AS $$
             SELECT array_agg((3 + CASE WHEN i % 2 = kind THEN 1 ELSE 0 END + (n * 31 + i * 17) % 13 / 20.0)::real ORDER BY i)
             FROM generate_series(1, 300) i $$;
         INSERT INTO libro SELECT i, 'Libro ' || i, palabras(i % 2, i), huella(i % 2, i) FROM generate_series(1, 60) i;
         INSERT INTO favorito SELECT u, b FROM generate_series(1, 60) u, generate_series(1, 60) b
             WHERE (u + b) % 2 = 0 AND (u * 7 + b * 5) % 3 > 0;
         INSERT INTO favorito SELECT 99, b FROM generate_series(1, 19, 2) b",
    )
    .unwrap();
}

fn describe_by(columns: &str) -> i64 {
    Spi::run(&format!("SELECT reco_configure('item', 'libro', '{{\"id\": \"id\", \"title\": \"titulo\", {columns}}}')")).unwrap();
    train()
}

/// Reader 99 likes odd books. Of two new ones the odd one is better, by its content, and the sentence says so.
fn the_new_book_of_the_readers_kind_is_first() {
    assert!(truth("SELECT count(*) = 2 AND bool_and(content_based IS NOT NULL AND source = 'content')
        AND max(score) FILTER (WHERE item_id = 101) > 1.5 * max(score) FILTER (WHERE item_id = 102)
        FROM reco_score(99, '{101, 102}')"));
    assert_eq!(listed("reco_recommend(99, 5, among => '{101, 102}')"), [101, 102]);
    assert!(listed("reco_recommend(99, 100)").contains(&101));
    assert!(truth("SELECT count(*) > 0 FROM reco_recommend_for('{1, 3, 5}', 100) WHERE item_id = 101"));
    assert!(truth("SELECT bool_and(user_id % 2 = 1) FROM reco_audience(101, 10)"));
    assert!(truth("SELECT reason = 'Its description is like what you like'
        FROM reco_recommend(99, 1, among => '{101}')"));
    assert!(truth("SELECT abs(sum(contribution) - (SELECT score FROM reco_score(99, '{101}'))) < 1e-6
        AND count(*) FILTER (WHERE evidence ~ '^(text|embedding)_(weight|similarity) = ') > 0 FROM reco_explain(99, 101)"));
}

const NEW: &str = "INSERT INTO libro (id, titulo, sinopsis, huella) VALUES
    (101, 'Nuevo', palabras(1, 101), huella(1, 101)), (102, 'Otro', palabras(0, 102), huella(0, 102))";

#[pg_test]
fn a_new_book_finds_its_readers_by_its_text() {
    described_site();
    Spi::run("SET LOCAL reco.locale = 'en'").unwrap();
    describe_by(r#""text": ["titulo", "sinopsis"]"#);
    Spi::run(NEW).unwrap();
    the_new_book_of_the_readers_kind_is_first();
    // Accents and case do not matter, and what was never seen is nothing.
    Spi::run("UPDATE libro SET sinopsis = 'DRAGON hechizo' WHERE id = 101; UPDATE libro SET sinopsis = '' WHERE id = 102").unwrap();
    the_new_book_of_the_readers_kind_is_first();
    assert!(truth(r#"SELECT columns->'text' = '["titulo", "sinopsis"]' AND missing = 'no column for category, author, published' FROM reco_sources() WHERE source = 'item'"#));
}

#[pg_test]
fn a_new_book_finds_its_readers_by_its_embedding() {
    described_site();
    Spi::run("SET LOCAL reco.locale = 'en'").unwrap();
    describe_by(r#""embedding": "huella""#);
    Spi::run(NEW).unwrap();
    the_new_book_of_the_readers_kind_is_first();
    for sql in ["double precision[] USING huella::float8[]", "vector USING translate(huella::text, '{}', '[]')::vector"] {
        Spi::run("DO $$ BEGIN IF to_regtype('vector') IS NULL THEN
                CREATE TYPE vector; CREATE FUNCTION vector_in(cstring) RETURNS vector LANGUAGE internal IMMUTABLE STRICT AS 'textin';
                CREATE FUNCTION vector_out(vector) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'textout';
                CREATE TYPE vector (INPUT = vector_in, OUTPUT = vector_out, LIKE = text);
                CREATE CAST (text AS vector) WITHOUT FUNCTION;
                CREATE FUNCTION vector_of(int, int) RETURNS vector LANGUAGE sql
                    AS 'SELECT translate(huella($1, $2)::text, ''{}'', ''[]'')::vector'; END IF; END $$").unwrap();
        let before = Spi::get_one::<f32>("SELECT score FROM reco_score(99, '{101}')").unwrap();
        Spi::run(&format!("ALTER TABLE libro ALTER huella TYPE {sql}")).unwrap();
        assert_eq!(Spi::get_one::<f32>("SELECT score FROM reco_score(99, '{101}')").unwrap(), before);
        Spi::run("DELETE FROM libro WHERE id > 100").unwrap();
        train();
        Spi::run(&NEW.replace(" huella(", if sql.starts_with("vector") { " vector_of(" } else { " huella(" })).unwrap();
        the_new_book_of_the_readers_kind_is_first();
    }
}

#[pg_test]
fn embeddings_that_are_none_are_counted_and_stop_nothing() {
    described_site();
    Spi::run(NEW).unwrap();
    Spi::run("UPDATE libro SET huella = huella[1:299] WHERE id = 3;
        UPDATE libro SET huella[7] = 'NaN' WHERE id = 5;
        UPDATE libro SET huella[7] = '-Infinity' WHERE id = 7;
        UPDATE libro SET huella[7] = NULL WHERE id = 9;
        UPDATE libro SET huella = array_fill(0::real, '{300}') WHERE id = 11;
        UPDATE libro SET huella = ARRAY[huella, huella] WHERE id = 13;
        UPDATE libro SET huella = '{}' WHERE id = 15;
        UPDATE libro SET huella = array_fill(1::real, '{16001}') WHERE id = 19;
        UPDATE libro SET huella = NULL WHERE id IN (17, 101)").unwrap();
    let version = describe_by(r#""embedding": "huella""#);
    assert!(truth(&format!("SELECT (skipped->'embeddings') - 'example'::text = '{{\"items\": 60, \"skipped\": 8}}' FROM reco_models() WHERE version = {version}")));
    assert!(truth("SELECT reco_health()->'model'->'skipped'->'embeddings'->'example' IS NOT NULL"));
    // Read again for a newer book, nothing of them is more than no embedding.
    let version = {
        Spi::run("DELETE FROM favorito WHERE libro_id IN (3, 5, 7, 9, 11, 13, 15, 17, 19);
            CREATE TEMP TABLE malo AS SELECT * FROM libro WHERE id < 20 AND id % 2 = 1; DELETE FROM libro WHERE id < 20 AND id % 2 = 1").unwrap();
        train()
    };
    Spi::run("INSERT INTO libro SELECT id + 1000, titulo, sinopsis, huella FROM malo").unwrap();
    assert!(truth("SELECT count(*) = 10 AND count(DISTINCT score) = 2 FROM reco_score(1, ARRAY(SELECT id FROM libro WHERE id > 1000))"));
    assert!(truth(&format!("SELECT skipped IS NULL FROM reco_models() WHERE version = {version}")));
}

#[pg_test]
fn a_strict_training_refuses_an_embedding_that_is_none() {
    described_site();
    Spi::run("UPDATE libro SET huella = huella[1:9] WHERE id = 3").unwrap();
    Spi::run("SELECT reco_configure('item', 'libro', '{\"id\": \"id\", \"embedding\": \"huella\"}')").unwrap();
    let (code, said) = fails("SELECT reco_train('{\"strict\": true}')");
    assert_eq!(code, "22000");
    assert!(said.contains("huella of ") && said.ends_with("not usable for 1 of 60 items, which count as items without: for example item 3"), "{said}");
}

#[pg_test]
fn what_describes_a_book_has_to_be_named_and_of_its_type() {
    described_site();
    assert!(truth("SELECT NOT columns ?| '{text,embedding}' AND missing NOT LIKE '%text%' FROM reco_sources() WHERE source = 'item'"));
    for (columns, problem) in [
        (r#"{"id": "id", "text": ["titulo", "huella"]}"#, "must be text, not real[]"),
        (r#"{"id": "id", "text": ["titulo", "nada"]}"#, "has no column \"nada\""),
        (r#"{"id": "id", "text": []}"#, "must be a name in quotes, or an array of names"),
        (r#"{"id": "id", "text": ["titulo", 7]}"#, "must be a name in quotes, or an array of names"),
        (r#"{"id": "id", "title": ["titulo"]}"#, "must be a name in quotes, not"),
        (r#"{"id": "id", "embedding": "titulo"}"#, "must be real[], double precision[] or pgvector"),
    ] {
        let (_, said) = fails(&format!("SELECT reco_configure('item', 'libro', '{columns}')"));
        assert!(said.contains(problem), "{columns}: {said}");
    }
}

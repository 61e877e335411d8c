// Sites and helpers that the tests of this folder share.

/// Forty readers of thirty books, half of whom like the odd ones and half the even ones, and a reader without
/// interactions, 41. The sources are detected. One test at a time has a site, because one at a time may train.
fn small_site() {
    Spi::run(
        "SELECT pg_advisory_xact_lock(1);
         CREATE TABLE libro (id int PRIMARY KEY, titulo text, categoria_id int, autor_id int, fecha_publicacion date);
         CREATE TABLE resena (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, usuario_id int, libro_id int,
             estrellas smallint, fecha_resena timestamptz);
         CREATE TABLE favorito (usuario_id int, libro_id int, PRIMARY KEY (usuario_id, libro_id));
         CREATE TABLE usuario (id int PRIMARY KEY, fecha_registro timestamptz);
         INSERT INTO libro SELECT i, 'Libro ' || i, i % 2, i % 5, date '2020-01-01' + i FROM generate_series(1, 30) i;
         INSERT INTO usuario SELECT i, '2021-01-01' FROM generate_series(1, 41) i;
         INSERT INTO resena (usuario_id, libro_id, estrellas, fecha_resena)
             SELECT u, b, CASE WHEN (u + b) % 2 = 0 THEN 5 ELSE 2 END,
                    timestamptz '2022-01-01' + (u * 37 + b * 11) % 300 * interval '1 day'
             FROM generate_series(1, 40) u, generate_series(1, 30) b WHERE (u * 7 + b * 3) % 5 <> 0;
         INSERT INTO favorito SELECT u, b FROM generate_series(1, 40) u, generate_series(1, 30) b
             WHERE (u + b) % 2 = 0 AND (u * 7 + b * 3) % 5 = 0 AND (u + b) % 3 = 0;",
    )
    .unwrap();
}

/// A small site with a model, and a newer reader of odd books, 43, who has read those up to 9. Gives the model's
/// version.
fn recommending() -> i64 {
    small_site();
    let version = train();
    Spi::run("INSERT INTO favorito SELECT 43, i FROM generate_series(1, 9, 2) i").unwrap();
    version
}

fn train() -> i64 {
    Spi::get_one("SELECT model_version FROM reco_train('{\"force\": true}')").unwrap().unwrap()
}

fn truth(sql: &str) -> bool {
    Spi::get_one(sql).unwrap().unwrap_or(false)
}

/// Ids that a query gives, in its order.
fn listed(sql: &str) -> Vec<i64> {
    Spi::get_one::<Vec<i64>>(&format!("SELECT coalesce(array_agg(item_id ORDER BY rank), '{{}}') FROM {sql}"))
        .unwrap()
        .unwrap()
}

/// Runs a statement that must fail; gives its SQLSTATE and its message.
fn fails(sql: &str) -> (String, String) {
    Spi::run(
        "CREATE OR REPLACE FUNCTION pg_temp.outcome(statement text) RETURNS text[] LANGUAGE plpgsql AS $$
         BEGIN EXECUTE statement; RETURN NULL; EXCEPTION WHEN OTHERS THEN RETURN ARRAY[SQLSTATE, SQLERRM]; END $$",
    )
    .unwrap();
    let outcome = Spi::get_one_with_args::<Vec<String>>("SELECT pg_temp.outcome($1)", &[sql.into()]).unwrap();
    let outcome = outcome.unwrap_or_else(|| panic!("this worked, and should fail: {sql}"));
    (outcome[0].clone(), outcome[1].clone())
}

/// A value of the report, by its path.
fn health(path: &str) -> String {
    let sql = format!("SELECT coalesce(reco_health() #>> '{path}', '-')");
    Spi::get_one(&sql).unwrap().unwrap_or_default()
}

// Explanations sum to the score, and name the liked books.

/// Every pair of these readers and books, explained and scored.
fn explained(readers: &str, books: &str) -> (i64, f64) {
    Spi::get_two(&format!(
        "SELECT count(*), max(abs(e.sum - s.score)) FROM generate_series({readers}) u, generate_series({books}) b,
             LATERAL (SELECT sum(contribution) FROM reco_explain(u, b)) e, LATERAL reco_score(u, ARRAY[b::bigint]) s"
    ))
    .map(|(count, error)| (count.unwrap(), error.unwrap()))
    .unwrap()
}

#[pg_test]
fn explanations_sum_to_the_score_on_every_step() {
    small_site();
    train();
    // Reader 39 has read more since the training, 41 is new, 42 has no account; book 31 is newer than the model, 32
    // does not exist. This few readers give no trees: what trees add is checked on the generated library, by
    // tests/psql.
    Spi::run(
        "INSERT INTO libro VALUES (31, 'Nuevo', 1, 1, '2022-06-01');
         INSERT INTO favorito VALUES (39, 31), (39, 12), (41, 1), (41, 7)",
    )
    .unwrap();
    assert!(truth(
        "SELECT array_agg(DISTINCT source) @> '{hybrid,fold_in,popularity}'
         FROM generate_series(36, 42) u, reco_score(u, ARRAY(SELECT generate_series(1, 32)))"
    ));
    let (pairs, error) = explained("36, 42", "1, 32");
    assert!(pairs == 224 && error < 1e-6, "{pairs} {error}");
    Spi::run("SET LOCAL reco.enabled = off").unwrap();
    let (pairs, error) = explained("36, 42", "1, 32");
    assert!(pairs == 224 && error < 1e-6, "{pairs} {error}");
    assert!(truth("SELECT bool_and(component = 'rules') FROM reco_explain(41, 3)"));
}

#[pg_test]
fn an_explanation_names_the_liked_books() {
    small_site();
    train();
    assert!(truth(
        "SELECT bool_and(liked_item IN (SELECT libro_id FROM resena WHERE usuario_id = 3 AND estrellas >= 4
                                        UNION SELECT libro_id FROM favorito WHERE usuario_id = 3))
            AND bool_and(evidence = 'liked ' || liked_item || ': Libro ' || liked_item) AND count(*) > 5
         FROM reco_explain(3, 6) WHERE component = 'collaborative' AND evidence <> 'base'"
    ));
    // Reader 3 likes odd books: the liked books add more to the score of an odd one than to that of an even one.
    assert!(truth(
        "SELECT sum(contribution) FILTER (WHERE b % 2 = 1) / 15 > sum(contribution) FILTER (WHERE b % 2 = 0) / 15
         FROM generate_series(1, 30) b, reco_explain(3, b) WHERE liked_item IS NOT NULL"
    ));
    Spi::run("ALTER TABLE libro DROP COLUMN titulo").unwrap();
    assert!(truth(
        "SELECT bool_and(evidence = 'liked ' || liked_item) FROM reco_explain(3, 6) WHERE liked_item IS NOT NULL"
    ));
}

#[pg_test]
fn explaining_fails_as_scoring_does() {
    assert_eq!(fails("SELECT * FROM reco_explain(1, 1)").0, "42P01");
    small_site();
    assert!(truth("SELECT count(*) = 0 FROM reco_explain(NULL, 1)"));
    Spi::run("SET LOCAL reco.fallback = off").unwrap();
    assert_eq!(fails("SELECT * FROM reco_explain(1, 1)").0, "55000");
    assert_eq!(fails("SET LOCAL reco.locale = 'fr'").0, "22023");
}

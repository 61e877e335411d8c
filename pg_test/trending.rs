// Trends fade with time, and need no model.

#[pg_test]
fn trends_halve_with_each_half_life_and_need_no_model() {
    small_site();
    Spi::run(
        "TRUNCATE resena; DELETE FROM favorito;
         INSERT INTO resena (usuario_id, libro_id, estrellas, fecha_resena) VALUES
             (1, 1, 5, now() - interval '7 days'), (2, 1, 5, now() - interval '14 days'), (3, 2, 5, now()),
             (4, 3, 5, now() + interval '1 year'), (5, 3, 1, now() - interval '21 days'),
             (6, 4, 5, now() - interval '1 year'), (7, 999, 5, now()), (8, 5, 5, NULL)",
    )
    .unwrap();
    assert!(truth(
        "SELECT array_agg(item_id ORDER BY rank) = '{3,2,1}' AND array_agg(interactions ORDER BY rank) = '{2,1,2}'
            AND bool_and(abs(score - CASE item_id WHEN 3 THEN 1.125 WHEN 2 THEN 1 ELSE 0.75 END) < 1e-6)
         FROM reco_trending()"
    ));
    assert_eq!(listed("reco_trending(1)"), [3]);
    assert_eq!(listed("reco_trending(category => 0)"), [2]);
    assert_eq!(listed("reco_trending(half_life => '1 year')"), [3, 1, 2, 4]);
    assert_eq!(listed("reco_trending(half_life => '10000 years')").len(), 4);
    // Favourites count too, in another type of time.
    Spi::run("ALTER TABLE favorito ADD fecha_agregado date; INSERT INTO favorito VALUES (1, 2, current_date), (2, 2, current_date)").unwrap();
    assert_eq!(listed("reco_trending(1)"), [2]);
    Spi::run("ALTER TABLE resena DROP COLUMN fecha_resena; ALTER TABLE favorito DROP COLUMN fecha_agregado").unwrap();
    let (state, message) = fails("SELECT * FROM reco_trending()");
    assert!(state == "42703" && message.contains("time"), "{state} {message}");
}

#[pg_test]
fn a_date_may_be_many_half_lives_old() {
    small_site();
    Spi::run("ALTER TABLE resena ALTER fecha_resena TYPE date USING current_date").unwrap();
    for half_life in ["1 second", "1 microsecond", "1 minute"] {
        assert!(!listed(&format!("reco_trending(5, '{half_life}')")).is_empty(), "{half_life}");
    }
}

// A catalogue that has items several times lists them once.

#[pg_test]
fn an_item_that_the_catalogue_repeats_has_one_place() {
    small_site();
    Spi::run(
        "CREATE TABLE libro_categoria AS
             SELECT id AS libro_id, c AS categoria_id FROM libro, generate_series(0, 1) c WHERE id <> 30 OR c = 0;
         CREATE VIEW catalogo AS SELECT l.id, l.titulo, c.categoria_id, l.autor_id, l.fecha_publicacion
             FROM libro l JOIN libro_categoria c ON c.libro_id = l.id;
         SELECT reco_configure('item', 'catalogo', '{\"id\": \"id\", \"category\": \"categoria_id\", \"author\": \"autor_id\",
             \"published\": \"fecha_publicacion\", \"title\": \"titulo\"}')",
    )
    .unwrap();
    let version = train();
    assert!(truth(&format!("SELECT count(*) = 30 AND bool_and(category = 0 AND more_categories IS NOT DISTINCT FROM CASE WHEN item_id <> 30 THEN '{{1}}'::bigint[] END)
        FROM reco.item_feature WHERE model_version = {version}")));
    // Newcomers, in two categories each.
    Spi::run(
        "INSERT INTO libro SELECT i, 'Nuevo', 0, 1, '2024-01-01' FROM generate_series(31, 35) i;
         INSERT INTO libro_categoria SELECT i, c FROM generate_series(31, 35) i, generate_series(0, 1) c;
         INSERT INTO favorito VALUES (43, 1), (43, 3)",
    )
    .unwrap();
    for enabled in ["on", "off"] {
        Spi::run(&format!("SET LOCAL reco.enabled = {enabled}")).unwrap();
        for (call, count) in [
            ("reco_recommend(43, 100)", 33),
            ("reco_recommend(43, 100, category => 1)", 32),
            ("reco_recommend(43, 100, category => 0, explore => 0.3, diversity => 0.3)", 33),
            ("reco_trending(100, '1000 years')", 30),
            ("reco_trending(100, '1000 years', 1)", 29),
        ] {
            let mut ids = listed(call);
            assert_eq!(ids.len(), count, "enabled {enabled}: {call}: {ids:?}");
            ids.sort_unstable();
            ids.dedup();
            assert_eq!(ids.len(), count, "enabled {enabled}: {call} repeats");
        }
        let mut similar = listed("reco_similar(1, 100)");
        let all = similar.len();
        similar.sort_unstable();
        similar.dedup();
        assert!(all > 5 && similar.len() == all, "enabled {enabled}");
    }
}

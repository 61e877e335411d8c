// Similar books are read by the same readers.

#[pg_test]
fn similar_books_are_read_by_the_same_readers() {
    recommending();
    assert!(truth(
        "SELECT count(*) = 10 AND bool_and(item_id % 2 = 1 AND item_id <> 3) AND bool_and(similarity BETWEEN 0 AND 1)
            AND array_agg(item_id ORDER BY similarity DESC, rank) = array_agg(item_id ORDER BY rank)
         FROM reco_similar(3)"
    ));
    let first = listed("reco_similar(3)")[0];
    Spi::run(&format!("DELETE FROM libro WHERE id = {first}; INSERT INTO libro VALUES (1000, 'Nuevo', 1, 2, NULL)"))
        .unwrap();
    assert!(!listed("reco_similar(3, 1000)").contains(&first));
    assert!(truth("SELECT count(*) > 5 AND bool_and(evidence IN ('author', 'category')) FROM reco_similar(1000)"));
    assert!(listed("reco_similar(12345)").is_empty());
    Spi::run("SET LOCAL reco.enabled = off").unwrap();
    assert!(truth(
        "SELECT count(*) = 10 AND bool_and(model_version IS NULL AND item_id <> 1000) FROM reco_similar(1000)"
    ));
}

// Exploration and diversity change a list in the way they say.

#[pg_test]
fn exploration_is_stable_and_reports_its_propensity() {
    recommending();
    Spi::run("INSERT INTO libro SELECT i, 'Nuevo', i % 2, i % 5, '2022-06-01' FROM generate_series(1001, 1100) i")
        .unwrap();
    let explored = "(SELECT * FROM reco_recommend(43, 10, explore => 0.3) WHERE propensity IS NOT NULL) e";
    let first = listed(explored);
    assert!(first.len() == 3 && first.iter().all(|id| *id > 1000), "{first:?}");
    assert_eq!(listed(explored), first);
    assert!(truth(&format!("SELECT bool_and(propensity > 0 AND propensity <= 1) FROM {explored}")));
    assert!(truth(
        "SELECT count(*) = 10 AND count(DISTINCT item_id) = 10 AND array_agg(rank ORDER BY rank) = '{1,2,3,4,5,6,7,8,9,10}'
         FROM reco_recommend(43, 10, explore => 0.3)"
    ));
    assert!(truth(
        "SELECT count(DISTINCT e.item_id) > 10 FROM generate_series(43, 60) u, reco_recommend(u, 10, explore => 0.3) e WHERE propensity IS NOT NULL"
    ));
    assert!(truth("SELECT count(*) = 10 AND count(propensity) = 10 FROM reco_recommend(43, 10, explore => 1)"));
    Spi::run("DELETE FROM libro WHERE id > 1000").unwrap();
    assert!(truth("SELECT count(*) = 10 AND count(propensity) = 0 FROM reco_recommend(43, 10, explore => 1)"));
}

#[pg_test]
fn diversity_changes_the_list_but_not_its_first() {
    recommending();
    let plain = listed("reco_recommend(43, 8)");
    let varied = listed("reco_recommend(43, 8, diversity => 1)");
    assert!(plain[0] == varied[0] && plain != varied && varied.len() == 8, "{plain:?} {varied:?}");
}

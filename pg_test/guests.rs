// Only among what the site allows, and for somebody without an account.

#[pg_test]
fn among_gives_the_best_of_what_is_allowed() {
    recommending();
    let all = listed("reco_recommend(43, 1000)");
    let allowed: Vec<i64> = all.iter().copied().filter(|id| id % 3 == 0).collect();
    assert!(allowed.len() > 3);
    let among = "among => ARRAY(SELECT id::bigint FROM libro WHERE id % 3 = 0)";
    assert_eq!(listed(&format!("reco_recommend(43, 1000, {among})")), allowed);
    assert_eq!(listed(&format!("reco_recommend(43, 2, {among})")), allowed[..2]);
    let left = listed(&format!("reco_recommend(43, 1000, exclude => '{{{}}}', {among})", allowed[0]));
    assert_eq!(left, allowed[1..]);
    let even: Vec<i64> = allowed.iter().copied().filter(|id| id % 2 == 0).collect();
    assert_eq!(listed(&format!("reco_recommend(43, 1000, category => 0, {among})")), even);
    assert_eq!(listed("reco_recommend(43, 1000, among => NULL)"), all);
    assert!(listed("reco_recommend(43, among => '{}')").is_empty());
    // Twice, seen, unknown to the catalogue.
    assert_eq!(listed(&format!("reco_recommend(43, 5, among => '{{{0}, {0}, 1, 999999}}')", all[4])), all[4..5]);
    assert_eq!(fails("SELECT * FROM reco_recommend(43, among => '{1, NULL}')").0, "22004");
    assert_eq!(fails("SELECT * FROM reco_recommend(43, among => '{{1, 2}}')").0, "2202E");
}

#[pg_test]
fn among_finds_what_is_newer_than_the_model() {
    recommending();
    Spi::run("INSERT INTO libro VALUES (1000, 'Nuevo', 1, 1, '2022-06-01')").unwrap();
    assert_eq!(listed("reco_recommend(43, among => '{1000}')"), [1000]);
    Spi::run("SET LOCAL reco.enabled = off").unwrap();
    assert_eq!(listed("reco_recommend(43, among => '{1000, 999999}')"), [1000]);
    assert!(listed("reco_recommend(43, category => 0, among => '{1000}')").is_empty());
}

#[pg_test]
fn a_guest_is_recommended_what_goes_with_the_liked_items() {
    recommending();
    // As a user with these favourites, and nothing else, is.
    Spi::run("INSERT INTO favorito SELECT 777, i FROM generate_series(1, 5, 2) i").unwrap();
    assert!(truth(
        "SELECT count(*) = 27 AND bool_and(g.item_id = u.item_id AND g.score = u.score AND g.reason = u.reason AND g.source = 'fold_in')
         FROM reco_recommend_for('{1, 3, 5, 3}', 1000) g FULL JOIN reco_recommend(777, 1000) u USING (rank)"
    ));
    assert!(truth("SELECT item_id % 2 = 1 FROM reco_recommend_for('{1, 3, 5}', 1)"));
    let all = listed("reco_recommend_for('{1, 3, 5}', 1000)");
    let some: Vec<i64> = all.iter().copied().filter(|id| [7, 8, 11].contains(id)).collect();
    assert_eq!(listed("reco_recommend_for('{1, 3, 5}', 1000, among => '{11, 8, 7, 3}')"), some);
    assert!(truth("SELECT count(*) = 0 FROM reco_recommend_for(NULL)"));
    // Of whom nothing is known.
    assert_eq!(listed("reco_recommend_for('{}')"), listed("reco_recommend(999)"));
    assert_eq!(fails("SELECT * FROM reco_recommend_for('{1, NULL}')").0, "22004");
    let (state, message) = fails("SELECT * FROM reco_recommend_for(ARRAY(SELECT generate_series(1, 1001)::bigint))");
    assert!(state == "54000" && message.contains("1000"), "{message}");
    Spi::run("SET LOCAL reco.enabled = off").unwrap();
    assert!(truth(
        "SELECT count(*) = 5 AND bool_and(source = 'rules' AND item_id % 2 = 1 AND item_id NOT IN (1, 3, 5))
         FROM reco_recommend_for('{1, 3, 5}', 5)"
    ));
}

// Clicks on what was served are read by a training, and leave what users are scored by alone.

#[pg_test]
fn a_training_learns_from_the_clicks_of_its_own_site() {
    recommending();
    Spi::run(
        "SELECT count(reco_feedback(request_id, item_id, 'click')) FROM generate_series(1, 40) u, reco_serve(u, 3, exclude_seen => false) WHERE rank < 3;
         SELECT count(reco_feedback(request_id, item_id, 'dismiss')) FROM generate_series(1, 40) u, reco_serve(u, 1, 'other')",
    )
    .unwrap();
    let chosen = |options: &str| {
        let version = Spi::get_one::<i64>(&format!("SELECT model_version FROM reco_train('{options}')")).unwrap().unwrap();
        key(&format!("SELECT coalesce(choice ->> 'clicks', '-') FROM reco_models() WHERE version = {version}"))
    };
    assert_eq!(chosen(r#"{"force": true, "clicks": 0.5}"#), "0.5");
    assert_eq!(chosen(r#"{"force": true, "clicks": 0}"#), "-", "not read");
    assert_ne!(chosen(r#"{"force": true}"#), "-", "validation decides");
    assert!(truth("SELECT bool_and(source = 'hybrid') FROM reco_recommend(2, 5)"), "a click changes no reader's vector");
    // Of another shop there are none.
    Spi::run("UPDATE reco.feedback SET model_name = 'otra'").unwrap();
    assert_eq!(chosen(r#"{"force": true, "clicks": 0.5}"#), "-");
    assert_eq!(fails(r#"SELECT reco_train('{"clicks": -1}')"#).0, "22023");
}

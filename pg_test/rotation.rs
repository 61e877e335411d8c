// What was shown and ignored is shown less, what was dismissed is not shown.

/// A site with a model and a reader, 43, for whom `page(n)` serves and `recommended(n)` recommends.
fn page(n: i32) -> Vec<i64> {
    listed(&format!("reco_serve(43, {n})"))
}

fn recommended(n: i32) -> Vec<i64> {
    listed(&format!("reco_recommend(43, {n})"))
}

#[pg_test]
fn without_rotation_a_page_does_not_depend_on_the_pages_before() {
    recommending();
    Spi::run("SET LOCAL reco.rotation = 0").unwrap();
    assert_eq!(page(5), recommended(5));
    assert_eq!(page(5), recommended(5));
}

#[pg_test]
fn by_default_what_was_shown_two_days_ago_counts_a_little_less() {
    recommending();
    assert_eq!(page(5), recommended(5));
    assert_ne!(page(5), recommended(5));
    // Half of 1 - 2^-n, n of which is halved after two days.
    let ranked = "SELECT bool_and(ranked >= next - 1e-6) FROM (
         SELECT ranked, lead(ranked) OVER (ORDER BY rank) AS next FROM (
             SELECT rank, score * CASE WHEN item_id = ANY (shown) THEN 1 - 0.5 * (1 - 2 ^ -0.5) ELSE 1 END AS ranked
             FROM reco_serve(43, 12), (SELECT array_agg(item_id) AS shown FROM reco.impression) i) w) l WHERE next IS NOT NULL";
    Spi::run(
        "TRUNCATE reco.impression; SELECT reco_serve(43, 5);
         UPDATE reco.impression SET at = at - interval '2 days', slot = floor(extract(epoch FROM at - interval '2 days') / 604800)::bigint % 16",
    )
    .unwrap();
    assert!(truth(ranked));
}

#[pg_test]
fn what_was_shown_and_ignored_makes_room() {
    recommending();
    for enabled in ["on", "off"] {
        Spi::run(&format!("TRUNCATE reco.impression; SET LOCAL reco.enabled = {enabled}; SET LOCAL reco.rotation = 1")).unwrap();
        let (first, best) = (page(3), recommended(10));
        assert_eq!(first, best[..3], "enabled {enabled}");
        let second = page(3);
        assert!(second.iter().all(|id| !first.contains(id)), "enabled {enabled}: {first:?}, then {second:?}");
        // Nothing is lost: all of what can be shown comes again, the least shown first.
        let all = page(1000);
        assert_eq!(all.len(), recommended(1000).len());
        assert!(!first.contains(&all[0]) && !second.contains(&all[0]));
        assert_eq!(recommended(10), best, "reco_recommend does not rotate");
    }
}

#[pg_test]
fn scores_stay_what_they_are_and_the_order_is_by_the_weighted_ones() {
    recommending();
    Spi::run("SET LOCAL reco.rotation = 0.5").unwrap();
    page(3);
    Spi::run("CREATE TEMP TABLE served AS SELECT * FROM reco_serve(43, 12)").unwrap();
    assert!(truth("SELECT count(*) = 12 AND bool_and(s.score = r.score) FROM served s JOIN reco_score(43, (SELECT array_agg(item_id) FROM served)) r USING (item_id)"));
    // Each was shown once: its score counts three quarters.
    assert!(truth(
        "SELECT bool_and(ranked >= next) FROM (
             SELECT ranked, lead(ranked) OVER (ORDER BY rank) AS next FROM (
                 SELECT rank, score * CASE WHEN item_id IN (SELECT item_id FROM reco.impression i WHERE i.request_id <> s.request_id)
                     THEN 0.75 ELSE 1 END AS ranked FROM served s) w) l WHERE next IS NOT NULL"
    ));
    assert!(truth("SELECT count(*) > 0 FROM (SELECT score, lead(score) OVER (ORDER BY rank) AS next FROM served) s WHERE next > score"));
}

#[pg_test]
fn a_click_begins_anew_and_time_heals() {
    recommending();
    Spi::run("SET LOCAL reco.rotation = 1; SET LOCAL reco.rotation_half_life = '7d'").unwrap();
    let best = recommended(1);
    assert_eq!(page(1), best);
    assert_ne!(page(1), best);
    // A click on what was shown: as if it had not been.
    Spi::run(&format!("SELECT reco_feedback(request_id, item_id, 'click') FROM reco.impression WHERE item_id = {} LIMIT 1", best[0])).unwrap();
    assert_eq!(page(1), best);
    Spi::run("TRUNCATE reco.impression; TRUNCATE reco.feedback").unwrap();
    page(1);
    Spi::run("UPDATE reco.impression SET at = at - interval '29 days', slot = floor(extract(epoch FROM at - interval '29 days') / 604800)::bigint % 16").unwrap();
    assert_eq!(page(1), best);
    Spi::run("SET LOCAL reco.rotation_half_life = '30d'").unwrap();
    assert_ne!(page(1), best);
}

#[pg_test]
fn nothing_comes_again_before_its_time() {
    recommending();
    Spi::run("SET LOCAL reco.repeat_after = '1d'; SET LOCAL reco.rotation = 0").unwrap();
    let first = page(4);
    let second = page(4);
    assert_eq!([first.clone(), second].concat(), recommended(8));
    Spi::run("UPDATE reco.impression SET at = at - interval '25 hours', slot = floor(extract(epoch FROM at - interval '25 hours') / 604800)::bigint % 16").unwrap();
    assert_eq!(page(4), first);
    // Of another reader nothing was shown.
    assert_eq!(listed("reco_serve(42, 4)"), listed("reco_recommend(42, 4)"));
    Spi::run("SET LOCAL reco.enabled = off").unwrap();
    let shown = page(4);
    assert!(shown.iter().all(|id| !first.contains(id)), "{first:?}, by the rules {shown:?}");
}

#[pg_test]
fn what_was_dismissed_is_not_shown_again() {
    recommending();
    Spi::run("SET LOCAL reco.rotation = 0").unwrap();
    let best = recommended(5);
    Spi::run("SELECT reco_feedback(request_id, item_id, 'dismiss') FROM reco_serve(43, 2) WHERE rank = 1").unwrap();
    for call in ["reco_serve(43, 1000)", "reco_serve(43, 1000, exclude_seen => false)", "reco_serve(43, 10, category => 1)", "reco_serve(43, 10, explore => 1)"] {
        let ids = listed(call);
        assert!(!ids.is_empty() && !ids.contains(&best[0]), "{call}: {ids:?}");
    }
    assert_eq!(page(4), best[1..]);
    assert_eq!(recommended(5), best);
    // Of this shop only: in another one the same id is another item.
    Spi::run("UPDATE reco.dismissal SET model_name = 'otra'").unwrap();
    assert_eq!(page(5), best);
}

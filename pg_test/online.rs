// What was shown, and what came of it, by the rules that the reference states.

/// A small site whose favourites and reviews have times, and `show(user, item, age, ...)`, which puts an impression into the
/// past and gives its request.
fn observed() {
    small_site();
    Spi::run(
        "ALTER TABLE favorito ADD fecha_agregado timestamptz DEFAULT '2021-06-01';
         CREATE FUNCTION pg_temp.show(usr bigint, item bigint, age interval, surface text DEFAULT 'home', variant text DEFAULT NULL)
         RETURNS uuid LANGUAGE sql AS $$
             INSERT INTO reco.impression (request_id, item_id, user_id, at, score, rank, slot, source, surface, model_name, variant)
             SELECT (lpad(to_hex(floor(extract(epoch FROM now() - age) * 1000)::bigint), 12, '0') || '70008'
                     || right(md5(concat(usr, item, age)), 15))::uuid, item, usr, now() - age, 0.5, 1,
                 floor(extract(epoch FROM now() - age) / 604800)::bigint % 16, 'hybrid', surface, '', variant
             RETURNING request_id $$;
         CREATE FUNCTION pg_temp.likes(usr bigint, item bigint, age interval) RETURNS void LANGUAGE sql AS $$
             DELETE FROM favorito WHERE usuario_id = usr AND libro_id = item;
             INSERT INTO favorito VALUES (usr, item, now() - age) $$;
         CREATE FUNCTION pg_temp.reviews(usr bigint, item bigint, age interval) RETURNS void LANGUAGE sql AS $$
             INSERT INTO resena (usuario_id, libro_id, estrellas, fecha_resena) VALUES (usr, item, 3, now() - age) $$;",
    )
    .unwrap();
}

fn sql(statements: &[&str]) {
    for statement in statements {
        Spi::run(&format!("SELECT {statement}")).unwrap();
    }
}

/// Event, item and age in days of the impression that has the credit, in the order of the events.
fn credited() -> String {
    key("SELECT coalesce(string_agg(concat(event, ' ', item_id, ' ', extract(day FROM now() - shown_at)), ', ' ORDER BY item_id, event), '-')
         FROM reco_attribution()")
}

#[pg_test]
fn the_last_impression_before_a_favourite_has_the_credit() {
    observed();
    sql(&[
        "pg_temp.show(41, 1, '5 days')",
        "pg_temp.show(41, 1, '3 days')",
        "pg_temp.show(41, 1, '1 day')",
        "pg_temp.likes(41, 1, '2 days')",
        // Never shown, and shown to somebody else.
        "pg_temp.likes(41, 2, '2 days')",
        "pg_temp.show(40, 2, '3 days')",
    ]);
    assert_eq!(credited(), "favorite 1 3");
    // A later review is another event, and credits the last of all.
    sql(&["pg_temp.reviews(41, 1, '1 hour')"]);
    assert_eq!(credited(), "favorite 1 3, review 1 1");
}

#[pg_test]
fn a_favourite_counts_within_the_window_and_after_the_impression() {
    observed();
    sql(&[
        "pg_temp.show(41, 1, '10 days')",
        "pg_temp.likes(41, 1, '2 days')",
        "pg_temp.show(41, 2, '1 day')",
        "pg_temp.likes(41, 2, '2 days')",
    ]);
    assert_eq!(credited(), "-");
    Spi::run("SET LOCAL reco.attribution_window = '9d'").unwrap();
    assert_eq!(credited(), "favorite 1 10");
}

#[pg_test]
fn two_reviews_of_one_book_credit_one_impression_once() {
    observed();
    sql(&[
        "pg_temp.show(41, 1, '3 days')",
        "pg_temp.reviews(41, 1, '2 days')",
        "pg_temp.reviews(41, 1, '1 day')",
    ]);
    assert_eq!(credited(), "review 1 3");
    assert!(truth("SELECT engagements = 1 AND impressions = 1 AND conversions = 0 FROM reco_online(by => '{}')"));
    assert!(truth("SELECT at = now() - interval '2 days' FROM reco_attribution()"), "the first of them");
}

#[pg_test]
fn clicks_and_dismissals_belong_to_their_own_impression() {
    observed();
    sql(&[
        "reco_feedback(pg_temp.show(41, 1, '5 days'), 1, 'click', now())",
        "pg_temp.show(41, 1, '1 day')",
        "reco_feedback(pg_temp.show(41, 2, '20 days'), 2, 'dismiss', now() - interval '1 day')",
    ]);
    assert_eq!(credited(), "click 1 5, dismiss 2 20");
}

#[pg_test]
fn a_favourite_of_a_day_counts_for_what_was_shown_on_it() {
    observed();
    Spi::run("ALTER TABLE favorito ALTER fecha_agregado TYPE date").unwrap();
    Spi::run("SELECT pg_temp.show(41, 1, now() - (current_date - 1 + time '12:00'))").unwrap();
    Spi::run("INSERT INTO favorito VALUES (41, 1, current_date - 1)").unwrap();
    assert!(truth("SELECT count(*) = 1 FROM reco_attribution()"));
}

#[pg_test]
fn figures_are_grouped_and_their_intervals_hold_them() {
    observed();
    sql(&[
        "count(pg_temp.show(u, b, '2 days', 'home', CASE WHEN u % 2 = 0 THEN 'a' ELSE 'b' END)) FROM generate_series(1, 40) u, generate_series(101, 110) b",
        "count(pg_temp.show(u, 111, '1 day', 'mail')) FROM generate_series(1, 40) u",
        // Of readers of variant a each clicks on two of ten, of variant b every second one on one.
        "bool_and(reco_feedback(request_id, item_id, 'click')) FROM reco.impression WHERE variant = 'a' AND item_id < 103",
        "bool_and(reco_feedback(request_id, item_id, 'click')) FROM reco.impression WHERE variant = 'b' AND item_id = 101 AND user_id % 4 = 1",
        "count(pg_temp.likes(u, 101, '1 day')) FROM generate_series(2, 20, 2) u",
        "count(pg_temp.reviews(u, 102, '1 day')) FROM generate_series(2, 10, 2) u",
    ]);
    let row = |filter: &str| {
        key(&format!(
            "SELECT string_agg(concat_ws(' ', impressions, users, clicks, conversions, engagements, dismissals, round(ctr::numeric, 3)), '; ')
             FROM reco_online() WHERE {filter}"
        ))
    };
    assert_eq!(row("variant = 'a'"), "200 20 40 10 5 0 0.200");
    assert_eq!(row("variant = 'b'"), "200 20 10 0 0 0 0.050");
    assert_eq!(row("surface = 'mail'"), "40 40 0 0 0 0 0.000");
    assert!(truth(
        "SELECT bool_and(ctr_low <= ctr AND ctr <= ctr_high AND ctr_low >= 0 AND ctr_high > 0 AND conversion BETWEEN conversion_low
             AND conversion_high AND engagement BETWEEN engagement_low AND engagement_high AND source = 'hybrid'
             AND model_version IS NULL AND day IN (current_date - 1, current_date - 2)) FROM reco_online()"
    ));
    // By less, sums over more.
    assert!(truth(
        "SELECT count(*) = 1 AND bool_and(impressions = 440 AND users = 40 AND clicks = 50 AND day IS NULL AND surface IS NULL)
         FROM reco_online(by => '{}')"
    ));
    assert!(truth("SELECT array_agg(variant ORDER BY variant) = '{a,b,NULL}' FROM reco_online(by => '{variant}')"));
    assert!(truth("SELECT count(*) = 2 AND sum(impressions) = 440 FROM reco_online(by => '{day}')"));
    // And of a time.
    assert!(truth("SELECT sum(impressions) = 40 FROM reco_online(now() - interval '36 hours')"));
    assert!(truth("SELECT sum(impressions) = 400 AND sum(conversions) = 10 FROM reco_online(until => now() - interval '36 hours')"));
}

#[pg_test]
fn a_favourite_after_the_span_is_not_taken_from_a_later_impression() {
    observed();
    sql(&["pg_temp.show(41, 1, '5 days')", "pg_temp.show(41, 1, '3 days')", "pg_temp.likes(41, 1, '2 days')"]);
    assert!(truth("SELECT conversions = 0 FROM reco_online(until => now() - interval '4 days', by => '{}')"));
    assert!(truth("SELECT conversions = 1 FROM reco_online(by => '{}')"));
}

#[pg_test]
fn without_times_nobody_knows_what_came_of_it() {
    small_site();
    train();
    Spi::run("SELECT count(*) FROM reco_serve(41, 5)").unwrap();
    assert!(truth(
        "SELECT conversions IS NULL AND conversion IS NULL AND conversion_high IS NULL AND engagements = 0 AND clicks = 0
         AND impressions = 5 FROM reco_online(by => '{}')"
    ));
}

#[pg_test]
fn keys_that_are_no_integers_are_credited_too() {
    keyed_site(USERS, TEXTS);
    Spi::run("ALTER TABLE favorito ADD fecha_agregado timestamptz").unwrap();
    train();
    Spi::run(
        "CREATE TEMP TABLE page AS SELECT s.* FROM (SELECT usuario_id FROM resena LIMIT 1) r, reco_serve(reco_id(r.usuario_id), 3) s;
         INSERT INTO favorito (usuario_id, libro_id, fecha_agregado)
             SELECT (SELECT usuario_id FROM resena LIMIT 1), reco_key(item_id), now() FROM page WHERE rank = 2",
    )
    .unwrap();
    assert!(truth("SELECT count(*) = 1 AND bool_and(event = 'favorite' AND rank = 2) FROM reco_attribution()"));
}

#[pg_test]
fn who_reads_figures_needs_the_right_and_the_sources() {
    observed();
    sql(&["pg_temp.show(41, 1, '3 days')", "pg_temp.likes(41, 1, '2 days')"]);
    Spi::run("CREATE ROLE analyst; GRANT SELECT ON libro, resena, usuario TO analyst; SET LOCAL ROLE analyst").unwrap();
    assert_eq!(fails("SELECT * FROM reco_online()").0, "42501");
    Spi::run("RESET ROLE; GRANT EXECUTE ON FUNCTION reco_online, reco_attribution TO analyst; SET LOCAL ROLE analyst").unwrap();
    assert_eq!(fails("SELECT * FROM reco_online()").0, "42501");
    assert_eq!(fails("SELECT * FROM reco_attribution()").0, "42501");
    Spi::run("RESET ROLE; GRANT SELECT ON favorito TO analyst; SET LOCAL ROLE analyst").unwrap();
    assert!(truth("SELECT conversions = 1 FROM reco_online()"));
    Spi::run(
        "RESET ROLE; ALTER TABLE favorito ENABLE ROW LEVEL SECURITY; CREATE POLICY none ON favorito USING (false);
         SET LOCAL ROLE analyst",
    )
    .unwrap();
    assert!(truth("SELECT conversions = 0 FROM reco_online()"));
}

#[pg_test]
fn figures_refuse_what_they_cannot_group_by() {
    observed();
    for (call, state) in [
        ("reco_online(by => '{hour}')", "22023"),
        ("reco_online(by => NULL)", "22004"),
        ("reco_online(by => '{NULL}')", "22004"),
        ("reco_online(now(), now() - interval '1 day')", "22023"),
        ("reco_attribution(now(), now() - interval '1 day')", "22023"),
    ] {
        assert_eq!(fails(&format!("SELECT * FROM {call}")).0, state, "{call}");
    }
    assert!(truth("SELECT count(*) = 0 FROM reco_online('-infinity', 'infinity')"));
    assert!(truth("SELECT count(*) = 0 FROM reco_online(NULL, NULL)"));
}

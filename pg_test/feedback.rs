// Feedback arrives twice, late and out of order; and what is kept expires.

/// A page of reader 43 as the temporary table `page`, and `ago(interval)`, which moves it into the past.
fn served() {
    recommending();
    Spi::run(
        "CREATE TEMP TABLE page AS SELECT * FROM reco_serve(43, 5, 'home');
         CREATE FUNCTION pg_temp.request(at timestamptz) RETURNS uuid LANGUAGE sql AS $$
             SELECT (lpad(to_hex(floor(extract(epoch FROM at) * 1000)::bigint), 12, '0') || '70008' || right(md5(at::text), 15))::uuid $$;
         CREATE FUNCTION pg_temp.ago(age interval) RETURNS void LANGUAGE sql AS $$
             UPDATE reco.impression SET at = now() - age, request_id = pg_temp.request(now() - age),
                 slot = floor(extract(epoch FROM now() - age) / 604800)::bigint % 16;
             UPDATE page SET request_id = pg_temp.request(now() - age) $$;",
    )
    .unwrap();
}

fn tell(rank: i32, event: &str, at: &str) -> bool {
    truth(&format!("SELECT reco_feedback(request_id, item_id, '{event}', {at}) FROM page WHERE rank = {rank}"))
}

fn ago(age: &str) {
    Spi::run(&format!("SELECT pg_temp.ago('{age}')")).unwrap();
}

#[pg_test]
fn the_same_feedback_counts_once_and_the_earliest_stays() {
    served();
    ago("1 hour");
    assert!(tell(1, "click", "now() - interval '10 minutes'"));
    assert!(!tell(1, "click", "now() - interval '5 minutes'"));
    assert!(truth("SELECT count(*) = 1 AND bool_and(at = now() - interval '10 minutes') FROM reco.feedback"));
    assert!(!tell(1, "click", "now() - interval '20 minutes'"), "out of order");
    assert!(truth("SELECT count(*) = 1 AND bool_and(at = now() - interval '20 minutes') FROM reco.feedback"));
    // Each item, and each kind of event, by itself; and now is the default.
    assert!(tell(1, "dismiss", "now()"));
    assert!(truth("SELECT reco_feedback(request_id, item_id, 'click') FROM page WHERE rank = 2"));
    assert!(truth("SELECT count(*) = 3 AND bool_and(user_id = 43) FROM reco.feedback"));
    assert!(truth("SELECT at = now() FROM reco.feedback WHERE item_id = (SELECT item_id FROM page WHERE rank = 2)"));
    assert!(truth("SELECT count(*) = 1 AND bool_and(user_id = 43 AND at = now()) FROM reco.dismissal"));
}

#[pg_test]
fn feedback_of_weeks_ago_finds_its_page() {
    served();
    for age in ["6 days", "8 days", "60 days"] {
        ago(age);
        assert!(tell(3, "click", "now() - interval '1 day'"), "{age}");
        assert!(truth("SELECT count(*) = 1 FROM reco.feedback f JOIN reco.impression i USING (slot, request_id, item_id)
            WHERE f.tableoid::regclass::text = 'reco.feedback_' || f.slot"), "{age}");
    }
}

#[pg_test]
fn feedback_of_what_was_not_shown_is_an_error() {
    served();
    let (state, message) = fails("SELECT reco_feedback('00000000-0000-7000-8000-000000000000', 1, 'click')");
    assert_eq!(state, "42704");
    assert_eq!(message, "there is no request 00000000-0000-7000-8000-000000000000");
    let (state, message) = fails("SELECT reco_feedback(request_id, 999, 'click') FROM page WHERE rank = 1");
    assert_eq!(state, "42704");
    assert!(message.starts_with("item 999 is not among those that request "), "{message}");
    for (call, state, told) in [
        ("NULL, 1, 'click'", "22004", "request_id must not be NULL"),
        ("request_id, NULL, 'click'", "22004", "item_id must not be NULL"),
        ("request_id, item_id, NULL", "22004", "event must not be NULL"),
        ("request_id, item_id, 'purchase'", "22023", "event must be \"click\" or \"dismiss\", not \"purchase\""),
    ] {
        assert_eq!(fails(&format!("SELECT reco_feedback({call}) FROM page")), (state.into(), told.into()));
    }
    assert!(truth("SELECT count(*) = 0 FROM reco.feedback"));
}

#[pg_test]
fn feedback_is_after_its_impression_and_not_in_the_future() {
    served();
    ago("1 hour");
    let call = |at: &str| fails(&format!("SELECT reco_feedback(request_id, item_id, 'click', {at}) FROM page WHERE rank = 1"));
    for at in ["now() - interval '2 hours'", "'-infinity'"] {
        let (state, message) = call(at);
        assert!(state == "22023" && message.contains("was shown at") && message.contains("before that"), "{message}");
    }
    for at in ["now() + interval '1 hour'", "'infinity'"] {
        let (state, message) = call(at);
        assert!(state == "22023" && message.starts_with("at is in the future: "), "{message}");
    }
    // The clock of another server may be some seconds off.
    assert!(tell(1, "click", "now() + interval '5 seconds'"));
    assert!(tell(2, "click", "now() - interval '1 hour 5 seconds'"));
    assert!(truth("SELECT count(*) = 2 AND max(at) = now() AND min(at) = now() - interval '1 hour' FROM reco.feedback"));
}

/// Rows of the two tables.
fn kept() -> (i64, i64) {
    let count = |table: &str| Spi::get_one::<i64>(&format!("SELECT count(*) FROM reco.{table}")).unwrap().unwrap();
    (count("impression"), count("feedback"))
}

#[pg_test]
fn what_is_too_old_expires() {
    served();
    ago("80 days");
    tell(1, "click", "now()");
    assert_eq!(Spi::get_one::<i64>("SELECT reco_expire()").unwrap(), Some(0));
    assert_eq!(kept(), (5, 1));
    // Up to a week late, because weeks expire as a whole.
    ago("98 days");
    Spi::run("SELECT reco_serve(43, 5)").unwrap();
    Spi::run("TRUNCATE reco.feedback").unwrap();
    tell(1, "click", "now()");
    assert_eq!(kept(), (10, 1));
    assert_eq!(Spi::get_one::<i64>("SELECT reco_expire()").unwrap(), Some(6));
    assert_eq!(kept(), (5, 0));
    Spi::run("SET LOCAL reco.keep_impressions = '1d'").unwrap();
    assert_eq!(Spi::get_one::<i64>("SELECT reco_expire()").unwrap(), Some(0));
}

#[pg_test]
fn what_is_too_old_expires_where_a_partition_holds_something_newer() {
    served();
    // A whole round of the ring ago, so in the partition of this week.
    ago("112 days");
    tell(1, "click", "now()");
    Spi::run("SELECT * FROM reco_serve(43, 4)").unwrap();
    assert!(truth("SELECT count(DISTINCT slot) = 1 AND count(*) = 9 FROM reco.impression"));
    assert_eq!(Spi::get_one::<i64>("SELECT reco_expire()").unwrap(), Some(6));
    assert_eq!(kept(), (4, 0));
    assert!(truth("SELECT bool_and(at = now()) FROM reco.impression"));
}

#[pg_test]
fn dismissals_are_kept_for_a_year() {
    served();
    Spi::run("INSERT INTO reco.dismissal VALUES (1, 1, now() - interval '364 days', ''), (1, 2, now() - interval '366 days', '')").unwrap();
    assert_eq!(Spi::get_one::<i64>("SELECT reco_expire()").unwrap(), Some(1));
    assert!(truth("SELECT count(*) = 1 AND bool_and(item_id = 1) FROM reco.dismissal"));
}

// Experiments: who is served by what, what comes of it, and what ends them.

/// A site with a model, and pages that were shown to users of an experiment without asking a model: `shown(user, variant, good,
/// dismissed)` logs a page of four items, of which the first `good` were clicked, and `dismissed` were dismissed.
fn counting() {
    small_site();
    Spi::run(
        "CREATE SEQUENCE pg_temp.page;
         CREATE FUNCTION pg_temp.shown(usuario bigint, experimento text, variante text, good int, dismissed int DEFAULT 0) RETURNS void
         LANGUAGE sql AS $$
         WITH page AS (
             SELECT (lpad(to_hex(ms), 12, '0') || '70008' || lpad(to_hex(nextval('pg_temp.page')), 15, '0'))::uuid AS request,
                    (ms / 604800000 % 16)::smallint AS slot
             FROM (SELECT (date_part('epoch', now()) * 1000)::bigint AS ms) t
         ), shown AS (
             INSERT INTO reco.impression (request_id, item_id, user_id, at, score, rank, slot, source, surface, model_name,
                 experiment, variant)
             SELECT request, i, usuario, now(), 0.5, i, slot, 'hybrid', '', '', experimento, variante
             FROM page, generate_series(1, 4) i RETURNING request_id
         )
         INSERT INTO reco.feedback (request_id, item_id, user_id, at, slot, model_name, event)
         SELECT request, i, usuario, now(), slot, '', 'click' FROM page, generate_series(1, good) i
         UNION ALL SELECT request, i, usuario, now(), slot, '', 'dismiss' FROM page, generate_series(1, dismissed) i
         $$",
    )
    .unwrap();
}

fn start(name: &str, variants: &str, options: &str) -> i64 {
    Spi::get_one_with_args("SELECT reco_experiment_start($1, $2::jsonb, $3::jsonb)", &[name.into(), variants.into(), options.into()])
        .unwrap()
        .unwrap()
}

const TWO: &str = r#"[{"name": "control"}, {"name": "otra", "diversity": 0.5}]"#;

/// A figure of a report.
fn reported(name: &str, column: &str, variant: &str, metric: &str) -> Option<String> {
    let sql = format!(
        "SELECT {column}::text FROM reco_experiment_report('{name}') WHERE variant = '{variant}' AND metric = '{metric}'"
    );
    Spi::get_one(&sql).ok().flatten()
}

#[pg_test]
fn a_user_is_always_served_by_the_variant_that_the_log_says() {
    recommending();
    start("portada", r#"[{"name": "reglas", "rules": true}, {"name": "modelo"}]"#, "{}");
    Spi::run("CREATE TEMP TABLE paginas AS SELECT u, s.* FROM generate_series(1, 40) u, reco_serve(u, 5, exclude_seen => false) s").unwrap();
    assert!(truth("SELECT bool_and(experiment = 'portada' AND variant = reco_experiment_variant('portada', u)) FROM paginas"));
    assert!(truth("SELECT bool_and((source = 'rules') = (variant = 'reglas')) AND count(DISTINCT variant) = 2 FROM paginas"));
    assert!(truth("SELECT bool_and((model_version IS NULL) = (variant = 'reglas')) FROM reco.impression"));
    assert!(truth("SELECT bool_and(i.experiment = p.experiment AND i.variant = p.variant) AND count(*) = (SELECT count(*) FROM paginas)
                   FROM reco.impression i JOIN paginas p USING (request_id, item_id)"));
    // What only reads is not of the experiment.
    assert!(truth("SELECT bool_and(source <> 'rules') FROM generate_series(1, 40) u, reco_recommend(u, 5, exclude_seen => false)"));
    // The rules answer all.
    Spi::run("SET LOCAL reco.enabled = off").unwrap();
    assert!(truth("SELECT bool_and(experiment IS NULL AND source = 'rules') FROM generate_series(1, 9) u, reco_serve(u, 5, exclude_seen => false)"));
}

#[pg_test]
fn a_variant_has_weights_and_settings_of_its_own() {
    let version = recommending();
    // Nobody has read these: what is explored.
    Spi::run("INSERT INTO libro SELECT i, 'Nuevo', i % 2, i % 5, '2022-06-01' FROM generate_series(101, 120) i").unwrap();
    start("pesos", r#"[{"name": "popular", "weights": {"popularity": 1}}, {"name": "rara", "explore": 1}]"#, "{}");
    Spi::run("CREATE TEMP TABLE p AS SELECT s.* FROM generate_series(1, 40) u, reco_serve(u, 5, exclude_seen => false) s").unwrap();
    assert!(truth("SELECT bool_and(score = popularity AND propensity IS NULL) FROM p WHERE variant = 'popular'"));
    assert!(truth("SELECT bool_and(propensity IS NOT NULL AND item_id > 100) FROM p WHERE variant = 'rara'"));
    assert!(truth(&format!("SELECT bool_and(model_version = {version}) FROM p")));
    // The model itself has its own weights still.
    assert!(truth("SELECT bool_or(score <> popularity) FROM reco_recommend(3, 5, exclude_seen => false)"));
}

#[pg_test]
fn a_model_of_a_running_experiment_is_served_and_kept() {
    let older = recommending();
    let newer = train();
    start("modelos", &format!(r#"[{{"name": "nuevo"}}, {{"name": "viejo", "model": {older}}}]"#), "{}");
    Spi::run("SET LOCAL reco.keep_models = 1").unwrap();
    let newest = train();
    train();
    let kept = |version: i64| truth(&format!("SELECT EXISTS (SELECT FROM reco_models() WHERE version = {version})"));
    assert!(kept(older) && !kept(newer) && kept(newest));
    let served = "SELECT bool_and((model_version = $1) = (variant = 'viejo')) AND count(DISTINCT model_version) = 2
                  FROM generate_series(1, 40) u, reco_serve(u, 5, exclude_seen => false)";
    assert_eq!(Spi::get_one_with_args::<bool>(served, &[older.into()]).unwrap(), Some(true));
    assert_eq!(fails(&format!("SELECT reco_drop_model({older})")).0, "55006");
    Spi::run("SELECT reco_experiment_promote('modelos', 'viejo')").unwrap();
    assert!(truth(&format!("SELECT active FROM reco_models() WHERE version = {older}")));
    assert!(truth("SELECT stopped_at IS NOT NULL AND promoted = 'viejo' FROM reco.experiment"));
}

#[pg_test]
fn only_the_share_of_the_users_on_the_surfaces_takes_part() {
    recommending();
    start("mitad", TWO, r#"{"share": 0.5, "surfaces": ["portada"]}"#);
    let taking = |surface: &str| -> i64 {
        Spi::get_one(&format!(
            "SELECT count(DISTINCT u) FILTER (WHERE experiment = 'mitad') FROM generate_series(1, 40) u,
                 reco_serve(u, 1, '{surface}', exclude_seen => false)"
        ))
        .unwrap()
        .unwrap()
    };
    let part = taking("portada");
    assert!((10..=30).contains(&part), "{part}");
    assert_eq!(taking("ficha"), 0);
    // Another experiment may run on another surface, and a shadow beside it.
    start("ficha", TWO, r#"{"surfaces": ["ficha"]}"#);
    assert_eq!(fails(&format!("SELECT reco_experiment_start('todas', '{TWO}')")).0, "55006");
    start("sombra", TWO, r#"{"kind": "shadow"}"#);
    assert_eq!(fails(&format!("SELECT reco_experiment_start('sombra2', '{TWO}', '{{\"kind\": \"shadow\"}}')")).0, "55006");
    Spi::run("SELECT reco_experiment_stop('mitad')").unwrap();
    assert_eq!(fails(&format!("SELECT reco_experiment_start('mitad', '{TWO}')")).0, "42710");
    assert_eq!(taking("portada"), 0);
}

#[pg_test]
fn what_is_no_experiment_is_refused_with_its_value() {
    small_site();
    let start = |variants: &str, options: &str| fails(&format!("SELECT reco_experiment_start('e', '{variants}', '{options}')"));
    for (variants, options, message) in [
        (r#"{"a": {}}"#, "{}", "variants must be a JSON array of objects, not {\"a\":{}}"),
        (r#"[{"name": "a"}]"#, "{}", "an experiment has 2 to 10 variants, not 1"),
        (r#"[{"name": "a"}, {"name": "a"}]"#, "{}", "two variants have the name \"a\""),
        (r#"[{"name": "a"}, {"rules": true}]"#, "{}", "a variant has no name: {\"rules\":true}"),
        (r#"[{"name": "a"}, {"name": "b", "color": 1}]"#, "{}", "a variant has no setting \"color\""),
        (r#"[{"name": "a"}, {"name": "b", "rules": true, "model": 1}]"#, "{}", "the variant \"b\" is answered by the rules, which have no model and no weights"),
        (r#"[{"name": "a"}, {"name": "b", "diversity": 2}]"#, "{}", "\"diversity\" must be a number from 0 to 1, not 2"),
        (TWO, r#"{"metric": "stars"}"#, "\"metric\" must be a metric, not \"stars\""),
        (TWO, r#"{"lift": 0}"#, "option \"lift\" must be between -1 and 10, and at least 0.001 from 0, not 0"),
        (TWO, r#"{"days": 3}"#, "an experiment has no option \"days\""),
        (TWO, r#"{"guardrails": {"ctr": -1}}"#, "\"ctr\" must be a number from 0 to 1, not -1"),
        (r#"[{"name": "a"}, {"name": "b"}, {"name": "c"}]"#, r#"{"kind": "interleaving"}"#, "an experiment of the kind \"interleaving\" has 2 variants, not 3"),
    ] {
        assert_eq!(start(variants, options), ("22023".into(), message.into()));
    }
    assert_eq!(start(r#"[{"name": "a"}, {"name": "b", "model": 77}]"#, "{}").0, "42704");
    assert_eq!(fails("SELECT reco_experiment_start(NULL, '[]')").0, "22004");
    // Favourites of this site have no time.
    let (state, message) = start(TWO, r#"{"metric": "conversion", "baseline": 0.1}"#);
    assert_eq!((state.as_str(), message.contains("favourites have no time")), ("55000", true), "{message}");
    for call in ["reco_experiment_stop('no')", "reco_experiment_report('no')", "reco_experiment_offline('no')", "reco_experiment_promote('no', 'a')"] {
        assert_eq!(fails(&format!("SELECT {call}")).0, "42704", "{call}");
    }
    assert!(truth("SELECT reco_experiment_variant('no', 1) IS NULL"));
    // In a read-only transaction it only reads.
    self::start("e", TWO, "{}");
    assert_eq!(fails("SET LOCAL transaction_read_only = on; SELECT reco_experiment_stop('e')").0, "25006");
}

#[pg_test]
fn a_report_says_which_variant_is_better_and_by_how_much() {
    counting();
    assert!(truth("SELECT reco_experiment_size(0.08) = 36131 AND reco_experiment_size(0.08, 0.2) < 10000"));
    assert_eq!(fails("SELECT reco_experiment_size(1.5)").0, "22023");
    assert_eq!(start("ctr", TWO, r#"{"baseline": 0.25, "lift": 0.5}"#), 406);
    // Of four items one is clicked, and with the other variant one or two.
    Spi::run("SELECT pg_temp.shown(u, 'ctr', 'control', (u % 3)::int), pg_temp.shown(1000 + u, 'ctr', 'otra', (1 + u % 3)::int)
              FROM generate_series(1, 90) u")
        .unwrap();
    assert_eq!(reported("ctr", "verdict", "otra", "ctr").as_deref(), Some("too early"));
    Spi::run("SELECT pg_temp.shown(u, 'ctr', 'control', (u % 3)::int) FROM generate_series(91, 600) u;
              SELECT pg_temp.shown(u, 'ctr', 'otra', (1 + u % 3)::int) FROM generate_series(1091, 1600) u")
        .unwrap();
    assert!(truth("SELECT value = 0.25 AND users = 600 AND shown = 2400 AND lift IS NULL AND verdict IS NULL AND low < 0.25 AND high > 0.25
                   FROM reco_experiment_report('ctr') WHERE variant = 'control' AND metric = 'ctr'"));
    assert!(truth("SELECT value = 0.5 AND abs(lift - 1) < 1e-9 AND lift_low > 0.5 AND lift_high > 1 AND p_value < 0.001
                       AND sample_ratio > 0.5 AND planned = 406 AND verdict = 'better'
                   FROM reco_experiment_report('ctr') WHERE variant = 'otra' AND metric = 'ctr'"));
    // Nobody made a favourite of anything.
    assert_eq!(reported("ctr", "value", "otra", "dismissal").as_deref(), Some("0"));
    // The last report of one that has ended stays, whatever becomes of the log.
    let before: Option<String> = Spi::get_one("SELECT string_agg(concat_ws(' ', variant, metric, users, shown, value, round(lift_low::numeric, 9), verdict), E'\\n') FROM reco_experiment_report('ctr') r").unwrap();
    Spi::run("SELECT reco_experiment_stop('ctr'); DELETE FROM reco.impression").unwrap();
    let after: Option<String> = Spi::get_one("SELECT string_agg(concat_ws(' ', variant, metric, users, shown, value, round(lift_low::numeric, 9), verdict), E'\\n') FROM reco_experiment_report('ctr') r").unwrap();
    assert_eq!(before, after);
    assert_eq!(fails("SELECT reco_experiment_stop('ctr')").0, "55000");
}

#[pg_test]
fn users_who_did_not_fall_as_they_should_have_void_the_report() {
    counting();
    start("torcido", TWO, "{}");
    Spi::run("SELECT pg_temp.shown(u, 'torcido', 'control', 1) FROM generate_series(1, 300) u;
              SELECT pg_temp.shown(u, 'torcido', 'otra', (u % 3)::int) FROM generate_series(1001, 1500) u")
        .unwrap();
    assert_eq!(reported("torcido", "verdict", "otra", "ctr").as_deref(), Some("sample ratio mismatch"));
    assert!(truth("SELECT stopped_at IS NULL FROM reco.experiment"));
}

#[pg_test]
fn a_guardrail_ends_an_experiment_that_does_harm() {
    counting();
    start("molesta", TWO, r#"{"guardrails": {"dismissal": 0.5}}"#);
    let show = |from: i32, to: i32| {
        Spi::run(&format!(
            "SELECT pg_temp.shown(u, 'molesta', 'control', 1, (u % 2)::int) FROM generate_series({from}, {to}) u;
             SELECT pg_temp.shown(1000 + u, 'molesta', 'otra', 1, (1 + u % 2)::int) FROM generate_series({from}, {to}) u"
        ))
        .unwrap();
    };
    show(1, 99);
    assert_eq!(reported("molesta", "verdict", "otra", "dismissal").as_deref(), Some("no harm found"));
    show(100, 400);
    // A read-only transaction tells, and ends nothing.
    assert_eq!(reported("molesta", "verdict", "otra", "dismissal").as_deref(), Some("harm"));
    assert!(truth("SELECT stopped_at IS NOT NULL AND reason LIKE 'guardrail: the variant \"otra\" changes dismissal by 200.0 %%' FROM reco.experiment"));
}

#[pg_test]
fn what_is_promoted_serves_everybody_until_something_else_is() {
    recommending();
    start("reglas", r#"[{"name": "modelo"}, {"name": "reglas", "rules": true}]"#, "{}");
    let rules = || truth("SELECT bool_and(source = 'rules' AND experiment IS NULL) FROM generate_series(1, 9) u, reco_serve(u, 5, exclude_seen => false)");
    Spi::run("SELECT reco_experiment_promote('reglas', 'reglas')").unwrap();
    assert!(rules());
    // Those who do not take part in the next one too.
    start("pesos", r#"[{"name": "modelo"}, {"name": "plan", "weights": "plan"}]"#, r#"{"share": 0.5}"#);
    assert!(truth("SELECT bool_and((source = 'rules') = (experiment IS NULL)) AND count(DISTINCT experiment IS NULL) = 2
                   FROM generate_series(1, 40) u, reco_serve(u, 5, exclude_seen => false)"));
    Spi::run("SELECT reco_experiment_promote('pesos', 'modelo')").unwrap();
    assert!(!rules());
    assert!(truth("SELECT bool_and(experiment IS NULL) FROM reco_serve(3, 5, exclude_seen => false)"));
    assert_eq!(fails("SELECT reco_experiment_promote('pesos', 'nadie')").0, "42704");
}

#[pg_test]
fn an_interleaved_page_is_drafted_by_both_and_clicks_are_credited() {
    recommending();
    Spi::run("SET LOCAL reco.rotation = 0").unwrap();
    start("turnos", r#"[{"name": "modelo"}, {"name": "reglas", "rules": true}]"#, r#"{"kind": "interleaving"}"#);
    Spi::run("CREATE TEMP TABLE p AS SELECT u, s.* FROM generate_series(1, 40) u, reco_serve(u, 6, exclude_seen => false) s").unwrap();
    assert!(truth("SELECT bool_and(n = 6 AND items = 6 AND modelo = 3) FROM (
                       SELECT count(*) AS n, count(DISTINCT item_id) AS items, count(*) FILTER (WHERE variant = 'modelo') AS modelo
                       FROM p GROUP BY u) t"));
    assert!(truth("SELECT bool_and((source = 'rules') = (variant = 'reglas')) FROM p"));
    // Each took its best that was left, so what the model took is in the order of its list.
    assert!(truth("SELECT bool_and(p.item_id = ANY (ARRAY(SELECT r.item_id FROM reco_recommend(p.u::bigint, 6, exclude_seen => false) r)))
                   FROM p WHERE variant = 'modelo' AND rank <= 2"));
    assert!(truth("SELECT bool_and(first = again) FROM (
                       SELECT array_agg(p.item_id ORDER BY p.rank) AS first,
                              ARRAY(SELECT item_id FROM reco_serve(p.u::bigint, 6, exclude_seen => false) ORDER BY rank) AS again
                       FROM p WHERE u < 9 GROUP BY u) t"));
    assert!(truth("SELECT bool_and(reco_feedback(request_id, item_id, 'click')) FROM p WHERE variant = 'modelo'"));
    assert!(truth("SELECT variant = 'reglas' AND metric = 'preference' AND users = 40 AND value = -1 AND verdict = 'too early'
                   FROM reco_experiment_report('turnos')"));
}

#[pg_test]
fn a_shadow_is_asked_and_not_shown() {
    recommending();
    Spi::run("SET LOCAL reco.rotation = 0").unwrap();
    let page = || listed("reco_serve(3, 5, exclude_seen => false)");
    let before = page();
    start("sombra", r#"[{"name": "modelo"}, {"name": "reglas", "rules": true}]"#, r#"{"kind": "shadow"}"#);
    assert_eq!(page(), before);
    assert!(truth("SELECT count(shown_rank) = 5 AND count(rank) = 5 AND count(*) = count(DISTINCT item_id) FROM reco.shadow"));
    assert!(truth("SELECT bool_and(experiment IS NULL) FROM reco.impression"));
    // The challenger's ranks are those of its own page.
    let would: Vec<i64> = Spi::get_one("SELECT array_agg(item_id ORDER BY rank) FROM reco.shadow WHERE rank IS NOT NULL").unwrap().unwrap();
    Spi::run("SET LOCAL reco.enabled = off").unwrap();
    assert_eq!(listed("reco_recommend(3, 5, exclude_seen => false)"), would);
    Spi::run("RESET reco.enabled").unwrap();
    assert!(truth("SELECT count(*) = 2 AND bool_and(users = 1 AND variant = 'reglas') FROM reco_experiment_report('sombra')"));
    assert!(truth("SELECT bool_or(refusal LIKE 'only % users were shown%') FROM reco_experiment_offline('sombra') WHERE value IS NULL"));
    assert!(truth("SELECT reco_forget(3) > 0") && truth("SELECT count(*) = 0 FROM reco.shadow"));
}

#[pg_test]
fn a_challenger_that_fails_leaves_the_page_as_it_is() {
    let old = recommending();
    train();
    Spi::run("SET LOCAL reco.rotation = 0").unwrap();
    let page = || listed("reco_serve(3, 5, exclude_seen => false)");
    let (before, logged) = (page(), || truth("SELECT count(*) > 0 FROM reco.shadow"));
    start("sombra", &format!(r#"[{{"name": "nuevo"}}, {{"name": "viejo", "model": {old}}}]"#), r#"{"kind": "shadow"}"#);
    assert_eq!(page(), before);
    assert!(logged());
    // Its model is gone, though nothing of reco deletes it: the page is served and logged, without a challenger.
    Spi::run(&format!("TRUNCATE reco.shadow; DELETE FROM reco.model WHERE version = {old}")).unwrap();
    assert_eq!(page(), before);
    assert_eq!(page(), before);
    assert!(!logged() && truth("SELECT count(*) = 20 AND count(DISTINCT request_id) = 4 FROM reco.impression"));
}

#[pg_test]
fn what_ends_the_transaction_is_not_taken_for_a_failing_challenger() {
    recommending();
    start("sombra", TWO, r#"{"kind": "shadow"}"#);
    let failing_with = |state: &str| {
        Spi::run(&format!(
            "CREATE OR REPLACE FUNCTION pg_temp.fallo() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{state}'; END $$;
             CREATE OR REPLACE TRIGGER fallo BEFORE INSERT ON reco.shadow FOR EACH ROW EXECUTE FUNCTION pg_temp.fallo()"
        ))
        .unwrap();
    };
    failing_with("22012");
    assert_eq!(listed("reco_serve(3, 5)").len(), 5);
    failing_with("40001");
    assert_eq!(fails("SELECT * FROM reco_serve(3, 5)").0, "40001");
    failing_with("57014");
    Spi::run(
        "DO $$ BEGIN PERFORM reco_serve(3, 5); ASSERT false, 'the cancel was caught'; EXCEPTION WHEN query_canceled THEN END $$",
    )
    .unwrap();
}

#[pg_test]
fn a_challenger_is_estimated_from_what_was_shown_by_chance() {
    counting();
    start("sombra", TWO, r#"{"kind": "shadow"}"#);
    // One of two items is shown, by chance; the challenger would always show the first, which is clicked by one in two, the
    // other one by nobody.
    Spi::run(
        "SELECT pg_temp.shown(u, NULL, NULL, (u % 4 / 2)::int) FROM generate_series(1, 800) u;
         INSERT INTO reco.shadow (request_id, item_id, user_id, at, experiment, shown_rank, rank, propensity)
         SELECT request_id, item_id, user_id, now(), 'sombra', CASE WHEN user_id % 2 = 0 THEN 1 END, 1, 0.5
         FROM reco.impression WHERE item_id = 1",
    )
    .unwrap();
    assert!(truth("SELECT count(*) = 3 AND bool_and(refusal IS NULL) FROM reco_experiment_offline('sombra')"));
    assert!(truth("SELECT abs(value - 0.5) < 0.01 AND low < 0.5 AND high > 0.5 AND users = 400 AND support = 1
                   FROM reco_experiment_offline('sombra') WHERE estimate = 'snips'"));
    assert!(truth("SELECT abs(value - 0.5) < 0.05 FROM reco_experiment_offline('sombra') WHERE estimate = 'doubly_robust'"));
    start("otro", TWO, "{}");
    assert_eq!(fails("SELECT * FROM reco_experiment_offline('otro')").0, "22023");
}

#[pg_test]
fn who_may_not_experiment_learns_its_variant_only() {
    small_site();
    start("portada", TWO, "{}");
    Spi::run("CREATE ROLE lector_web; GRANT SELECT ON libro, resena, favorito, usuario TO lector_web; SET LOCAL ROLE lector_web").unwrap();
    for call in [
        "reco_experiment_start('e', '[]')",
        "reco_experiment_stop('portada')",
        "reco_experiment_report('portada')",
        "reco_experiment_promote('portada', 'otra')",
        "reco_experiment_offline('portada')",
    ] {
        assert_eq!(fails(&format!("SELECT {call}")).0, "42501", "{call}");
    }
    assert_eq!(fails("SELECT salt FROM reco.experiment").0, "42501");
    assert!(truth("SELECT reco_experiment_variant('portada', 7) IN ('control', 'otra')"));
    assert!(truth("SELECT reco_experiment_size(0.1) > 1000"));
}

#[pg_test]
fn the_nightly_look_ends_what_does_harm_and_tells_of_it() {
    counting();
    start("molesta", TWO, r#"{"guardrails": {"dismissal": 0.5}, "surfaces": ["a"]}"#);
    start("torcido", TWO, r#"{"surfaces": ["b"]}"#);
    Spi::run(
        "SELECT pg_temp.shown(u, 'molesta', 'control', 1, (u % 2)::int), pg_temp.shown(1000 + u, 'molesta', 'otra', 1, (1 + u % 2)::int)
         FROM generate_series(1, 400) u;
         SELECT pg_temp.shown(u, 'torcido', 'control', 1) FROM generate_series(1, 300) u",
    )
    .unwrap();
    Spi::run("CREATE TEMP TABLE avisos AS SELECT * FROM reco_check()").unwrap();
    assert!(truth("SELECT message LIKE '%was ended: the variant \"otra\" changes dismissal by 200.0 %%' FROM avisos WHERE kind = 'guardrail' AND subject = 'molesta'"));
    assert!(truth("SELECT message LIKE 'users did not fall %' FROM avisos WHERE kind = 'sample_ratio' AND subject = 'torcido'"));
    assert!(truth("SELECT stopped_at IS NULL FROM reco.experiment WHERE name = 'torcido'"));
    assert!(truth("SELECT stopped_at IS NOT NULL AND reason LIKE 'guardrail: %' FROM reco.experiment WHERE name = 'molesta'"));
    // What is ended is no news any more.
    assert!(truth("SELECT bool_and(subject <> 'molesta') FROM reco_check() WHERE kind IN ('guardrail', 'sample_ratio')"));
}

#[pg_test]
fn an_experiment_that_outlives_what_is_kept_is_told_of() {
    small_site();
    start("larga", TWO, "{}");
    let told = |days: i32| {
        Spi::run(&format!("UPDATE reco.experiment SET started_at = now() - interval '{days} days' WHERE name = 'larga'")).unwrap();
        health("{attention}")
    };
    assert!(!told(80).contains("larga"));
    let (soon, late) = (told(85), told(200));
    assert!(soon.contains("larga") && soon.contains("has run for 85 days, and reco.keep_impressions keeps 90 days"), "{soon}");
    assert!(late.contains("has run for 200 days"), "{late}");
    Spi::run("SELECT reco_experiment_stop('larga')").unwrap();
    assert!(!told(200).contains("larga"));
}

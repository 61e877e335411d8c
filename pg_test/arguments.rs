// Arguments take what drivers send.

const NUMBERS: [&str; 6] = ["smallint", "integer", "bigint", "numeric", "real", "double precision"];

#[pg_test]
fn a_count_or_share_may_have_any_number_type() {
    recommending();
    let call = "reco_recommend(43, 3, explore => 1, diversity => 1)";
    let (all, similar) = (listed(call), listed("reco_similar(5, 3)"));
    assert_eq!((all.len(), similar.len()), (3, 3));
    for of in NUMBERS {
        let recommend = format!("reco_recommend(43, 3::{of}, explore => 1::{of}, diversity => 1::{of})");
        assert_eq!(listed(&recommend), all, "{of}");
        assert_eq!(listed(&format!("reco_similar(5, 3::{of})")), similar, "{of}");
        assert_eq!(listed(&format!("reco_trending(2::{of}, '100 years')")).len(), 2, "{of}");
        // As a driver sends it that binds parameters, and as one that leaves their types to the server.
        Spi::run(&format!("PREPARE p ({of}) AS SELECT * FROM reco_recommend(43, $1)")).unwrap();
        Spi::run("EXECUTE p (4); DEALLOCATE p").unwrap();
    }
    Spi::run("PREPARE p AS SELECT * FROM reco_recommend($1, $2, $3, $4, $5, $6, $7)").unwrap();
    Spi::run("EXECUTE p (43, '4', '{}', NULL, 'true', '0.5', '0.25'); DEALLOCATE p").unwrap();
}

#[pg_test]
fn an_id_may_have_any_integer_type() {
    recommending();
    for of in &NUMBERS[..3] {
        let score = format!("SELECT score FROM reco_score(43::{of}, '{{5}}'::{of}[])");
        assert!(truth(&format!("SELECT ({score}) = (reco_scores(43, '{{5}}'))[1]")), "{of}");
        assert_eq!(listed(&format!("reco_recommend(43::{of}, category => 1::{of})")), listed("reco_recommend(43, category => 1)"));
    }
}

#[pg_test]
fn a_count_is_a_whole_number() {
    small_site();
    for n in ["0", "2.5", "1001", "'NaN'", "'Infinity'", "-1"] {
        for call in [format!("reco_recommend(1, {n})"), format!("reco_similar(1, {n})"), format!("reco_trending({n})")] {
            let (state, message) = fails(&format!("SELECT * FROM {call}"));
            assert!(state == "22023" && message.contains("whole number between 1 and 1000"), "{call}: {state} {message}");
        }
    }
    assert_eq!(fails("SELECT * FROM reco_recommend(1, explore => 1.5)").0, "22023");
    assert_eq!(fails("SELECT * FROM reco_recommend(1, diversity => 'NaN')").0, "22023");
}

#[pg_test]
fn a_very_long_text_is_not_given_back_whole() {
    small_site();
    let long = "pg_catalog.concat('begin', pg_catalog.repeat('x', 1000000), 'end')";
    for call in [
        "reco_feedback('00000000-0000-7000-8000-000000000000', 1, $)",
        "reco_serve(1, 10, $)",
        "reco_online(by => ARRAY[$])",
        "reco_experiment_stop($)",
        "reco_experiment_start('e', jsonb_build_array(jsonb_build_object('name', 'a'), jsonb_build_object($, 1)))",
        "reco_train(jsonb_build_object($, 1))",
        "reco_train(jsonb_build_object('factors', $))",
        "reco_evaluate(options => jsonb_build_object($, 1))",
        "reco_configure($, 'libro')",
        "reco_configure('item', 'libro', jsonb_build_object($, 'id'))",
        "reco_configure('item', 'libro', jsonb_build_object('item', $))",
        "reco_nightly(jsonb_build_object($, 1))",
        "reco_schedule($)",
    ] {
        let (state, message) = fails(&format!("SELECT {}", call.replace('$', long)));
        assert!(message.len() < 600, "{call} says {} bytes", message.len());
        assert!(!state.starts_with("XX") && !message.contains(&"x".repeat(500)), "{call}: {state} {message}");
    }
    // The end says what is wrong with what is left out.
    let (_, message) = fails(&format!("SELECT reco_experiment_stop({long})"));
    assert!(message.starts_with("there is no experiment \"beginxxx") && message.ends_with("xxxend\""), "{message}");
}

// Recommendations are the best scores of the catalogue as it is now.

#[pg_test]
fn recommendations_are_scores_in_order_with_a_reason() {
    recommending();
    assert!(truth(
        "SELECT count(*) = 10 AND bool_and(r.score = s.score AND r.source = s.source AND r.model_version = s.model_version
                AND r.collaborative IS NOT DISTINCT FROM s.collaborative
                AND r.content_based IS NOT DISTINCT FROM s.content_based AND r.popularity = s.popularity)
            AND array_agg(r.rank ORDER BY r.score DESC, r.item_id) = '{1,2,3,4,5,6,7,8,9,10}'
            AND bool_and(r.reason <> '') AND bool_and(r.propensity IS NULL)
         FROM reco_recommend(43) r, LATERAL reco_score(43, ARRAY[r.item_id]) s"
    ));
    // Exhaustive: the best ten of all that is left.
    assert_eq!(
        listed("reco_recommend(43)"),
        listed("(SELECT item_id, row_number() OVER (ORDER BY score DESC, item_id) AS rank
                 FROM reco_score(43, ARRAY(SELECT id::bigint FROM libro WHERE id NOT IN (1, 3, 5, 7, 9)))) s WHERE rank <= 10")
    );
}

#[pg_test]
fn users_without_likes_are_recommended_what_is_popular() {
    recommending();
    assert!(truth("SELECT count(*) = 10 AND bool_and(source IN ('content', 'popularity')) FROM reco_recommend(999)"));
    Spi::run("SET LOCAL reco.enabled = off").unwrap();
    assert!(truth(
        "SELECT count(*) = 10 AND bool_and(source = 'rules' AND model_version IS NULL) FROM reco_recommend(999)"
    ));
    assert!(truth("SELECT bool_and(item_id % 2 = 1 AND score > 0.5 AND reason <> '') FROM reco_recommend(43, 5)"));
    Spi::run("SET LOCAL reco.enabled = on; SET LOCAL reco.fallback = off; SELECT reco_rollback()").unwrap();
    assert_eq!(fails("SELECT * FROM reco_recommend(43)").0, "55000");
    assert_eq!(fails("SELECT * FROM reco_similar(1)").0, "55000");
}

#[pg_test]
fn recommendations_follow_the_catalogue_of_this_moment() {
    recommending();
    let before = listed("reco_recommend(43, 5)");
    Spi::run(&format!("DELETE FROM libro WHERE id IN ({}, {})", before[0], before[1])).unwrap();
    let after = listed("reco_recommend(43, 5)");
    assert!(after.len() == 5 && after[..3] == before[2..]);
    // Newer than the model, above and below the ids that it knows.
    Spi::run("INSERT INTO libro VALUES (1000, 'Nuevo', 1, 1, '2022-06-01'), (-5, 'Bajo', 1, 1, '2022-06-01')").unwrap();
    let all = listed("reco_recommend(43, 1000)");
    assert!(all.contains(&1000) && all.contains(&-5) && all.len() == 25, "{all:?}");
    Spi::run("DELETE FROM libro WHERE id > 2").unwrap();
    assert_eq!(listed("reco_recommend(43, 1000)").len(), 2);
    Spi::run("DELETE FROM libro").unwrap();
    assert!(listed("reco_recommend(43)").is_empty());
}

#[pg_test]
fn recommendations_follow_the_categories_of_this_moment() {
    recommending();
    let even = listed("reco_recommend(43, 1000, category => 0)");
    assert!(even.len() == 15 && even.iter().all(|id| id % 2 == 0));
    Spi::run(
        "UPDATE libro SET categoria_id = 7 WHERE id IN (2, 11); INSERT INTO libro VALUES (1000, 'Nuevo', 7, 1, NULL)",
    )
    .unwrap();
    let mut moved = listed("reco_recommend(43, 1000, category => 7)");
    moved.sort();
    assert_eq!(moved, [2, 11, 1000]);
    assert!(!listed("reco_recommend(43, 1000, category => 0)").contains(&2));
    assert!(listed("reco_recommend(43, category => 99)").is_empty());
    Spi::run("ALTER TABLE libro DROP COLUMN categoria_id").unwrap();
    assert_eq!(fails("SELECT * FROM reco_recommend(43, category => 0)").0, "42703");
    assert_eq!(fails("SELECT * FROM reco_trending(category => 0)").0, "42703");
}

#[pg_test]
fn exclusions_apply_before_the_best_are_chosen() {
    recommending();
    let all = listed("reco_recommend(43, 1000)");
    assert!(all.len() == 25 && ![1, 3, 5, 7, 9].iter().any(|seen| all.contains(seen)));
    assert_eq!(listed("reco_recommend(43, 1000, exclude_seen => false)").len(), 30);
    let rest = listed(&format!("reco_recommend(43, 5, ARRAY[{}, {}])", all[0], all[2]));
    assert_eq!(rest, [all[1], all[3], all[4], all[5], all[6]]);
    // A badly rated book is seen too; a book that the model does not know can be excluded.
    Spi::run(&format!("INSERT INTO resena (usuario_id, libro_id, estrellas) VALUES (43, {}, 1)", all[0])).unwrap();
    Spi::run("INSERT INTO libro VALUES (1000, 'Nuevo', 1, 1, '2022-06-01')").unwrap();
    assert!(!listed("reco_recommend(43, 1000)").contains(&all[0]));
    assert!(!listed("reco_recommend(43, 1000, '{1000}')").contains(&1000));
    Spi::run("INSERT INTO favorito VALUES (43, 1000)").unwrap();
    assert!(!listed("reco_recommend(43, 1000)").contains(&1000));
}

#[pg_test]
fn a_review_without_stars_is_seen() {
    recommending();
    let best = listed("reco_recommend(43, 1)")[0];
    Spi::run(&format!("INSERT INTO resena (usuario_id, libro_id) VALUES (43, {best})")).unwrap();
    for enabled in ["on", "off"] {
        Spi::run(&format!("SET LOCAL reco.enabled = {enabled}")).unwrap();
        assert!(!listed("reco_recommend(43, 30)").contains(&best), "enabled {enabled}");
        assert!(listed("reco_recommend(43, 30, exclude_seen => false)").contains(&best), "enabled {enabled}");
    }
}

#[pg_test]
fn wrong_arguments_are_named() {
    recommending();
    for (call, state, named) in [
        ("reco_recommend(43, 0)", "22023", "n must be a whole number between 1 and 1000, not 0"),
        ("reco_recommend(43, 1001)", "22023", "n must be a whole number between 1 and 1000, not 1001"),
        ("reco_recommend(43, exclude => '{1,NULL}')", "22004", "exclude must not contain NULL"),
        ("reco_recommend(43, exclude => '{{1},{2}}')", "2202E", "exclude must have one dimension, not 2"),
        ("reco_recommend(43, diversity => 1.5)", "22023", "diversity must be between 0 and 1, not 1.5"),
        ("reco_recommend(43, diversity => 'NaN')", "22023", "diversity must be between 0 and 1, not NaN"),
        ("reco_recommend(43, explore => -0.1)", "22023", "explore must be between 0 and 1, not -0.1"),
        ("reco_similar(1, -3)", "22023", "n must be a whole number between 1 and 1000, not -3"),
        ("reco_trending(0)", "22023", "n must be a whole number between 1 and 1000, not 0"),
        ("reco_trending(half_life => '0 days')", "22023", "half_life must be more than 0 seconds, not 0"),
        ("reco_trending(half_life => '-1 month')", "22023", "more than 0 seconds, not -2592000"),
    ] {
        let (found, message) = fails(&format!("SELECT * FROM {call}"));
        assert!(found == state && message.contains(named), "{call}: {found} {message}");
    }
    assert!(listed("reco_recommend(NULL)").is_empty() && listed("reco_similar(NULL)").is_empty());
    assert_eq!(listed("reco_recommend(43, NULL, NULL, NULL, NULL, NULL, NULL)"), listed("reco_recommend(43)"));
}

#[pg_test]
fn lateral_cursors_and_untyped_parameters_give_what_single_calls_give() {
    recommending();
    Spi::run(
        "CREATE TEMP TABLE lote AS SELECT u.id AS lector, r.* FROM usuario u, LATERAL reco_recommend(u.id, 5) r;
         CREATE FUNCTION pg_temp.uno(quien int) RETURNS SETOF bigint LANGUAGE plpgsql AS $$
         BEGIN RETURN QUERY EXECUTE 'SELECT item_id FROM reco_recommend($1, 5) ORDER BY rank' USING quien; END $$",
    )
    .unwrap();
    assert!(truth(
        "SELECT count(*) = 41 AND bool_and(ids = ARRAY(SELECT pg_temp.uno(lector)))
         FROM (SELECT lector, array_agg(item_id ORDER BY rank) AS ids FROM lote GROUP BY 1) l"
    ));
    Spi::run("PREPARE untyped AS SELECT * FROM reco_recommend($1, $2, $3, $4, $5, $6, $7)").unwrap();
    Spi::run("EXECUTE untyped(43, 3, '{2}', 1, true, 0.5, 0)").unwrap();
    Spi::run("DECLARE c CURSOR FOR SELECT item_id, rank FROM reco_recommend(43, 5)").unwrap();
    assert_eq!(Spi::connect_mut(|client| client.update("FETCH ALL FROM c", None, &[]).unwrap().len()), 5);
}

// Times of the past count from now, whatever a site has in its columns.

#[pg_test]
fn a_time_in_the_future_does_not_move_now() {
    for (kind, future) in [
        ("timestamptz", "infinity"),
        ("timestamptz", "9999-01-01"),
        ("timestamp", "infinity"),
        ("timestamp", "294276-12-31 23:59:59"),
        ("date", "infinity"),
        ("date", "5874897-12-31"),
    ] {
        Spi::run("DROP TABLE IF EXISTS libro, resena, favorito, usuario").unwrap();
        small_site();
        Spi::run(&format!(
            "ALTER TABLE resena ALTER fecha_resena TYPE {kind};
             UPDATE resena SET fecha_resena = '{future}' WHERE usuario_id = 1 AND libro_id = (SELECT min(libro_id) FROM resena WHERE usuario_id = 1 AND estrellas = 5);
             UPDATE resena SET fecha_resena = '-infinity' WHERE usuario_id = 2"
        ))
        .unwrap();
        let version = train();
        // The interaction counts as one of now, and nothing is later.
        assert!(
            truth(&format!(
                "SELECT max(latest_at) <= now() AND max(latest_at) > now() - interval '2 s' AND min(latest_at) > '2021-12-31'
                 FROM reco.item_feature WHERE model_version = {version}"
            )),
            "{kind} {future}"
        );
        assert_eq!(health("{staleness,interactions_since}"), "0", "{kind} {future}");
        assert!(truth("SELECT count(*) = 1 AND bool_and(score > 0.99) FROM reco_trending()"), "{kind} {future}");
        assert!(!listed("reco_recommend(1)").is_empty());
    }
}

#[pg_test]
fn times_without_a_zone_are_in_the_zone_of_the_training() {
    small_site();
    Spi::run(
        "ALTER TABLE resena ALTER fecha_resena TYPE timestamp;
         UPDATE resena SET fecha_resena = '2022-01-01 12:00';
         SET LOCAL TimeZone = 'America/Lima'",
    )
    .unwrap();
    let version = train();
    let latest = format!("(SELECT max(latest_at) FROM reco.item_feature WHERE model_version = {version})");
    assert!(truth(&format!("SELECT {latest} = timestamptz '2022-01-01 12:00-05'")));
    assert!(truth("SELECT sources ->> 'time_zone' = 'America/Lima' FROM reco_models() WHERE active"));
    // Whoever asks, in whatever zone, has the history that was trained on.
    for zone in ["UTC", "Asia/Tokyo", "America/Lima"] {
        Spi::run(&format!("SET LOCAL TimeZone = '{zone}'")).unwrap();
        assert!(truth("SELECT source = 'hybrid' FROM reco_score(3, '{5}')"), "{zone}");
    }
    // 17:00 in Lima is 22:00 in UTC.
    Spi::run("UPDATE resena SET fecha_resena = timezone('America/Lima', now()) - interval '7 days'; SET LOCAL TimeZone = 'UTC'").unwrap();
    assert!(truth("SELECT bool_and(abs(score / interactions - 0.5) < 1e-3) FROM reco_trending()"));
}

#[pg_test]
fn a_column_that_is_found_and_cannot_be_used_is_named() {
    small_site();
    Spi::run(
        "CREATE TYPE genero AS ENUM ('novela', 'ensayo');
         ALTER TABLE resena ALTER fecha_resena TYPE text;
         ALTER TABLE libro ALTER categoria_id TYPE date USING '2020-01-01', ALTER autor_id TYPE genero USING 'novela'",
    )
    .unwrap();
    let missing = |source: &str| -> String {
        Spi::get_one(&format!("SELECT missing FROM reco_sources() WHERE source = '{source}'")).unwrap().unwrap()
    };
    assert!(missing("rating").contains("column \"fecha_resena\" of resena must be date"), "{}", missing("rating"));
    let item = missing("item");
    assert!(item.contains("\"categoria_id\"") && item.contains("not date") && item.contains("not genero"), "{item}");
    train();
}

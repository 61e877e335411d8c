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
        "ALTER TABLE resena ALTER fecha_resena TYPE bytea USING '';
         ALTER TABLE libro ALTER categoria_id TYPE date USING '2020-01-01', ALTER autor_id TYPE inet USING '::1'",
    )
    .unwrap();
    let missing = |source: &str| -> String {
        Spi::get_one(&format!("SELECT missing FROM reco_sources() WHERE source = '{source}'")).unwrap().unwrap()
    };
    assert!(missing("rating").contains("column \"fecha_resena\" of resena must be date"), "{}", missing("rating"));
    let item = missing("item");
    assert!(item.contains("\"categoria_id\"") && item.contains("not date") && item.contains("not inet"), "{item}");
    train();
}

#[pg_test]
fn a_time_may_be_written() {
    small_site();
    let before = train();
    Spi::run(
        r#"ALTER TABLE resena ALTER fecha_resena TYPE varchar(40) USING CASE libro_id % 3
               WHEN 0 THEN to_char(fecha_resena AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
               WHEN 1 THEN to_char(fecha_resena AT TIME ZONE 'Asia/Kolkata', 'YYYY-MM-DD HH24:MI:SS.MS+05:30')
               ELSE to_char(fecha_resena, 'YYYY-MM-DD HH24:MI') END;
           ALTER TABLE usuario ALTER fecha_registro TYPE text USING to_char(fecha_registro, 'YYYY-MM-DD');
           ALTER TABLE libro ALTER fecha_publicacion TYPE char(12)"#,
    )
    .unwrap();
    assert!(truth("SELECT bool_and(missing IS NULL) FROM reco_sources() WHERE source <> 'favorite'"));
    // The same times: the stored vectors are those of the readers as they are now.
    assert!(truth("SELECT bool_and(source = 'hybrid') FROM generate_series(1, 40) u, reco_score(u, '{5}')"));
    let after = train();
    let features = |version| {
        format!(
            "SELECT item_id, latest_at, published_at FROM reco.item_feature WHERE model_version = {version}
             UNION ALL SELECT -user_id, registered_at, NULL FROM reco.user_feature WHERE model_version = {version}"
        )
    };
    let (before, after) = (features(before), features(after));
    assert!(truth(&format!("SELECT count(*) > 60 AND count(latest_at) > 60 FROM ({after}) t")));
    assert!(truth(&format!("SELECT NOT EXISTS ({before} EXCEPT ({after}))")));
    Spi::run("UPDATE resena SET fecha_resena = to_char(now() - interval '7 days', 'YYYY-MM-DD HH24:MI:SS')").unwrap();
    assert!(truth("SELECT bool_and(abs(score / interactions - 0.5) < 1e-3) FROM reco_trending()"));
}

#[pg_test]
fn what_is_no_time_is_no_error_and_is_named() {
    small_site();
    Spi::run(
        "ALTER TABLE libro ALTER fecha_publicacion TYPE text;
         UPDATE libro l SET fecha_publicacion = t.written FROM (VALUES
             (1, '2021-02-30'), (2, '1998'), (3, '1998-05'), (4, '2021-13-01'), (5, '12/03/2021'), (6, ''), (7, 'infinity'),
             (8, '2021-01-01 24:00'), (9, '2021-01-01T10:00:00.5+02'), (10, '0000-01-01'), (11, '2021-01-01 10:00:00 -0130'),
             (12, '9999-12-31 23:59:59-15'), (13, ' 2021-01-01'), (14, '2021-1-1'), (15, E'2021-01-01\\n'), (16, NULL)
         ) AS t(id, written) WHERE t.id = l.id",
    )
    .unwrap();
    let version = train();
    let published = format!("SELECT published_at FROM reco.item_feature WHERE model_version = {version} AND item_id =");
    for (item, time) in [
        (1, "2021-03-02"),
        (2, "1998-01-01"),
        (3, "1998-05-01"),
        (9, "2021-01-01 08:00:01"),
        (11, "2021-01-01 11:30"),
        (17, "2020-01-18"),
    ] {
        assert!(truth(&format!("SELECT ({published} {item}) = timestamptz '{time}+00'")), "{item} {time}");
    }
    for item in [4, 5, 6, 7, 8, 10, 13, 14, 15, 16] {
        assert!(truth(&format!("SELECT ({published} {item}) IS NULL")), "{item}");
    }
    let missing = "SELECT missing FROM reco_sources() WHERE source = 'item'";
    assert!(truth(&format!("SELECT ({missing}) LIKE '%fecha_publicacion%holds%which is no time as YYYY-MM-DD%'")));
    assert!(truth("SELECT columns ? 'published' FROM reco_sources() WHERE source = 'item'"));
    assert!(!health("{attention}").contains("no time"));
    Spi::run("SELECT reco_configure('item', 'libro', '{\"id\": \"id\", \"published\": \"fecha_publicacion\"}')").unwrap();
    assert!(health("{attention}").contains("which is no time"));
    Spi::run("UPDATE libro SET fecha_publicacion = NULL WHERE id IN (4, 5, 6, 7, 8, 10, 13, 14, 15)").unwrap();
    assert!(truth(&format!("SELECT ({missing}) NOT LIKE '%no time%'")));
}

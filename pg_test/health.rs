// Health follows model and data.

#[pg_test]
fn health_follows_model_and_data() {
    small_site();
    // Alerts of the model without a name may be those of other tests' trainings, whose end is written beside them.
    Spi::run("SET LOCAL reco.model = 'salud'").unwrap();
    Spi::run("CREATE INDEX ON resena (usuario_id); CREATE INDEX ON favorito (usuario_id)").unwrap();
    assert_eq!((health("{status}"), health("{model}")), ("attention".into(), "-".into()));
    let version = train();
    assert_eq!(health("{model,version}"), version.to_string());
    assert_eq!((health("{status}"), health("{attention}")), ("ok".into(), "[]".into()));
    assert_eq!((health("{cache,place}"), health("{staleness,interactions_since}")), ("shared file".into(), "0".into()));

    // About as many as the tables held before, all of a new book, half of them by a new reader.
    Spi::run(
        "INSERT INTO libro VALUES (31, 'Nuevo', 1, 1, '2024-01-01');
         INSERT INTO resena (usuario_id, libro_id, estrellas, fecha_resena)
             SELECT CASE WHEN i % 2 = 0 THEN 3 ELSE 99 END, 31, 1, clock_timestamp() FROM generate_series(1, 1000) i",
    )
    .unwrap();
    assert_eq!(health("{staleness,interactions_since}"), "1000");
    assert_eq!((health("{drift,unknown_items}"), health("{drift,unknown_users}")), ("1.0".into(), "0.5".into()));
    assert_eq!((health("{drift,mean_stars}"), health("{status}")), ("1.0".into(), "attention".into()));
    let attention = health("{attention}");
    assert!(attention.contains("train again") && attention.contains("1000 of 1000"), "{attention}");

    Spi::run("DROP INDEX resena_usuario_id_idx; SET LOCAL reco.enabled = off").unwrap();
    assert_eq!(health("{missing_indexes}"), "[\"CREATE INDEX ON public.resena (usuario_id);\"]");
    assert_eq!(health("{enabled}"), "false");
}

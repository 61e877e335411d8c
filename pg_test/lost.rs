// A source that breaks is never left out in silence.

const CONFIGURE: &str =
    "SELECT reco_configure('rating', 'resena', '{\"user\": \"usuario_id\", \"item\": \"libro_id\", \"stars\": \"estrellas\"}')";

/// Every function that reads the sources.
const READING: [&str; 8] = [
    "reco_score(1, '{1}')",
    "reco_scores(1, '{1}')",
    "reco_recommend(1)",
    "reco_similar(1)",
    "reco_trending()",
    "reco_explain(1, 1)",
    "reco_predict_rating(1, '{1}')",
    "reco_train('{\"force\": true}')",
];

#[pg_test]
fn a_configured_source_that_breaks_is_an_error_everywhere() {
    for broken in [
        "ALTER TABLE resena RENAME estrellas TO puntos",
        "ALTER TABLE resena ALTER estrellas TYPE text",
        "ALTER TABLE resena RENAME TO opiniones",
        "DROP TABLE resena",
    ] {
        Spi::run("DROP TABLE IF EXISTS libro, resena, opiniones, favorito, usuario").unwrap();
        small_site();
        Spi::run(CONFIGURE).unwrap();
        train();
        Spi::run(broken).unwrap();
        for call in READING {
            let (state, message) = fails(&format!("SELECT * FROM {call}"));
            assert!(state == "42P01" && message.contains("\"rating\" is not usable"), "{broken}: {call}: {state} {message}");
        }
        assert_eq!(health("{status}"), "attention", "{broken}");
        assert!(health("{attention}").contains("\\\"rating\\\" is not usable"), "{broken}: {}", health("{attention}"));
        assert!(truth("SELECT configured AND missing IS NOT NULL FROM reco_sources() WHERE source = 'rating'"), "{broken}");
        Spi::run("SELECT reco_configure('rating', NULL, NULL)").unwrap();
    }
}

#[pg_test]
fn a_configured_optional_source_that_breaks_is_an_error_too() {
    small_site();
    Spi::run("SELECT reco_configure('user', 'usuario', '{\"id\": \"id\"}')").unwrap();
    train();
    Spi::run("DROP TABLE usuario").unwrap();
    assert_eq!(fails("SELECT * FROM reco_recommend(1)").0, "42P01");
}

#[pg_test]
fn a_detected_source_that_breaks_needs_attention_until_it_is_accepted() {
    small_site();
    train();
    assert!(!health("{attention}").contains("was public.resena"));
    Spi::run("ALTER TABLE resena RENAME estrellas TO puntos").unwrap();
    assert!(!listed("reco_recommend(1)").is_empty());
    assert!(health("{attention}").contains("was public.resena, and nothing of it is read now"), "{}", health("{attention}"));
    // A training does not make it forgotten, even where its model is served.
    Spi::run("SELECT reco_train()").unwrap();
    assert!(truth("SELECT sources #>> '{lost,rating}' = 'public.resena' FROM reco_models() ORDER BY version DESC LIMIT 1"));
    Spi::run("SELECT reco_activate(max(version)) FROM reco_models()").unwrap();
    assert!(health("{attention}").contains("was public.resena"));
    Spi::run("SELECT reco_train()").unwrap();
    assert!(truth("SELECT sources #>> '{lost,rating}' = 'public.resena' FROM reco_models() ORDER BY version DESC LIMIT 1"));
    train();
    assert!(!health("{attention}").contains("was public.resena"), "{}", health("{attention}"));
    Spi::run("ALTER TABLE resena RENAME puntos TO estrellas").unwrap();
    train();
    assert!(truth("SELECT sources ->> 'rating' = 'public.resena' AND NOT sources ? 'lost' FROM reco_models() WHERE active"));
}

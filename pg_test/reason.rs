// Reasons as sentences that a page shows.

#[pg_test]
fn every_reason_is_a_sentence_with_and_without_a_title() {
    use crate::api::{liked, sentence};
    use crate::settings::Locale;
    use reco_models::Reason;

    let titles = std::collections::HashMap::from([(7, "Rayuela".to_owned())]);
    let named = |id| [Reason::Liked(id), Reason::Readers(id), Reason::Author(id), Reason::Category(id)];
    let plain = [Reason::Description, Reason::Taste, Reason::WellRated, Reason::Popular, Reason::New];
    let mut met = Vec::new();
    for locale in [Locale::Es, Locale::En] {
        for reason in named(7).into_iter().chain(named(8)).chain(plain) {
            let text = sentence(reason, &titles, locale);
            assert_eq!(text.contains("Rayuela"), liked(reason) == Some(7), "{text}");
            met.push(text);
        }
    }
    met.sort();
    met.dedup();
    assert_eq!(met.len(), 26, "{met:?}");
    assert_eq!(sentence(Reason::Liked(7), &titles, Locale::Es), "Porque te gustó «Rayuela»");
    assert_eq!(sentence(Reason::Liked(7), &titles, Locale::En), "Because you liked “Rayuela”");
}

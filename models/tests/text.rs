//! Texts and embeddings of items: what costs nothing where there are none, and finds a place for what is new.

mod common;
#[path = "common/stored.rs"]
mod stored;

use common::sources;
use reco_models::{
    Catalog, Control, Description, Evidence, ItemInfo, NONE, Params, Reason, Sources, Target, Trained, encode, train,
};
use serde_json::json;
use stored::stored_mapped_and_refused;

const WORDS: [&str; 4] = [
    "dragones magos espadas reinos",
    "crimen detective asesinato niebla",
    "planetas naves robots estrellas",
    "cocina recetas horno pan",
];

fn run(sources: Sources) -> Trained {
    let params = Params::from_json(&json!({"factors": 8})).unwrap().validate().unwrap();
    train(sources, &params, None, 2, &Control::default()).unwrap()
}

/// Some words of the genre, which is the category of the library by its remainder, and the title's own.
fn text(id: i64, genre: i64) -> String {
    let words: Vec<&str> = WORDS[(genre % 4) as usize].split(' ').collect();
    format!("El libro {id}: {} y {}", words[(id % 4) as usize], words[(id / 4 % 4) as usize])
}

fn embedding(id: i64, genre: i64) -> Vec<Option<f64>> {
    let noise = |i: i64| (id * 31 + i * 17).rem_euclid(13) as f64 / 40.0;
    (0..400).map(|i| Some(1.0 + f64::from(u8::from(i % 4 == genre % 4)) + noise(i))).collect()
}

/// The library with nothing but a text, or an embedding, in its catalogue.
fn described(by: fn(i64, i64) -> Description) -> (Sources, Vec<i64>) {
    let mut sources = sources(600, 300, 15_000);
    let Catalog { id, category, .. } = sources.catalog.clone();
    let mut catalog = Catalog {
        category: vec![NONE; id.len()],
        author: vec![NONE; id.len()],
        published: vec![NONE; id.len()],
        id,
        ..Catalog::default()
    };
    for (id, genre) in catalog.id.iter().zip(&category) {
        catalog.descriptions.push(*id, &by(*id, *genre)).unwrap();
    }
    sources.catalog = catalog;
    (sources, category)
}

const BY_TEXT: fn(i64, i64) -> Description = |id, genre| Description::of_text(&text(id, genre));
const BY_EMBEDDING: fn(i64, i64) -> Description =
    |id, genre| Description::default().with_embedding(&embedding(id, genre)).unwrap();

#[test]
fn a_description_alone_gives_new_items_a_content_part() {
    for by in [BY_TEXT, BY_EMBEDDING] {
        let (sources, genres) = described(by);
        let trained = run(sources);
        assert!(trained.model.forest().is_some() && trained.model.reads_descriptions());
        let (mut alike, mut foreign, mut by_description) = (0.0, 0.0, 0);
        for number in (0..trained.data.users.len()).step_by(7) {
            let row = trained.data.events.row(number);
            let mut counts = [0; 4];
            let user = trained.model.user(row, NONE, None).unwrap();
            for (item, weight) in user.likes().items() {
                counts[(genres[*item as usize] % 4) as usize] += (weight * 8.0) as usize;
            }
            let favourite = (0..4).max_by_key(|genre| counts[*genre]).unwrap_or(0) as i64;
            let newcomers: Vec<Target> = (0..4)
                .map(|genre| Target::Newcomer(trained.model.describe(ItemInfo::default(), &by(100_000 + genre, genre))))
                .collect();
            let scored = trained.model.score(&user, &newcomers);
            let content: Vec<f32> = scored.iter().map(|s| s.parts.content_based.unwrap()).collect();
            alike += content[favourite as usize];
            foreign += (content.iter().sum::<f32>() - content[favourite as usize]) / 3.0;
            let own = [(newcomers[favourite as usize].clone(), scored[favourite as usize].parts)];
            let reason = trained.model.reasons(&user, &own, || ()).unwrap()[0];
            by_description += usize::from(reason == Some(Reason::Description));
            let (_, terms) = trained.model.explain(&user, &own[0].0).unwrap();
            assert!(terms.iter().any(|term| matches!(term.evidence, Evidence::Named(name, _) if name.contains("_similarity") || name.contains("_weight"))));
        }
        assert!(alike > 1.2 * foreign, "{alike} {foreign}");
        assert!(by_description > 5, "{by_description}");
    }
}

#[test]
fn a_model_with_descriptions_is_stored_mapped_and_refused_where_damaged() {
    let (mut sources, genres) = described(BY_TEXT);
    for (id, genre) in sources.catalog.id.clone().iter().zip(&genres).step_by(2) {
        let both = BY_TEXT(*id, *genre).with_embedding(&embedding(*id, *genre)).unwrap();
        sources.catalog.descriptions.push(*id, &both).unwrap();
    }
    let trained = run(sources);
    stored_mapped_and_refused(&trained, |model| {
        vec![Target::Newcomer(model.describe(ItemInfo::default(), &BY_TEXT(7, 2)))]
    });
}

#[test]
fn descriptions_that_say_nothing_give_the_bytes_of_a_site_without() {
    let plain = sources(600, 300, 15_000);
    let mut empty = plain.clone();
    for id in empty.catalog.id.clone() {
        empty.catalog.descriptions.push(id, &Description::of_text(" …")).unwrap();
    }
    assert_eq!(encode(&run(empty).model).unwrap(), encode(&run(plain).model).unwrap());
}

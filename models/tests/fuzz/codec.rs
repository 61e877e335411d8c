//! Stored models and shared files. Most inputs get a valid checksum, or nothing behind it would ever be reached.

use std::sync::Arc;

use rand::RngExt;
use rand_pcg::Pcg64Mcg;
use reco_models::{
    Bytes, Control, Description, Favorites, ItemInfo, Links, NONE, Params, Ratings, ServedModel, Target, Trained,
    decode, encode, hash, image, open_image, train, verify,
};
use serde_json::json;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::common::sources;
use crate::{driver, mutate};

/// Magic, format, length of the header, checksum.
const PREFIX: usize = 24;

/// With trees every third book has a second category, and most have a text and an embedding.
fn trained(options: serde_json::Value) -> Trained {
    let mut sources = sources(150, 60, 1500);
    if options["trees"] != 0 {
        let item: Vec<i64> = sources.catalog.id.iter().copied().step_by(3).collect();
        sources.catalog.more_categories = Links { key: vec![99; item.len()], item };
        for id in sources.catalog.id.iter().filter(|id| *id % 5 > 0) {
            let embedding = [Some(*id as f64), Some((id % 7) as f64), Some(-1.0)];
            let description = Description::of_text(&format!("la {} de {}", id % 3, id % 11)).with_embedding(&embedding);
            sources.catalog.descriptions.push(*id, &description.unwrap()).unwrap();
        }
    }
    let params = Params::from_json(&options).unwrap().validate().unwrap();
    train(sources, &params, None, 1, &Control::default()).unwrap()
}

/// Models with and without trees, factors, neighbours, several categories.
fn models() -> Vec<Trained> {
    [
        json!({"factors": 3, "trees": 6, "neighbours": 5, "budget": "5s"}),
        json!({"factors": 1, "trees": 0, "neighbours": 0, "budget": "5s"}),
    ]
    .map(trained)
    .into()
}

fn header_length(bytes: &[u8]) -> usize {
    bytes.get(12..16).map_or(0, |b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]) as usize)
}

/// The end of the header, where most decisions are.
fn head(bytes: &[u8]) -> usize {
    PREFIX.saturating_add(header_length(bytes))
}

fn seal(bytes: &mut [u8]) {
    if bytes.len() >= PREFIX {
        let checksum = xxh3_64_with_seed(&bytes[PREFIX..], header_length(bytes) as u64);
        bytes[PREFIX - 8..PREFIX].copy_from_slice(&checksum.to_le_bytes());
    }
}

fn changed(rng: &mut Pcg64Mcg, corpus: &[Vec<u8>]) -> Vec<u8> {
    let before = crate::driver::pick(rng, corpus).clone();
    let mut bytes = mutate::bytes(rng, std::slice::from_ref(&before), head);
    if rng.random_bool(0.95) && bytes.len().min(before.len()) >= PREFIX {
        bytes[..12].copy_from_slice(&before[..12]);
    }
    // A header that became longer or shorter says so, in most cases.
    if bytes.len() != before.len() && bytes.len() >= PREFIX && rng.random_bool(0.7) {
        let length = header_length(&before) as i64 + bytes.len() as i64 - before.len() as i64;
        bytes[12..16].copy_from_slice(&(length.max(0) as u32).to_le_bytes());
    }
    if rng.random_bool(0.97) {
        seal(&mut bytes);
    }
    bytes
}

/// Everything that a page asks a model for. Answers may be errors; they may not be panics.
fn ask(model: ServedModel, rng: &mut Pcg64Mcg) {
    let ids: Vec<i64> = model.items().id.iter().copied().collect();
    let n = ids.len().min(4);
    let item = |rng: &mut Pcg64Mcg| if ids.is_empty() { 1 } else { ids[rng.random_range(0..ids.len())] };
    let liked: Vec<i64> = (0..n).map(|_| item(rng)).collect();
    let reviews =
        Ratings { user: vec![9; n], item: liked.clone(), stars: vec![5.0; n], at: vec![NONE; n], key: vec![NONE; n] };
    let history = model.history(&reviews, &Favorites::default(), &Default::default());
    let description = Description::of_text("la 2 de 9").with_embedding(&[Some(1.0); 3]).unwrap();
    let info = model.describe(ItemInfo::new([1], [1], 0), &description);
    if let Ok(user) = model.user(history.row(), NONE, None) {
        let known = (0..ids.len() as u32).map(|i| (ids[i as usize], Target::Known(i)));
        let items: Vec<(i64, Target)> =
            known.chain([(-7, Target::Newcomer(info.clone())), (-8, Target::Unknown)]).collect();
        let targets: Vec<Target> = items.iter().map(|(_, target)| target.clone()).collect();
        let scored = model.score(&user, &targets);
        assert_eq!(scored.len(), targets.len());
        assert!(model.rank(&user, &items, |_| 1.0, || ()).count() <= items.len());
        let _ = model.explain(&user, &targets[0]);
        let _ = model.reasons(&user, &[(targets[0].clone(), scored[0].parts)], || ());
        let _ = model.candidates(&user, &[], None, || ());
    }
    let target = if ids.is_empty() { Target::Unknown } else { Target::Known(0) };
    let _ = model.similar(&target, &info, 5, || ());
    if let Some((stars, rater)) = model.ratings().and_then(|stars| Some((stars, stars.rater(&reviews).ok()?))) {
        assert_eq!(stars.predict(&rater, &ids).len(), ids.len());
    }
}

#[test]
fn stored_models() {
    let corpus = models().iter().map(|trained| encode(&trained.model).unwrap()).collect();
    let mut look = |input: &[u8], rng: &mut Pcg64Mcg| {
        let bytes: Bytes = Arc::new(input.to_vec());
        match decode(&bytes) {
            Err(error) => driver::kind(&error),
            Ok(model) => {
                // Each costs as much as twenty others.
                if rng.random_bool(0.1) {
                    // But for what lies between its columns it is what was read.
                    let again = encode(&model).unwrap();
                    assert_eq!(again.len(), input.len());
                    assert!(encode(&decode(&(Arc::new(again.clone()) as Bytes)).unwrap()).unwrap() == again);
                    ask(model.into(), rng);
                }
                "sound".into()
            }
        }
    };
    driver::Target { name: "stored", corpus, mutate: changed, look: &mut look }.run();
}

/// Values under a valid checksum are trusted: only the server's user can write them. Reading them must be safe all the same.
#[test]
fn shared_files() {
    let of = |trained: &Trained| {
        let stored = hash(&encode(&trained.model).unwrap());
        (image(&trained.model, stored, || ()).unwrap(), stored)
    };
    let (corpus, hashes): (Vec<_>, Vec<_>) = models().iter().map(of).unzip();
    let originals = corpus.clone();
    let mut look = |input: &[u8], _: &mut Pcg64Mcg| {
        let bytes: Bytes = Arc::new(input.to_vec());
        let verified = verify(&bytes);
        let mut sealed = input.to_vec();
        seal(&mut sealed);
        assert!(
            verified.is_err() || sealed == input || originals.iter().any(|o| o == input),
            "a wrong checksum passed"
        );
        match (verified, open_image(&bytes, hashes[0]).and(open_image(&bytes, hashes[1]))) {
            (Err(error), _) | (_, Err(error)) => driver::kind(&error),
            (Ok(()), Ok(_)) => "opened".into(),
        }
    };
    driver::Target { name: "shared file", corpus, mutate: changed, look: &mut look }.run();
}

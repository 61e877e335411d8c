//! Clicks are learned from where they help, and left alone where they do not.

use rand::seq::index::sample;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use reco_models::{Clicks, Control, NONE, Params, Sources, System, Trained, train};
use serde_json::{Value, json};

const SHELVES: i64 = 30;
/// Items of a shelf.
const SIZE: usize = 20;

/// Readers who each keep to one shelf. One in six likes four of its items; the others like one, and click on ten.
fn shelves() -> Sources {
    let mut rng = Pcg64Mcg::seed_from_u64(7);
    let mut sources = Sources::default();
    for user in 0..36 * SHELVES {
        let shelf = user % SHELVES * SIZE as i64;
        let chosen: Vec<i64> = sample(&mut rng, SIZE, 11).into_iter().map(|place| shelf + place as i64).collect();
        let clicks = user / SHELVES % 6 > 0;
        let liked = &chosen[..if clicks { 1 } else { 4 }];
        for item in liked.iter().copied() {
            sources.favorites.user.push(user);
            sources.favorites.item.push(item);
            sources.favorites.at.push(NONE);
        }
        for item in chosen[1..].iter().copied().filter(|_| clicks) {
            sources.clicks.user.push(user);
            sources.clicks.item.push(item);
            sources.clicks.at.push(1_700_000_000);
            sources.clicks.propensity.push(1.0);
        }
    }
    sources
}

fn run(sources: Sources, more: Value) -> Trained {
    let mut options = json!({"trees": 0, "force": true, "min_interactions": 1});
    for (name, value) in more.as_object().unwrap() {
        options[name] = value.clone();
    }
    train(sources, &Params::from_json(&options).unwrap().validate().unwrap(), None, 2, &Control::default()).unwrap()
}

fn chosen(trained: &Trained) -> Value {
    trained.choice.report()["clicks"].clone()
}

#[test]
fn clicks_that_tell_of_tastes_are_taken_and_rank_better() {
    let sources = shelves();
    let with = run(sources.clone(), json!({}));
    assert!(chosen(&with).as_f64().unwrap() > 0.0, "{}", with.choice.report()["tried"]["clicks"]);
    let without = run(sources, json!({"clicks": 0}));
    assert_eq!(chosen(&without), Value::Null);
    let ndcg = |trained: &Trained| trained.evaluation.summary(System::Collaborative).unwrap().mean.ndcg;
    assert!(ndcg(&with) > ndcg(&without), "{} {}", ndcg(&with), ndcg(&without));
    // What readers like is the same: no click is a like.
    assert_eq!(with.data.events.len(), without.data.events.len());
}

#[test]
fn clicks_that_tell_nothing_are_left_out() {
    let mut sources = shelves();
    let mut rng = Pcg64Mcg::seed_from_u64(8);
    sources.clicks.item.iter_mut().for_each(|item| *item = rng.random_range(0..SHELVES * SIZE as i64));
    let trained = run(sources.clone(), json!({}));
    assert_eq!(chosen(&trained), json!(0.0), "{}", trained.choice.report()["tried"]["clicks"]);
    sources.clicks = Clicks::default();
    let plain = run(sources, json!({}));
    assert_eq!(reco_models::encode(&trained.model).unwrap(), reco_models::encode(&plain.model).unwrap());
}

#[test]
fn a_weight_that_is_given_is_used() {
    let trained = run(shelves(), json!({"clicks": 0.5}));
    assert_eq!(chosen(&trained), json!(0.5));
}

//! The options of a training, as JSON.

use rand::RngExt;
use rand_pcg::Pcg64Mcg;
use reco_models::{Params, WeightChoice};
use serde_json::{Value, json};

use crate::driver::pick;
use crate::{driver, mutate};

const NAMES: [&str; 19] = [
    "factors",
    "epochs",
    "regularization",
    "alpha0",
    "neighbours",
    "ridge",
    "neighbour_share",
    "positive_stars",
    "min_interactions",
    "holdout",
    "trees",
    "learning_rate",
    "evaluation_users",
    "seed",
    "split",
    "weights",
    "budget",
    "force",
    "nothing",
];

/// Bytes of a text of the corpus, or an object that is put together.
fn changed(rng: &mut Pcg64Mcg, corpus: &[Vec<u8>]) -> Vec<u8> {
    if rng.random_bool(0.5) {
        return mutate::bytes(rng, corpus, <[u8]>::len);
    }
    let n = rng.random_range(0..4);
    let options = (0..n).map(|_| (pick(rng, &NAMES).to_string(), value(rng)));
    Value::Object(options.collect()).to_string().into_bytes()
}

fn value(rng: &mut Pcg64Mcg) -> Value {
    match rng.random_range(0..9) {
        0 => json!(f64::from_bits(rng.random())),
        1 => json!(rng.random::<i64>()),
        2 => json!(rng.random::<u64>()),
        3 => json!(rng.random_range(-2..300)),
        4 => json!(rng.random::<f32>()),
        5 => json!(pick(rng, &["auto", "plan", "temporal", "by_user", "", "1s", "24h", "25h", "0s", "ñ", "s"])),
        6 => json!(format!("{}{}", rng.random::<u64>(), pick(rng, &["s", " min", "h", "é", ""]))),
        7 => json!(pick(rng, &[true, false])),
        _ => {
            let part = *pick(rng, &["collaborative", "content_based", "popularity", "x"]);
            json!({ part: rng.random_range(-0.1..1.1), "popularity": value(rng) })
        }
    }
}

/// Valid options are within the ranges of the reference.
fn check(params: &Params) -> String {
    let valid = match params.validate() {
        Ok(valid) => valid,
        Err(error) => return driver::kind(&error),
    };
    assert!(valid.factors.is_none_or(|n| (1..=256).contains(&n)) && (1..=100).contains(&valid.epochs));
    assert!(valid.neighbours.is_none_or(|n| n <= 200) && valid.trees <= 1000);
    assert!(valid.min_interactions.is_none_or(|n| (1..=1000).contains(&n)));
    assert!((0.05..=0.5).contains(&valid.holdout) && (1.0..=5.0).contains(&valid.positive_stars));
    assert!((0.001..=1.0).contains(&valid.learning_rate) && (10..=10_000_000).contains(&valid.evaluation_users));
    assert!(valid.neighbour_share.is_none_or(|share| (0.0..=1.0).contains(&share)));
    for number in [valid.regularization, valid.alpha0, valid.ridge].into_iter().flatten() {
        assert!(number > 0.0 && number.is_finite());
    }
    if let WeightChoice::Fixed(weights) = valid.weights {
        let parts = weights.parts();
        assert!(parts.iter().all(|w| (0.0..=1.0).contains(w)) && (parts.iter().sum::<f32>() - 1.0).abs() < 1e-5);
    }
    "valid".into()
}

#[test]
fn options() {
    let corpus = include_str!("options.txt").lines().map(|line| line.as_bytes().to_vec()).collect();
    let mut look = |input: &[u8], _: &mut Pcg64Mcg| match serde_json::from_slice::<Value>(input) {
        Err(_) => "no JSON".into(),
        Ok(options) => Params::from_json(&options).map_or_else(|error| driver::kind(&error), |params| check(&params)),
    };
    driver::Target { name: "options", corpus, mutate: changed, look: &mut look }.run();
}

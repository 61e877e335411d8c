//! Metrics of the lists of any system.

use std::path::{Path, PathBuf};

use reco_models::Metrics;
use reco_models::steps::{self, measure, paired_interval};
use serde_json::{Value, json};

use crate::Outcome;
use crate::columns::{K, read_lists};
use crate::cut::Cut;

/// Seed of the bootstrap.
const SEED: u64 = 42;

pub fn evaluate(cut: &Path, lists: &[PathBuf]) -> Outcome<Value> {
    let cut = Cut::load(cut)?;
    let mut first: Option<Vec<f64>> = None;
    let mut out = Vec::new();
    for path in lists {
        let lists = read_lists(path)?;
        if lists.len() != cut.users.len() {
            return Err(format!("{}: {} lists for {} users", path.display(), lists.len(), cut.users.len()).into());
        }
        let users: Vec<Metrics> = lists.iter().zip(&cut.relevant).map(|(l, r)| measure(l, r, K)).collect();
        let ndcg: Vec<f64> = users.iter().map(|m| m.ndcg).collect();
        let (low, high) = paired_interval(first.as_ref().unwrap_or(&ndcg), &ndcg, SEED);
        let by_user: Vec<_> = users.iter().map(|m| [m.precision, m.recall, m.ndcg, m.map, m.mrr, m.hit_rate]).collect();
        out.push(json!({"mean": to_json(steps::mean(&users)), "first_is_better_by": [low, high], "users": by_user}));
        first.get_or_insert(ndcg);
    }
    Ok(Value::Array(out))
}

pub fn to_json(m: Metrics) -> Value {
    json!({
        "precision": m.precision, "recall": m.recall, "ndcg": m.ndcg, "map": m.map, "mrr": m.mrr,
        "hit_rate": m.hit_rate,
    })
}

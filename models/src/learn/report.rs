//! What validation chose and why, as the registry shows it.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::data::split::HeldOut;
use crate::learn::choose::{Recipe, Trials};
use crate::learn::weights::Verdict;
use crate::model::ensemble::Weights;
use crate::parts::neighbours::{Mixture, NeighbourParams};
use crate::parts::ratings::RatingEvidence;

/// What validation chose.
#[derive(Debug, Clone)]
pub struct Choice {
    pub held: HeldOut,
    /// Positives that each user and item that was trained on has at least.
    pub min_interactions: usize,
    pub recipe: Recipe,
    pub trials: Trials,
    /// The weights that validation speaks for, and why.
    pub verdict: Verdict,
    pub trees: usize,
    /// How well stars are predicted; None with too few reviews.
    pub ratings: Option<RatingEvidence>,
}

impl Choice {
    /// As the column `choice` of `reco_models()` shows it; the reference lists the keys.
    pub fn report(&self) -> Value {
        let Mixture { first, second, filter, tilt } = &self.recipe.neighbours;
        json!({
            "split": self.held.kind().name(),
            "held_out": self.held.report(),
            "min_interactions": self.min_interactions,
            "regularization": short(self.recipe.als.regularization),
            "alpha0": short(self.recipe.als.alpha0),
            "factors": self.recipe.als.factors,
            "neighbours": neighbours(first),
            "ridge": short(first.shrinkage.ridge),
            "dropout": short(first.shrinkage.dropout),
            "activity": short(first.activity),
            "and_neighbours": second.map(|(second, factor)| json!({
                "neighbours": neighbours(&second),
                "ridge": short(second.shrinkage.ridge),
                "dropout": short(second.shrinkage.dropout),
                "activity": short(second.activity),
                "factor": short(factor),
            })),
            "low_pass": filter.map(|(filter, factor)| json!({
                "directions": filter.directions,
                "factor": short(factor),
            })),
            "tilt": short(*tilt),
            "neighbour_share": short(self.recipe.blend.share),
            "clicks": (!self.trials.clicks.is_empty()).then(|| short(self.recipe.clicks)),
            "learned_weights": self.verdict.weights.parts().map(short),
            "weights_because": self.verdict.sentence(),
            "trees": self.trees,
            "ratings": self.ratings.map(|r| json!({
                "factors": r.factors,
                "held_out": r.held_out,
                "rmse": short(r.rmse as f32),
                "baseline_rmse": short(r.baseline_rmse as f32),
            })),
            "tried": self.trials.report(),
        })
    }
}

impl HeldOut {
    fn report(self) -> Value {
        match self {
            HeldOut::After(last) => json!({"after": last}),
            HeldOut::Share(share) => json!({"share": share}),
        }
    }

    /// What [`Choice::report`] wrote; None where it is missing or something else.
    pub fn from_report(choice: &Value) -> Option<HeldOut> {
        let held = choice.get("held_out")?;
        let after = held.get("after").and_then(Value::as_i64).map(HeldOut::After);
        after.or_else(|| held.get("share").and_then(Value::as_f64).map(HeldOut::Share))
    }
}

/// What a report says of how a stored model was evaluated; None where it does not say so.
pub struct Evaluated {
    pub held: HeldOut,
    pub min_interactions: usize,
    pub learned: Weights,
}

impl Evaluated {
    pub fn from_report(choice: &Value) -> Option<Evaluated> {
        let learned = Weights::deserialize(choice.get("learned_weights")?).ok()?;
        Weights::new(learned.parts())?;
        Some(Evaluated {
            held: HeldOut::from_report(choice)?,
            min_interactions: usize::try_from(choice.get("min_interactions")?.as_u64()?).ok()?,
            learned,
        })
    }
}

impl Trials {
    fn report(&self) -> Value {
        let ndcg = |value: f64| short(value as f32);
        let als = self.als.iter().map(|(als, n)| {
            json!({
                "factors": als.factors,
                "regularization": short(als.regularization),
                "alpha0": short(als.alpha0),
                "ndcg_at_10": ndcg(*n),
            })
        });
        let neighbours = self.neighbours.iter().map(|(tried, n)| {
            json!({
                "neighbours": neighbours(tried),
                "activity": short(tried.activity),
                "ridge": short(tried.shrinkage.ridge),
                "dropout": short(tried.shrinkage.dropout),
                "ndcg_at_10": ndcg(*n),
            })
        });
        let shares = self.shares.iter().map(|(s, n)| json!({"neighbour_share": short(*s), "ndcg_at_10": ndcg(*n)}));
        let clicks = self.clicks.iter().map(|(w, n)| json!({"clicks": short(*w), "ndcg_at_10": ndcg(*n)}));
        let filters = self.filters.iter().map(
            |(directions, share, n)| json!({"directions": directions, "share": short(*share), "ndcg_at_10": ndcg(*n)}),
        );
        json!({
            "als": als.collect::<Vec<Value>>(),
            "als_share_of_users": short(self.als_sample as f32),
            "neighbours": neighbours.collect::<Vec<Value>>(),
            "low_pass": filters.collect::<Vec<Value>>(),
            "blend": shares.collect::<Vec<Value>>(),
            "clicks": clicks.collect::<Vec<Value>>(),
        })
    }
}

/// From how many others an item is predicted.
fn neighbours(params: &NeighbourParams) -> Value {
    if params.whole { json!("all") } else { json!(params.most) }
}

/// As many digits as an f32 has, so that 0.1 is shown as 0.1.
fn short(value: f32) -> f64 {
    value.to_string().parse().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hold_out_is_read_as_it_was_written() {
        for held in [HeldOut::After(1_700_000_000), HeldOut::After(crate::NONE), HeldOut::Share(0.1 + 0.2)] {
            let written = json!({"held_out": held.report()}).to_string();
            let read: Value = serde_json::from_str(&written).unwrap();
            assert_eq!(HeldOut::from_report(&read), Some(held));
        }
        assert_eq!(HeldOut::from_report(&json!({"held_out": 7})), None);
        assert_eq!(HeldOut::from_report(&json!({})), None);
    }
}

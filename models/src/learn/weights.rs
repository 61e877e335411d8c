//! The weights of the ensemble that rank the validation part best.

use rayon::prelude::*;

use crate::control::Control;
use crate::data::split::Split;
use crate::error::Result;
use crate::learn::evaluate::{CommonScale, Ranker};
use crate::learn::metrics::{self, K};
use crate::math::topk::top;
use crate::model::ensemble::Weights;

/// Items of each part's list that the search looks at; the best [`K`] of any weights lie almost surely among them.
const CANDIDATES: usize = 100;
/// The simplex is searched in steps of 0.05.
const STEPS: usize = 20;
/// With fewer users the default weights stay.
const LEAST_USERS: usize = 30;

/// The weights with the best mean NDCG of `users` on the hold-out of `split`.
pub fn learn_weights(ranker: &Ranker<'_>, split: &Split, users: &[u32], control: &Control) -> Result<Weights> {
    if users.len() < LEAST_USERS {
        return Ok(Weights::default());
    }
    let lists: Vec<Candidates> = users
        .par_iter()
        .map(|user| {
            control.check()?;
            Candidates::of(ranker, split, *user)
        })
        .collect::<Result<_>>()?;
    let tried: Vec<Weights> = Weights::simplex(STEPS).collect();
    let ndcg: Vec<f64> = tried
        .par_iter()
        .map(|weights| {
            control.check()?;
            Ok(lists.iter().map(|list| list.ndcg(weights)).sum())
        })
        .collect::<Result<_>>()?;
    let best = (0..ndcg.len()).max_by(|a, b| ndcg[*a].total_cmp(&ndcg[*b]));
    Ok(best.map_or(Weights::default(), |i| tried[i]))
}

/// What the search looks at for one user.
struct Candidates {
    parts: CommonScale,
    items: Vec<u32>,
    relevant: Vec<u32>,
}

impl Candidates {
    fn of(ranker: &Ranker<'_>, split: &Split, user: u32) -> Result<Candidates> {
        let data = &split.train.data;
        let raw = ranker.raw(&ranker.user(data, user)?, data.items.len());
        let seen = ranker.liked(data, user);
        let mut items: Vec<u32> = raw.iter().flat_map(|scores| top(scores, CANDIDATES, &seen)).collect();
        items.sort_unstable();
        items.dedup();
        let raw = raw.map(|scores| items.iter().map(|i| scores[*i as usize]).collect());
        Ok(Candidates { parts: ranker.parts(&raw), items, relevant: split.held_out(user as usize).to_vec() })
    }

    fn ndcg(&self, weights: &Weights) -> f64 {
        let best = top(&self.parts.blended(weights), K, &[]);
        let ranked: Vec<u32> = best.into_iter().map(|i| self.items[i as usize]).collect();
        metrics::measure(&ranked, &self.relevant, K).ndcg
    }
}

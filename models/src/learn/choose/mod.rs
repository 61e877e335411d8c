//! The choice of the collaborative part on validation: regularization, α0 and factors of ALS, the regressions of
//! the neighbours, and the share of each in the sum.

mod als;
mod blend;
mod clicks;
mod mixture;
mod neighbours;
mod whole;

use std::borrow::Cow;

use rayon::prelude::*;

use crate::control::Control;
use crate::data::clicks::{Held, with_clicks};
use crate::data::cut::Cut;
use crate::data::feedback::Interactions;
use crate::data::split::{Split, sample};
use crate::error::Result;
use crate::learn::metrics::{self, K};
use crate::learn::params::ValidParams;
use crate::math::topk::top;
use crate::parts::als::{AlsParams, Factorisation, factorise};
use crate::parts::collaborative::{Blend, Collaborative};
use crate::parts::neighbours::{Mixture, NeighbourParams, Neighbours};

pub use als::most_factors;
pub use mixture::filter_bytes;
pub use neighbours::most_neighbours;
pub use whole::KEPT;

/// How to fit a collaborative part; all that validation decided.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Recipe {
    pub als: AlsParams,
    pub neighbours: Mixture,
    pub blend: Blend,
    /// Of a click, a favourite being 1; 0 leaves them out.
    pub clicks: f32,
}

/// What was tried, each with its NDCG@10 on validation.
#[derive(Debug, Clone, Default)]
pub struct Trials {
    pub als: Vec<(AlsParams, f64)>,
    /// Share of the users that the ALS tries were fitted on.
    pub als_sample: f64,
    pub neighbours: Vec<(NeighbourParams, f64)>,
    /// (directions of the low-pass filter, its share in the sum, NDCG of that)
    pub filters: Vec<(usize, f32, f64)>,
    /// (share of the neighbours, NDCG)
    pub shares: Vec<(f32, f64)>,
    /// (weight of a click, NDCG); empty without clicks.
    pub clicks: Vec<(f32, f64)>,
    /// Whether the clock ended the search, so that a faster machine would have tried more.
    pub cut_short: bool,
}

/// Users that a choice is made by.
pub const VALIDATION_USERS: usize = 2000;

/// Chooses on the hold-out of `inner` and gives the part fitted on its training side. `held`: what clicks must not be learned
/// of, that hold-out among it.
///
/// # Errors
/// [`crate::Error::Stopped`], and [`crate::Error::NotFinite`] where a factorisation cannot be solved.
pub fn choose(
    inner: &Split,
    held: &[Held],
    params: &ValidParams,
    control: &Control,
) -> Result<(Recipe, Collaborative, Trials)> {
    let users = sample(&inner.users(), VALIDATION_USERS);
    let search = Search { inner, matrix: inner.train.liked(), users, params, control };
    let mut trials = Trials::default();
    let als = search.als(&mut trials)?;
    control.done(0.4)?;
    let factors = factorise(search.matrix, &als, &Control::sharing_stop(control))?;
    control.done(0.5)?;
    let nearest = search.nearest(&mut trials)?;
    control.done(0.7)?;
    let whole = search.whole(nearest.params, &mut trials)?;
    control.done(0.8)?;
    let mut part = Collaborative {
        factors: factors.items.into(),
        basis: factors.user_basis,
        neighbours: nearest.fitted,
        blend: Blend { share: 0.0, als_scale: 1.0, neighbour_scale: 1.0 },
    };
    let (neighbours, chosen) = search.mixture(&mut part, nearest.params, whole, &mut trials)?;
    part.blend = chosen.blend;
    trials.shares = chosen.tried;
    let recipe = Recipe { als, neighbours, blend: part.blend, clicks: 0.0 };
    let (recipe, part) = search.clicks((recipe, part), held, &mut trials)?;
    Ok((recipe, part, trials))
}

/// What a part with this recipe is fitted to: what a cut says is liked, with the clicks in their weight.
pub fn learned<'c>(cut: &'c Cut, recipe: &Recipe, held: &[Held]) -> Cow<'c, Interactions> {
    match recipe.clicks {
        0.0 => Cow::Borrowed(cut.liked()),
        weight => Cow::Owned(with_clicks(cut, weight, held)),
    }
}

/// Fits a chosen part. The factorisation is given as well: it can fold in further items.
///
/// # Errors
/// As [`choose`].
pub fn fit(matrix: &Interactions, recipe: &Recipe, control: &Control) -> Result<(Collaborative, Factorisation)> {
    let factors = factorise(matrix, &recipe.als, control)?;
    // Neighbours that have no share in the sum need not be counted, stored or loaded.
    let neighbours = if recipe.blend.share > 0.0 {
        recipe.neighbours.fit(matrix, control)?
    } else {
        Neighbours::none(matrix.cols())
    };
    let part = Collaborative {
        factors: factors.items.clone().into(),
        basis: factors.user_basis.clone(),
        neighbours,
        blend: recipe.blend,
    };
    Ok((part, factors))
}

struct Search<'a> {
    inner: &'a Split,
    matrix: &'a Interactions,
    users: Vec<u32>,
    params: &'a ValidParams,
    control: &'a Control,
}

impl Search<'_> {
    fn liked(&self, user: u32) -> Vec<(u32, f32)> {
        self.inner.train.liked_by(user)
    }

    /// What `of` gives for each validation user and the liked items.
    fn each_user<T: Send>(&self, of: impl Fn(u32, &[(u32, f32)]) -> Result<T> + Sync) -> Result<Vec<T>> {
        self.users
            .par_iter()
            .map(|user| {
                self.control.check()?;
                of(*user, &self.liked(*user))
            })
            .collect()
    }

    /// As serving does, without whatever was reviewed, well or badly.
    fn ndcg(&self, user: u32, scores: &[f32]) -> f64 {
        let seen = self.inner.train.data.events.row(user as usize).item;
        metrics::measure(&top(scores, K, seen), self.inner.held_out(user as usize), K).ndcg
    }

    /// NDCG by validation user of the scores that `score` gives for all items.
    fn ndcg_by_user(&self, score: impl Fn(u32, &[(u32, f32)]) -> Result<Vec<f32>> + Sync) -> Result<Vec<f64>> {
        self.each_user(|user, liked| Ok(self.ndcg(user, &score(user, liked)?)))
    }
}

pub(super) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// By more than one standard error of the paired difference.
pub(super) fn clearly_better(a: &[f64], b: &[f64]) -> bool {
    better_by(1.0, a, b)
}

/// By more than so many standard errors of the paired difference.
fn better_by(errors: f64, a: &[f64], b: &[f64]) -> bool {
    let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
    let gain = mean(&differences);
    let variance = mean(&differences.iter().map(|d| (d - gain).powi(2)).collect::<Vec<_>>());
    gain > errors * (variance / differences.len().max(1) as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn better_means_by_a_standard_error() {
        let base: Vec<f64> = (0..100).map(|i| f64::from(i % 10)).collect();
        let more: Vec<f64> = base.iter().map(|v| v + 0.1).collect();
        assert!(clearly_better(&more, &base) && !clearly_better(&base, &base));
        let noisy: Vec<f64> =
            base.iter().enumerate().map(|(i, v)| if i % 2 == 0 { v + 1.0 } else { v - 0.99 }).collect();
        assert!(!clearly_better(&noisy, &base));
    }
}

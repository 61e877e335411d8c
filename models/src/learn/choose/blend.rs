//! The share of the neighbours in the collaborative part.

use rayon::prelude::*;

use super::{Search, better_by, mean};
use crate::error::Result;
use crate::learn::metrics::K;
use crate::math::topk::top;
use crate::parts::collaborative::{Blend, Collaborative};

const SHARE_STEPS: u8 = 10;
/// What is added to the best share at most, see [`Search::blend`]; and half a step.
const MORE: f32 = 0.45;

/// A share that was chosen.
pub(super) struct Blended {
    pub blend: Blend,
    /// By validation user.
    pub ndcg: Vec<f64>,
    /// (share, mean NDCG)
    pub tried: Vec<(f32, f64)>,
}

impl Search<'_> {
    /// The share of the neighbours, its NDCG by validation user, and the mean of each share.
    ///
    /// The best share on validation is too small: the factorisation is the best of a dozen tries on the same users, and the
    /// neighbours gain more from the interactions that validation holds back. With the best share and with 0.4 more the
    /// collaborative part has on the hold-out an NDCG@10 of 0.387 and 0.391 (MovieLens 100k), 0.439 and 0.448 (the same, every
    /// rating a like), 0.306 and 0.309 (a generated library). So it is the largest share up to 0.4 above the best that is
    /// not worse by two standard errors of the difference; 0 if that is the best.
    pub(super) fn blend(&self, part: &Collaborative) -> Result<Blended> {
        let scales = self.scales(part)?;
        let with = |share: f32| Blend { share, ..scales };
        if self.params.neighbours == Some(0) || self.users.is_empty() {
            return Ok(Blended { blend: with(0.0), ndcg: Vec::new(), tried: Vec::new() });
        }
        let steps = (0..=SHARE_STEPS).map(|step| f32::from(step) / f32::from(SHARE_STEPS));
        let shares: Vec<f32> = self.params.neighbour_share.map_or_else(|| steps.collect(), |fixed| vec![fixed]);
        let by_user = self.ndcg_of_shares(part, scales, &shares)?;
        let tried: Vec<(f32, Vec<f64>)> = shares
            .iter()
            .enumerate()
            .map(|(i, share)| (*share, by_user.iter().map(|ndcg| ndcg[i]).collect()))
            .collect();
        let means = tried.iter().map(|(share, ndcg)| (*share, mean(ndcg))).collect();
        let best = tried.iter().max_by(|a, b| mean(&a.1).total_cmp(&mean(&b.1)));
        let as_good = |other: &&(f32, Vec<f64>)| {
            best.is_some_and(|best| best.0 > 0.0 && other.0 < best.0 + MORE && !better_by(2.0, &best.1, &other.1))
        };
        let (share, ndcg) = tried.iter().rfind(as_good).or(best).cloned().unwrap_or_default();
        Ok(Blended { blend: with(share), ndcg, tried: means })
    }

    /// NDCG of every share, by validation user. The two models' scores are computed once per user.
    fn ndcg_of_shares(&self, part: &Collaborative, scales: Blend, shares: &[f32]) -> Result<Vec<Vec<f64>>> {
        self.each_user(|user, liked| {
            let factor = part.fold_in(liked)?;
            let alone = |share: f32| {
                let blend = Blend { share, ..scales };
                part.score_all_with(&part.likes_with(factor.clone(), liked.to_vec(), blend), blend)
            };
            let (als, counted) = (alone(0.0), alone(1.0));
            let ndcg = shares.iter().map(|share| {
                let sum: Vec<f32> = als.iter().zip(&counted).map(|(a, c)| (1.0 - share) * a + share * c).collect();
                self.ndcg(user, &sum)
            });
            Ok(ndcg.collect())
        })
    }

    /// What the best scores of a typical user are like in each model.
    pub(super) fn scales(&self, part: &Collaborative) -> Result<Blend> {
        let items = part.items();
        let heights: Vec<(f32, f32)> = self
            .users
            .par_iter()
            .map(|user| {
                self.control.check()?;
                let liked = self.liked(*user);
                let liking: f32 = liked.iter().map(|(_, weight)| weight).sum();
                let alone = Blend { share: 0.0, als_scale: 1.0, neighbour_scale: 1.0 };
                let likes = part.likes_with(part.fold_in(&liked)?, liked.clone(), alone);
                let als = height(&part.score_all_with(&likes, alone));
                let counted = height(&part.neighbours.score_all(&liked, items)) / liking.sqrt().max(f32::MIN_POSITIVE);
                Ok((als, counted))
            })
            .collect::<Result<_>>()?;
        let n = heights.len().max(1) as f32;
        let positive = |sum: f32| if sum > 0.0 && sum.is_finite() { sum / n } else { 1.0 };
        Ok(Blend {
            share: 0.0,
            als_scale: positive(heights.iter().map(|h| h.0).sum()),
            neighbour_scale: positive(heights.iter().map(|h| h.1).sum()),
        })
    }
}

/// The mean of the best scores.
fn height(scores: &[f32]) -> f32 {
    let best = top(scores, K, &[]);
    best.iter().map(|i| scores[*i as usize]).sum::<f32>() / best.len().max(1) as f32
}

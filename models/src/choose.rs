//! The choice of the collaborative part on validation: regularization and α0 of ALS, the length normalisation of the
//! neighbours, and the share of each in the sum.

use rayon::prelude::*;

use crate::als::{self, AlsParams, Factorisation};
use crate::collaborative::{Blend, Collaborative};
use crate::control::Control;
use crate::error::Result;
use crate::evaluate::sample;
use crate::feedback::{Feedback, Interactions};
use crate::metrics;
use crate::neighbours::{NeighbourParams, Neighbours};
use crate::params::ValidParams;
use crate::split::Split;
use crate::topk::top;

/// How to fit a collaborative part; all that validation decided.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Recipe {
    pub als: AlsParams,
    pub neighbours: NeighbourParams,
    pub blend: Blend,
}

/// What was tried, each with its NDCG@10 on validation.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// (regularization, alpha0, NDCG)
    pub als: Vec<(f32, f32, f64)>,
    /// (length normalisation, NDCG)
    pub neighbours: Vec<(f32, f64)>,
    /// (share of the neighbours, NDCG)
    pub shares: Vec<(f32, f64)>,
}

/// The cut-off that everything is chosen by.
pub const K: usize = 10;
/// Users that a choice is made by.
pub const VALIDATION_USERS: usize = 2000;
const MOST_ALS_TRIES: usize = 12;
/// From "popularity costs nothing" to BM25's usual 0.75; books want little of it.
const LENGTH_NORMS: [f32; 4] = [0.1, 0.2, 0.4, 0.75];
const SHARE_STEPS: u8 = 10;

/// Chooses on the hold-out of `inner` and gives the part fitted on its training side.
pub fn choose(
    inner: &Split,
    feedback: &Feedback,
    params: &ValidParams,
    control: &Control,
) -> Result<(Recipe, Collaborative, Evidence)> {
    let search = Search {
        inner,
        matrix: feedback.interactions(&inner.train),
        users: sample(&inner.users(feedback), VALIDATION_USERS),
        feedback,
        params,
        control,
    };
    let mut evidence = Evidence::default();
    let (als, factors) = search.als(&mut evidence)?;
    control.done(0.6)?;
    let (neighbour_params, neighbours) = search.neighbours(&mut evidence)?;
    control.done(0.9)?;
    let mut part = Collaborative {
        factors: factors.items,
        basis: factors.user_basis,
        neighbours,
        blend: Blend { share: 0.0, als_scale: 1.0, neighbour_scale: 1.0 },
    };
    part.blend = search.blend(&part, &mut evidence)?;
    Ok((Recipe { als, neighbours: neighbour_params, blend: part.blend }, part, evidence))
}

/// Fits a chosen part. The factorisation is given as well: it can fold in further items.
pub fn fit(matrix: &Interactions, recipe: &Recipe, control: &Control) -> Result<(Collaborative, Factorisation)> {
    let factors = als::factorise(matrix, &recipe.als, control)?;
    // Neighbours that have no share in the sum need not be counted, stored or loaded.
    let neighbours = if recipe.blend.share > 0.0 {
        Neighbours::fit(matrix, &recipe.neighbours, control)?
    } else {
        Neighbours::none(matrix.cols())
    };
    let part = Collaborative {
        factors: factors.items.clone(),
        basis: factors.user_basis.clone(),
        neighbours,
        blend: recipe.blend,
    };
    Ok((part, factors))
}

struct Search<'a> {
    inner: &'a Split,
    matrix: Interactions,
    users: Vec<u32>,
    feedback: &'a Feedback,
    params: &'a ValidParams,
    control: &'a Control,
}

impl Search<'_> {
    fn liked(&self, user: u32) -> Vec<(u32, f32)> {
        self.feedback.positives(self.inner.train.events.row(user as usize)).collect()
    }

    /// What `judge` makes of each validation user, the liked items and their ids to be left out of a list.
    fn each_user<T: Send>(&self, judge: impl Fn(u32, &[(u32, f32)], &[u32]) -> Result<T> + Sync) -> Result<Vec<T>> {
        self.users
            .par_iter()
            .map(|user| {
                self.control.check()?;
                let liked = self.liked(*user);
                let seen: Vec<u32> = liked.iter().map(|(item, _)| *item).collect();
                judge(*user, &liked, &seen)
            })
            .collect()
    }

    fn ndcg(&self, user: u32, scores: &[f32], seen: &[u32]) -> f64 {
        metrics::judge(&top(scores, K, seen), self.inner.held_out(user as usize), K).ndcg
    }

    /// NDCG by validation user of the scores that `score` gives for all items.
    fn judge(&self, score: impl Fn(u32, &[(u32, f32)]) -> Result<Vec<f32>> + Sync) -> Result<Vec<f64>> {
        self.each_user(|user, liked, seen| Ok(self.ndcg(user, &score(user, liked)?, seen)))
    }

    /// Coordinate descent in factors of three over what is not fixed by an option.
    fn als(&self, evidence: &mut Evidence) -> Result<(AlsParams, Factorisation)> {
        const START: (f32, f32) = (0.01, 0.1);
        const FACTOR: f32 = 3.0;
        let (fixed, params) = ((self.params.regularization, self.params.alpha0), self.params);
        let mut moves: Vec<fn(&mut AlsParams, f32)> = Vec::new();
        if fixed.0.is_none() {
            moves.push(|als, by| als.regularization *= by);
        }
        if fixed.1.is_none() {
            moves.push(|als, by| als.alpha0 *= by);
        }
        let mut attempt = |als: AlsParams| -> Result<(f64, Factorisation)> {
            let quiet = Control::sharing_stop(self.control);
            let factors = als::factorise(&self.matrix, &als, &quiet)?;
            let ndcg = mean(&self.judge(|user, _| Ok(als_scores(&factors, user)))?);
            evidence.als.push((als.regularization, als.alpha0, ndcg));
            self.control.done(0.6 * evidence.als.len() as f32 / MOST_ALS_TRIES as f32)?;
            Ok((ndcg, factors))
        };
        let mut best = AlsParams {
            factors: params.factors,
            epochs: params.epochs,
            regularization: fixed.0.unwrap_or(START.0),
            alpha0: fixed.1.unwrap_or(START.1),
            seed: params.seed,
        };
        let (mut best_ndcg, mut best_factors) = attempt(best)?;
        let (mut left, mut stale) = (MOST_ALS_TRIES - 1, 0);
        for turn in (0..moves.len()).cycle().take(2 * MOST_ALS_TRIES) {
            let mut improved = false;
            for by in [FACTOR, 1.0 / FACTOR] {
                while left > 0 {
                    let mut next = best;
                    moves[turn](&mut next, by);
                    left -= 1;
                    let (ndcg, factors) = attempt(next)?;
                    if ndcg <= best_ndcg {
                        break;
                    }
                    (best, best_ndcg, best_factors) = (next, ndcg, factors);
                    improved = true;
                }
                if improved {
                    break;
                }
            }
            stale = if improved { 0 } else { stale + 1 };
            if stale >= moves.len() || left == 0 {
                break;
            }
        }
        Ok((best, best_factors))
    }

    fn neighbours(&self, evidence: &mut Evidence) -> Result<(NeighbourParams, Neighbours)> {
        let items = self.matrix.cols();
        let most = self.params.neighbours;
        let mut best = (NeighbourParams { length_norm: LENGTH_NORMS[0], most }, Neighbours::none(items));
        if most == 0 {
            return Ok(best);
        }
        let mut best_ndcg = f64::NEG_INFINITY;
        for length_norm in LENGTH_NORMS {
            let params = NeighbourParams { length_norm, most };
            let neighbours = Neighbours::fit(&self.matrix, &params, self.control)?;
            let ndcg = mean(&self.judge(|_, liked| Ok(neighbours.score_all(liked, items)))?);
            evidence.neighbours.push((length_norm, ndcg));
            if ndcg > best_ndcg {
                (best, best_ndcg) = ((params, neighbours), ndcg);
            }
        }
        Ok(best)
    }

    /// The best share; one model alone where the sum is not better by a standard error of the difference.
    fn blend(&self, part: &Collaborative, evidence: &mut Evidence) -> Result<Blend> {
        let scales = self.scales(part)?;
        let with = |share: f32| Blend { share, ..scales };
        if self.params.neighbours == 0 || self.users.is_empty() {
            return Ok(with(0.0));
        }
        let shares: Vec<f32> = (0..=SHARE_STEPS).map(|step| f32::from(step) / f32::from(SHARE_STEPS)).collect();
        let by_user = self.judge_shares(part, scales, &shares)?;
        let tried: Vec<(f32, Vec<f64>)> = shares
            .iter()
            .enumerate()
            .map(|(i, share)| (*share, by_user.iter().map(|ndcg| ndcg[i]).collect()))
            .collect();
        evidence.shares = tried.iter().map(|(share, ndcg)| (*share, mean(ndcg))).collect();
        let better = |a: &&(f32, Vec<f64>), b: &&(f32, Vec<f64>)| mean(&a.1).total_cmp(&mean(&b.1));
        let Some(best) = tried.iter().max_by(better) else { return Ok(with(0.0)) };
        let alone = tried.iter().filter(|t| t.0 == 0.0 || t.0 == 1.0).max_by(better);
        let chosen = alone.filter(|alone| !clearly_better(&best.1, &alone.1)).unwrap_or(best);
        Ok(with(chosen.0))
    }

    /// NDCG of every share, by validation user. The two models' scores are computed once per user.
    fn judge_shares(&self, part: &Collaborative, scales: Blend, shares: &[f32]) -> Result<Vec<Vec<f64>>> {
        self.each_user(|user, liked, seen| {
            let factor = part.fold_in(liked)?;
            let alone = |share: f32| {
                let blend = Blend { share, ..scales };
                part.score_all_with(&part.reader_with(factor.clone(), liked.to_vec(), blend), blend)
            };
            let (als, counted) = (alone(0.0), alone(1.0));
            let ndcg = shares.iter().map(|share| {
                let sum: Vec<f32> = als.iter().zip(&counted).map(|(a, c)| (1.0 - share) * a + share * c).collect();
                self.ndcg(user, &sum, seen)
            });
            Ok(ndcg.collect())
        })
    }

    /// What the best scores of a typical user are like in each model.
    fn scales(&self, part: &Collaborative) -> Result<Blend> {
        let items = part.items();
        let heights: Vec<(f32, f32)> = self
            .users
            .par_iter()
            .map(|user| {
                self.control.check()?;
                let liked = self.liked(*user);
                let liking: f32 = liked.iter().map(|(_, weight)| weight).sum();
                let alone = Blend { share: 0.0, als_scale: 1.0, neighbour_scale: 1.0 };
                let reader = part.reader_with(part.fold_in(&liked)?, liked.clone(), alone);
                let als = height(&part.score_all_with(&reader, alone));
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

fn als_scores(factors: &Factorisation, user: u32) -> Vec<f32> {
    let mut scores = vec![0.0; factors.items.nrows()];
    if let (Some(rows), Some(vector)) = (factors.items.as_slice(), factors.users.row(user as usize).as_slice()) {
        crate::simd::dot_rows(rows, vector, &mut scores);
    }
    scores
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// By more than one standard error of the paired difference.
fn clearly_better(a: &[f64], b: &[f64]) -> bool {
    let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
    let gain = mean(&differences);
    let variance = mean(&differences.iter().map(|d| (d - gain).powi(2)).collect::<Vec<_>>());
    gain > (variance / differences.len().max(1) as f64).sqrt()
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

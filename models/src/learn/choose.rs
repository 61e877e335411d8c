//! The choice of the collaborative part on validation: regularization and α0 of ALS, the ridge of the neighbours, and
//! the share of each in the sum.

use ndarray::{Array2, Axis};
use rayon::prelude::*;

use crate::control::Control;
use crate::data::feedback::{Feedback, Interactions};
use crate::data::split::Split;
use crate::error::Result;
use crate::learn::evaluate::sample;
use crate::learn::metrics;
use crate::learn::params::ValidParams;
use crate::math::topk::top;
use crate::parts::als::{self, AlsParams, Factorisation};
use crate::parts::collaborative::{Blend, Collaborative};
use crate::parts::neighbours::{NeighbourParams, Neighbours, Regressions};

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
    /// Share of the users that the ALS tries were fitted on.
    pub als_sample: f64,
    /// (ridge, NDCG)
    pub neighbours: Vec<(f32, f64)>,
    /// (share of the neighbours, NDCG)
    pub shares: Vec<(f32, f64)>,
    /// Whether the clock ended the search, so that a faster machine would have tried more.
    pub cut_short: bool,
}

/// The cut-off that everything is chosen by.
pub const K: usize = 10;
/// Users that a choice is made by.
pub const VALIDATION_USERS: usize = 2000;
/// In shared readers; Book-Crossing takes 30, MovieLens 100k and the generated library 100.
const RIDGES: [f32; 4] = [10.0, 30.0, 100.0, 300.0];
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
    let als = search.als(&mut evidence)?;
    control.done(0.4)?;
    let factors = als::factorise(&search.matrix, &als, &Control::sharing_stop(control))?;
    control.done(0.5)?;
    let (neighbour_params, neighbours) = search.neighbours(&mut evidence)?;
    control.done(0.8)?;
    let mut part = Collaborative {
        factors: factors.items.into(),
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
        factors: factors.items.clone().into(),
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

    /// λ and α0, on a sample of the users where a search on all would not fit the budget. A sample changes the best
    /// values little: both sides of the objective shrink alike.
    fn als(&self, evidence: &mut Evidence) -> Result<AlsParams> {
        let quiet = Control::sharing_stop(self.control);
        let (regularization, alpha0) = start(self.matrix.cols());
        let start = AlsParams {
            factors: self.params.factors,
            epochs: self.params.epochs,
            regularization: self.params.regularization.unwrap_or(regularization),
            alpha0: self.params.alpha0.unwrap_or(alpha0),
            seed: self.params.seed,
        };
        let free = (self.params.regularization.is_none(), self.params.alpha0.is_none());
        if free == (false, false) || self.users.is_empty() {
            return Ok(start);
        }
        let plan = self.params.budget.als_search(&self.matrix, &start);
        let (matrix, rows) = self.sampled(plan.share);
        evidence.als_sample = plan.share;
        let mut attempt = |als: AlsParams| -> Result<f64> {
            let factors = als::factorise(&matrix, &als, &quiet)?;
            let ndcg = mean(&self.judge_factors(&factors, &rows)?);
            evidence.als.push((als.regularization, als.alpha0, ndcg));
            self.control.done(0.4 * evidence.als.len() as f32 / plan.tries as f32)?;
            Ok(ndcg)
        };
        let over = || self.params.budget.search_is_over(self.control);
        let (best, cut_short) = climb(start, free, plan.tries, &mut attempt, over)?;
        evidence.cut_short |= cut_short;
        Ok(best)
    }

    /// About `share` of the users, and every validation user; with the row of each of the latter.
    fn sampled(&self, share: f64) -> (Interactions, Vec<u32>) {
        let wanted = |user: u32| {
            let hash = xxhash_rust::xxh3::xxh3_64_with_seed(&user.to_le_bytes(), self.params.seed);
            (hash >> 11) as f64 / (1u64 << 53) as f64 <= share
        };
        let users: Vec<u32> = (0..self.matrix.rows() as u32)
            .filter(|user| wanted(*user) || self.users.binary_search(user).is_ok())
            .collect();
        let (mut start, mut items, mut weights) = (vec![0], Vec::new(), Vec::new());
        for row in users.iter().filter_map(|user| self.matrix.outer_view(*user as usize)) {
            items.extend_from_slice(row.indices());
            weights.extend_from_slice(row.data());
            start.push(items.len());
        }
        let rows = self.users.iter().filter_map(|user| users.binary_search(user).ok()).map(|row| row as u32);
        let rows = rows.collect();
        (Interactions::new((users.len(), self.matrix.cols()), start, items, weights), rows)
    }

    /// NDCG by validation user, `rows` being their rows in the factorisation. Some users at a time, by a matrix product:
    /// one by one, each would fetch all factors from memory again.
    fn judge_factors(&self, factors: &Factorisation, rows: &[u32]) -> Result<Vec<f64>> {
        const BATCH: usize = 16;
        let pairs: Vec<(u32, u32)> = self.users.iter().copied().zip(rows.iter().copied()).collect();
        let batches: Vec<Vec<f64>> = pairs
            .par_chunks(BATCH)
            .map(|pairs| {
                self.control.check()?;
                let rows: Vec<usize> = pairs.iter().map(|(_, row)| *row as usize).collect();
                let scores: Array2<f32> = factors.users.select(Axis(0), &rows).dot(&factors.items.t());
                let judged = pairs.iter().zip(scores.rows()).map(|((user, _), scores)| {
                    let seen: Vec<u32> = self.liked(*user).iter().map(|(item, _)| *item).collect();
                    scores.as_slice().map_or(0.0, |scores| self.ndcg(*user, scores, &seen))
                });
                Ok(judged.collect())
            })
            .collect::<Result<_>>()?;
        Ok(batches.into_iter().flatten().collect())
    }

    fn neighbours(&self, evidence: &mut Evidence) -> Result<(NeighbourParams, Neighbours)> {
        let items = self.matrix.cols();
        let most = self.params.neighbours;
        let ridges = self.params.ridge.map_or(RIDGES.to_vec(), |fixed| vec![fixed]);
        let mut best = (NeighbourParams { ridge: ridges[0], most }, Neighbours::none(items));
        if most == 0 || self.users.is_empty() {
            return Ok(best);
        }
        let quiet = Control::sharing_stop(self.control);
        let regressions = Regressions::fit(&self.matrix, most, &ridges, &quiet)?;
        let mut best_ndcg = f64::NEG_INFINITY;
        for (place, ridge) in ridges.into_iter().enumerate() {
            let neighbours = regressions.neighbours(place);
            let ndcg = mean(&self.judge(|_, liked| Ok(neighbours.score_all(liked, items)))?);
            evidence.neighbours.push((ridge, ndcg));
            if ndcg > best_ndcg {
                (best, best_ndcg) = ((NeighbourParams { ridge, most }, neighbours), ndcg);
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
        if let Some(fixed) = self.params.neighbour_share {
            return Ok(with(fixed));
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

/// Where the search for λ and α0 begins. Every user's ridge holds λ·α0·items. Alone, ALS is best with λ = 0.03, 0.016 and
/// 0.05, and that product 3, 10 and 1 (MovieLens 100k, Book-Crossing, a generated library of a million interactions);
/// with the usual 0.01 and 0.1 it would drown a reader's few books in a large catalogue.
fn start(items: usize) -> (f32, f32) {
    const REGULARIZATION: f32 = 0.03;
    const PRODUCT: f32 = 3.0;
    (REGULARIZATION, (PRODUCT / (REGULARIZATION * items.max(1) as f32)).min(0.1))
}

/// Steps of λ and α0, in powers of three. The good values lie along a ridge where the product stays: to climb it, both
/// must be able to move at once.
const STEPS: [(i32, i32); 6] = [(0, -1), (0, 1), (1, -1), (-1, 1), (1, 0), (-1, 0)];

/// From the best place so far to the best of its neighbours, until none is better. `free`: whether λ and whether α0 may
/// be moved. Gives the best and whether `over` ended the search.
fn climb(
    start: AlsParams,
    free: (bool, bool),
    tries: usize,
    attempt: &mut impl FnMut(AlsParams) -> Result<f64>,
    over: impl Fn() -> bool,
) -> Result<(AlsParams, bool)> {
    const FACTOR: f32 = 3.0;
    let at = |(i, j): (i32, i32)| AlsParams {
        regularization: start.regularization * FACTOR.powi(i),
        alpha0: start.alpha0 * FACTOR.powi(j),
        ..start
    };
    let mut tried = vec![((0, 0), attempt(start)?)];
    let mut best = tried[0];
    loop {
        for (i, j) in STEPS.into_iter().filter(|(i, j)| (*i == 0 || free.0) && (*j == 0 || free.1)) {
            let next = (best.0.0 + i, best.0.1 + j);
            if tried.len() >= tries || tried.iter().any(|(place, _)| *place == next) {
                continue;
            }
            if over() {
                return Ok((at(highest(&tried, best).0), true));
            }
            tried.push((next, attempt(at(next))?));
        }
        let found = highest(&tried, best);
        if found.0 == best.0 {
            return Ok((at(best.0), false));
        }
        best = found;
    }
}

type Tried = ((i32, i32), f64);

/// The first of the highest, or the best so far.
fn highest(tried: &[Tried], best: Tried) -> Tried {
    tried.iter().fold(best, |best, other| if other.1 > best.1 { *other } else { best })
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

    const START: AlsParams = AlsParams { factors: 8, epochs: 5, regularization: 0.03, alpha0: 0.01, seed: 1 };

    /// Tries of a search for the top of a slope of λ and α0.
    fn tries(free: (bool, bool), most: usize, slope: impl Fn(f64, f64) -> f64) -> (AlsParams, usize) {
        let mut count = 0;
        let mut attempt = |als: AlsParams| {
            count += 1;
            Ok(slope(f64::from(als.regularization).ln(), f64::from(als.alpha0).ln()))
        };
        let (best, cut_short) = climb(START, free, most, &mut attempt, || false).unwrap();
        assert!(!cut_short);
        (best, count)
    }

    #[test]
    fn the_search_climbs_along_a_ridge() {
        // As steep across the line of one product as flat along it.
        let (x, y) = (0.27f64.ln(), (0.01f64 / 9.0).ln());
        let ridge = |l: f64, a: f64| -(l + a - x - y).powi(2) - 0.01 * (l - x).powi(2);
        let (best, count) = tries((true, true), 40, ridge);
        assert!((best.regularization - 0.27).abs() < 1e-3 && (best.alpha0 - 0.01 / 9.0).abs() < 1e-5, "{best:?}");
        assert!(count <= 13, "{count}");
        assert_eq!(tries((true, true), 4, ridge).1, 4);
    }

    #[test]
    fn the_search_leaves_alone_what_is_fixed() {
        let up = |l: f64, a: f64| l + a;
        assert_eq!(tries((true, false), 12, up).0.alpha0, START.alpha0);
        assert_eq!(tries((false, true), 12, up).0.regularization, START.regularization);
        let over = climb(START, (true, true), 12, &mut |_| Ok(0.0), || true).unwrap();
        assert_eq!(over, (START, true));
    }

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

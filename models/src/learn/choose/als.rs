//! The search for λ, α0 and the number of factors of ALS.

use ndarray::{Array2, Axis};
use rayon::prelude::*;

use super::{Search, Trials, clearly_better, mean};
use crate::control::Control;
use crate::data::feedback::{Interactions, rows_of};
use crate::error::Result;
use crate::parts::als::{AlsParams, Factorisation, factorise};

/// The length of the vectors, and the one that is tried with the best λ and α0. NDCG@10 of the collaborative part with
/// each: 0.324 and 0.326 (MovieLens 100k), 0.252 and 0.259 (a generated library), 0.082 and 0.081 (Book-Crossing).
const FACTORS: usize = 50;
const MANY_FACTORS: usize = 128;

/// The most factors that a choice may arrive at.
pub fn most_factors(fixed: Option<usize>) -> usize {
    fixed.unwrap_or(MANY_FACTORS)
}

impl Search<'_> {
    /// λ, α0 and the number of factors, on a sample of the users where a search on all would not fit the budget. A sample changes the best
    /// values little: both sides of the objective shrink alike.
    pub(super) fn als(&self, trials: &mut Trials) -> Result<AlsParams> {
        let quiet = Control::sharing_stop(self.control);
        let (regularization, alpha0) = start(self.matrix.cols());
        let start = AlsParams {
            factors: self.params.factors.unwrap_or(FACTORS),
            epochs: self.params.epochs,
            regularization: self.params.regularization.unwrap_or(regularization),
            alpha0: self.params.alpha0.unwrap_or(alpha0),
            seed: self.params.seed,
        };
        let free = (self.params.regularization.is_none(), self.params.alpha0.is_none());
        if self.users.is_empty() || (free == (false, false) && self.params.factors.is_some()) {
            return Ok(start);
        }
        let plan = self.params.budget.als_search(self.matrix, &start);
        let (matrix, rows) = self.sampled(plan.share);
        trials.als_sample = plan.share;
        // By user, for the best so far.
        let mut highest: Vec<f64> = Vec::new();
        let mut attempt = |als: AlsParams| -> Result<f64> {
            let factors = factorise(&matrix, &als, &quiet)?;
            let ndcg = self.ndcg_of_factors(&factors, &rows)?;
            let average = mean(&ndcg);
            trials.als.push((als, average));
            if highest.is_empty() || average > mean(&highest) {
                highest = ndcg;
            }
            self.control.done(0.4 * trials.als.len() as f32 / (plan.tries + 1) as f32)?;
            Ok(average)
        };
        let over = || self.params.budget.search_is_over(self.control);
        let (best, cut_short) = climb(start, free, plan.tries, &mut attempt, over)?;
        trials.cut_short |= cut_short;
        if self.params.factors.is_some() || over() {
            return Ok(best);
        }
        // Longer vectors cost time and memory at every score, so they have to be clearly better.
        let longer = AlsParams { factors: MANY_FACTORS, ..best };
        let ndcg = self.ndcg_of_factors(&factorise(&matrix, &longer, &quiet)?, &rows)?;
        trials.als.push((longer, mean(&ndcg)));
        Ok(if clearly_better(&ndcg, &highest) { longer } else { best })
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
        let rows = self.users.iter().filter_map(|user| users.binary_search(user).ok()).map(|row| row as u32);
        (rows_of(self.matrix, users.iter().map(|user| *user as usize)), rows.collect())
    }

    /// NDCG by validation user, `rows` being their rows in the factorisation. Some users at a time, by a matrix product:
    /// one by one, each would fetch all factors from memory again.
    fn ndcg_of_factors(&self, factors: &Factorisation, rows: &[u32]) -> Result<Vec<f64>> {
        const BATCH: usize = 16;
        let pairs: Vec<(u32, u32)> = self.users.iter().copied().zip(rows.iter().copied()).collect();
        let batches: Vec<Vec<f64>> = pairs
            .par_chunks(BATCH)
            .map(|pairs| {
                self.control.check()?;
                let rows: Vec<usize> = pairs.iter().map(|(_, row)| *row as usize).collect();
                let scores: Array2<f32> = factors.users.select(Axis(0), &rows).dot(&factors.items.t());
                let ndcg = pairs
                    .iter()
                    .zip(scores.rows())
                    .map(|((user, _), scores)| scores.as_slice().map_or(0.0, |scores| self.ndcg(*user, scores)));
                Ok(ndcg.collect())
            })
            .collect::<Result<_>>()?;
        Ok(batches.into_iter().flatten().collect())
    }
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
}

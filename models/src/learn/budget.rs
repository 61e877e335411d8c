//! What time a run may take, and how it is shared among the steps that can be made smaller.
//!
//! Shares are planned by counting operations at the speed of a nominal machine, never by the clock, so that the same
//! data and budget give the same model everywhere. The clock only ends a search that takes far longer than planned,
//! and that is told.

use std::time::Duration;

use crate::control::Control;
use crate::data::feedback::Interactions;
use crate::parts::als::AlsParams;

/// Operations a second of the factorisation on two cores of 2020.
const ALS_SPEED: f64 = 1.5e10;
/// Multiply-adds a second of the inversion of a large matrix.
const INVERSION_SPEED: f64 = 2e10;
/// Items a second that are ranked by all systems on the same machine; four million where the catalogue fits the caches.
const RANKING_SPEED: f64 = 2e6;
/// Content rows a second that a hundred trees learn from.
const ROW_SPEED: f64 = 5e4;
/// The search ends when this share of the budget is gone: what follows cannot be left out.
const SEARCH_ENDS: f64 = 0.5;
const MOST_TRIES: usize = 12;
/// Tries of the regression on all others.
const MOST_WHOLE: usize = 8;
/// With fewer tries there is nothing to choose from.
const LEAST_TRIES: usize = 4;
/// A sample of fewer positives says little about the whole.
const LEAST_POSITIVES: f64 = 200_000.0;

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Budget(Duration);

/// How often ALS is tried, and on which share of the users.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AlsSearch {
    pub tries: usize,
    pub share: f64,
}

impl Budget {
    pub fn new(budget: Duration) -> Budget {
        Budget(budget)
    }

    fn seconds(&self, share: f64) -> f64 {
        self.0.as_secs_f64() * share
    }

    /// An eighth of the budget for the tries: first the sample shrinks, then their number.
    pub fn als_search(&self, matrix: &Interactions, params: &AlsParams) -> AlsSearch {
        let once = operations(matrix, params) / ALS_SPEED;
        let affordable = self.seconds(0.125) / once.max(1e-9);
        let least = (LEAST_POSITIVES / matrix.nnz().max(1) as f64).min(1.0);
        let share = (affordable / MOST_TRIES as f64).clamp(least, 1.0);
        let tries = (affordable / share) as usize;
        AlsSearch { tries: tries.clamp(LEAST_TRIES, MOST_TRIES), share }
    }

    /// How often the regression of each item on all others is tried: a quarter of the budget, of which two fits after
    /// the search are kept. `madds`: multiply-adds of a fit.
    pub fn whole_tries(&self, madds: f64) -> usize {
        let affordable = self.seconds(0.25) * INVERSION_SPEED / madds.max(1.0);
        ((affordable - 2.0).max(0.0) as usize).min(MOST_WHOLE)
    }

    /// Whether a low-pass filter of so many multiply-adds is tried: a fortieth of the budget for that and two fits.
    pub fn affords_filter(&self, madds: f64) -> bool {
        3.0 * madds / INVERSION_SPEED <= self.seconds(0.025)
    }

    pub fn search_is_over(&self, control: &Control) -> bool {
        control.elapsed().as_secs_f64() > self.seconds(SEARCH_ENDS)
    }

    /// How many of the users can be ranked against all items in a quarter of the budget, to evaluate.
    pub fn evaluated(&self, users: usize, items: usize) -> usize {
        self.ranked(0.25, users, items)
    }

    /// How many of the users can be ranked against all items in an eighth of the budget, to learn the weights.
    pub fn weighed(&self, users: usize, items: usize) -> usize {
        self.ranked(0.125, users, items)
    }

    fn ranked(&self, share: f64, users: usize, items: usize) -> usize {
        const LEAST_USERS: f64 = 200.0;
        let affordable = self.seconds(share) * RANKING_SPEED / items.max(1) as f64;
        users.min(affordable.max(LEAST_USERS) as usize)
    }

    /// How many rows the content model may learn from in a sixth of the budget.
    pub fn content_rows(&self, most: usize) -> usize {
        const LEAST_ROWS: f64 = 50_000.0;
        most.min((self.seconds(1.0 / 6.0) * ROW_SPEED).max(LEAST_ROWS) as usize)
    }
}

/// Multiplications and additions of a factorisation: n·k² + k³/3 of a long row, n²·k + n³/3 of a short one.
fn operations(matrix: &Interactions, params: &AlsParams) -> f64 {
    let k = params.factors as f64;
    let row = |n: usize| {
        let n = n as f64;
        if n <= k { n * n * k + n * n * n / 3.0 } else { n * k * k + k * k * k / 3.0 }
    };
    let mut readers = vec![0usize; matrix.cols()];
    matrix.indices().iter().for_each(|item| readers[*item as usize] += 1);
    let users: f64 = matrix.outer_iterator().map(|r| row(r.nnz())).sum();
    let items: f64 = readers.into_iter().map(row).sum();
    let rotations = 4.0 * (matrix.rows() + matrix.cols()) as f64 * k * k;
    params.epochs as f64 * (users + items + rotations)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(users: usize) -> Interactions {
        let mut all = sprs::TriMatI::<f32, u32>::new((users, 100));
        (0..users).for_each(|u| (0..20).for_each(|i| all.add_triplet(u, (u * 7 + i * 3) % 100, 1.0)));
        all.to_csr()
    }

    const PARAMS: AlsParams = AlsParams { factors: 50, epochs: 5, regularization: 0.01, alpha0: 0.1, seed: 1 };

    #[test]
    fn a_small_run_searches_on_everything() {
        let plan = Budget::new(Duration::from_secs(30)).als_search(&matrix(1000), &PARAMS);
        assert_eq!(plan, AlsSearch { tries: MOST_TRIES, share: 1.0 });
    }

    #[test]
    fn a_short_budget_first_shrinks_the_sample_and_then_the_tries() {
        let matrix = matrix(50_000);
        let plan = |seconds: f64| Budget::new(Duration::from_secs_f64(seconds)).als_search(&matrix, &PARAMS);
        let (rich, poor, broke) = (plan(200.0), plan(30.0), plan(0.01));
        assert_eq!((rich.tries, rich.share), (MOST_TRIES, 1.0));
        assert!(poor.tries == MOST_TRIES && poor.share < 1.0);
        assert!(broke.tries == LEAST_TRIES && broke.share == 0.2);
    }

    #[test]
    fn all_others_are_tried_where_the_budget_has_time_for_a_try_and_two_fits() {
        let (short, long) = (Budget::new(Duration::from_secs(10)), Budget::new(Duration::from_secs(300)));
        let cubic = |n: f64| 0.5 * n.powi(3);
        assert_eq!((long.whole_tries(cubic(4000.0)), long.whole_tries(cubic(9900.0))), (MOST_WHOLE, 1));
        assert_eq!((long.whole_tries(cubic(12_000.0)), short.whole_tries(cubic(4000.0))), (0, 0));
        assert_eq!(short.whole_tries(cubic(1000.0)), MOST_WHOLE);
    }

    #[test]
    fn a_filter_is_tried_where_three_of_them_take_a_fortieth_of_the_budget() {
        let (short, long) = (Budget::new(Duration::from_secs(10)), Budget::new(Duration::from_secs(300)));
        assert!(long.affords_filter(4.9e10) && !long.affords_filter(5.1e10));
        assert!(short.affords_filter(1.6e9) && !short.affords_filter(1.7e9));
    }

    #[test]
    fn what_is_ranked_and_learned_follows_the_budget() {
        let (short, long) = (Budget::new(Duration::from_secs(10)), Budget::new(Duration::from_secs(300)));
        assert_eq!(long.evaluated(4000, 34_000), 4000);
        assert!(short.evaluated(4000, 34_000) < 1000 && short.evaluated(4000, 1 << 30) == 200);
        assert!(long.content_rows(600_000) == 600_000 && short.content_rows(600_000) < 200_000);
    }
}

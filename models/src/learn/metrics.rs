//! Ranking metrics, macro-averaged over users, and the paired bootstrap that compares two models.
//!
//! P = hits/K; R = hits/|T|; AP over min(K,|T|); binary NDCG with its ideal over min(K,|T|).
//! A user without recommendations counts 0.

use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};

use crate::error::Result;

/// The cut-off of all that is chosen, evaluated and decided.
pub const K: usize = 10;

/// The metrics of one user's list, or their means, at a cut-off.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    pub precision: f64,
    pub recall: f64,
    pub ndcg: f64,
    pub map: f64,
    pub mrr: f64,
    pub hit_rate: f64,
}

/// As [`Metrics::values`] orders them.
pub const NAMES: [&str; 6] = ["precision", "recall", "ndcg", "map", "mrr", "hit_rate"];

impl Metrics {
    pub fn values(&self) -> [f64; NAMES.len()] {
        [self.precision, self.recall, self.ndcg, self.map, self.mrr, self.hit_rate]
    }
}

/// The metrics of a list (best first, no duplicates), given the relevant items (ascending, not empty), at cut-off `k` ≥ 1.
pub fn measure(ranked: &[u32], relevant: &[u32], k: usize) -> Metrics {
    let discount = |rank: usize| 1.0 / ((rank + 2) as f64).log2();
    let possible = k.min(relevant.len());
    let (mut hits, mut gain, mut precisions, mut first) = (0usize, 0.0, 0.0, 0.0);
    for (rank, item) in ranked.iter().take(k).enumerate() {
        if relevant.binary_search(item).is_ok() {
            hits += 1;
            gain += discount(rank);
            precisions += hits as f64 / (rank + 1) as f64;
            if hits == 1 {
                first = 1.0 / (rank + 1) as f64;
            }
        }
    }
    let ideal: f64 = (0..possible).map(discount).sum();
    Metrics {
        precision: hits as f64 / k as f64,
        recall: hits as f64 / relevant.len() as f64,
        ndcg: gain / ideal,
        map: precisions / possible as f64,
        mrr: first,
        hit_rate: if hits > 0 { 1.0 } else { 0.0 },
    }
}

/// The means; zeros without users.
pub fn mean(users: &[Metrics]) -> Metrics {
    let of = |value: fn(&Metrics) -> f64| users.iter().map(value).sum::<f64>() / users.len().max(1) as f64;
    Metrics {
        precision: of(|m| m.precision),
        recall: of(|m| m.recall),
        ndcg: of(|m| m.ndcg),
        map: of(|m| m.map),
        mrr: of(|m| m.mrr),
        hit_rate: of(|m| m.hit_rate),
    }
}

const RESAMPLES: usize = 1000;

/// The 95 % interval of a mean by the bootstrap (1000 resamples of users).
pub fn interval(values: &[f64], seed: u64) -> (f64, f64) {
    let never_stopped = intervals(values, 1, seed, || Ok(()));
    never_stopped.ok().and_then(|one| one.into_iter().next()).unwrap_or_default()
}

/// [`interval`] for each of several columns over the same users, who are resampled together: `values` holds a row of `columns`
/// values for each user. `check` is asked before each resample.
///
/// # Errors
/// That of `check`.
pub fn intervals(values: &[f64], columns: usize, seed: u64, check: impl Fn() -> Result<()>) -> Result<Vec<(f64, f64)>> {
    let users = values.len() / columns.max(1);
    if users == 0 {
        return Ok(vec![(0.0, 0.0); columns]);
    }
    let mut rng = rand_pcg::Pcg64Mcg::seed_from_u64(seed);
    let mut means = vec![Vec::with_capacity(RESAMPLES); columns];
    let mut sums = vec![0.0; columns];
    for _ in 0..RESAMPLES {
        check()?;
        sums.fill(0.0);
        for _ in 0..users {
            let row = rng.random_range(0..users) * columns;
            sums.iter_mut().zip(&values[row..row + columns]).for_each(|(sum, value)| *sum += value);
        }
        means.iter_mut().zip(&sums).for_each(|(means, sum)| means.push(sum / users as f64));
    }
    let ends = |mut means: Vec<f64>| {
        means.sort_unstable_by(f64::total_cmp);
        (means[25], means[974])
    };
    Ok(means.into_iter().map(ends).collect())
}

/// The 95 % interval of mean(a − b) over the same users: the paired bootstrap.
pub fn paired_interval(a: &[f64], b: &[f64], seed: u64) -> (f64, f64) {
    let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
    interval(&differences, seed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        let m = measure(&[5, 1, 9, 2], &[1, 2, 3], 4);
        assert_eq!((m.precision, m.mrr, m.hit_rate), (0.5, 0.5, 1.0));
        assert!((m.recall - 2.0 / 3.0).abs() < 1e-12);
        assert!((m.map - (0.5 + 0.5) / 3.0).abs() < 1e-12);
        let gain = 1.0 / 3f64.log2() + 1.0 / 5f64.log2();
        let ideal = 1.0 + 1.0 / 3f64.log2() + 0.5;
        assert!((m.ndcg - gain / ideal).abs() < 1e-12);
    }

    #[test]
    fn perfect_and_empty_lists() {
        let perfect = measure(&[1, 2], &[1, 2], 10);
        assert_eq!((perfect.ndcg, perfect.map, perfect.recall, perfect.precision), (1.0, 1.0, 1.0, 0.2));
        assert_eq!(measure(&[], &[1], 10), Metrics::default());
        assert_eq!(mean(&[]), Metrics::default());
    }

    #[test]
    fn the_paired_interval_sees_a_small_constant_gain() {
        let b: Vec<f64> = (0..500).map(|i| f64::from(i % 10) / 10.0).collect();
        let a: Vec<f64> = b.iter().map(|v| v + 0.01).collect();
        let (low, high) = paired_interval(&a, &b, 1);
        assert!((low - 0.01).abs() < 1e-9 && (high - 0.01).abs() < 1e-9);
        let (low, high) = interval(&b, 1);
        assert!(low < 0.45 && 0.45 < high && high - low < 0.06);
    }

    #[test]
    fn columns_that_are_resampled_together_have_the_intervals_that_each_has_alone() {
        let (a, b): (Vec<f64>, Vec<f64>) = (0..40).map(|i| (f64::from(i % 7), f64::from(i % 3) / 3.0)).unzip();
        let rows: Vec<f64> = a.iter().zip(&b).flat_map(|(a, b)| [*a, *b]).collect();
        assert_eq!(intervals(&rows, 2, 5, || Ok(())).unwrap(), [interval(&a, 5), interval(&b, 5)]);
        assert_eq!(intervals(&[], 2, 5, || Ok(())).unwrap(), [(0.0, 0.0); 2]);
        assert!(matches!(intervals(&rows, 2, 5, || Err(crate::Error::Stopped)), Err(crate::Error::Stopped)));
    }
}

//! The sample-ratio check: whether users fell on the variants as they should have. Where they did not, what is compared is
//! not the variants but the users, and no figure of the experiment means anything.
//!
//! It is the sequential test of Lindon and Malek ("Anytime-Valid Inference for Multinomial Count Data", NeurIPS 2022): the
//! Bayes factor of a Dirichlet prior around the expected shares against these shares. For users who come one after the other
//! it is a martingale, so its inverse is a p-value that holds at all looks together, exactly and from the first user on.

use libm::lgamma;

/// What the prior weighs, in users: that one of two variants gets 5 % more is an alarm after about 34 000 users; with 10 it
/// were 38 000, with 1000 30 000. That all users get the same variant is one after 45, 20 or 126.
const WEIGHT: f64 = 100.0;

/// The smallest p-value that is no alarm: one of a thousand sound experiments raises one in all its life.
pub const MISMATCH: f64 = 0.001;

/// The p-value of `counts` users against the `shares` that they should have, which are positive and need not sum to 1. It is 1
/// without users.
///
/// ```
/// use reco_models::{MISMATCH, sample_ratio};
///
/// assert!(sample_ratio(&[10_050.0, 9_950.0], &[0.5, 0.5]) > 0.5);
/// assert!(sample_ratio(&[10_500.0, 9_500.0], &[0.5, 0.5]) < MISMATCH);
/// ```
pub fn sample_ratio(counts: &[f64], shares: &[f64]) -> f64 {
    let whole: f64 = shares.iter().sum();
    let users: f64 = counts.iter().sum();
    let mut log_factor = lgamma(WEIGHT) - lgamma(WEIGHT + users);
    for (count, share) in counts.iter().zip(shares) {
        let share = share / whole;
        let prior = WEIGHT * share;
        log_factor += lgamma(prior + count) - lgamma(prior) - count * share.ln();
    }
    (-log_factor).exp().min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// User by user: how much more probable the prior, as it has learned so far, makes the next one.
    fn one_by_one(variants: &[usize], shares: &[f64]) -> f64 {
        let mut seen: Vec<f64> = shares.iter().map(|share| WEIGHT * share).collect();
        let mut factor = 1.0;
        for variant in variants {
            factor *= seen[*variant] / seen.iter().sum::<f64>() / shares[*variant];
            seen[*variant] += 1.0;
        }
        (1.0f64 / factor).min(1.0)
    }

    #[test]
    fn it_is_the_product_of_the_predictions() {
        let shares = [0.5, 0.2, 0.3];
        let variants: Vec<usize> = (0..300).map(|i| if i % 3 == 0 { 1 } else { (i % 2) * 2 }).collect();
        for users in [0, 1, 7, 100, 300] {
            let of = |variant| variants[..users].iter().filter(|v| **v == variant).count() as f64;
            let (fast, slow) = (sample_ratio(&[of(0), of(1), of(2)], &shares), one_by_one(&variants[..users], &shares));
            assert!((fast - slow).abs() < 1e-9 * slow.max(1e-6), "{users}: {fast} {slow}");
        }
        assert!(sample_ratio(&[100.0, 100.0, 100.0], &shares) < 1e-3);
    }

    #[test]
    fn shares_may_have_any_sum_and_no_users_tell_nothing() {
        assert_eq!(sample_ratio(&[0.0, 0.0], &[1.0, 1.0]), 1.0);
        let (halves, ones) = (sample_ratio(&[700.0, 500.0], &[0.5, 0.5]), sample_ratio(&[700.0, 500.0], &[9.0, 9.0]));
        assert!((halves - ones).abs() < 1e-9 && halves < MISMATCH);
    }
}

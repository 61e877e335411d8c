//! The few distributions that the library needs.

use rand::{Rng, RngExt};

pub fn chance(probability: f64, rng: &mut impl Rng) -> bool {
    rng.random::<f64>() < probability
}

/// Approximately standard normal: the sum of twelve uniforms, which needs no logarithm and rounds the same everywhere.
pub fn normal(rng: &mut impl Rng) -> f64 {
    (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0
}

/// An index into `weights`, with a chance in proportion to the weight there. For short lists.
pub fn weighted(weights: &[f64], rng: &mut impl Rng) -> usize {
    let mut left = rng.random::<f64>() * weights.iter().sum::<f64>();
    for (index, weight) in weights.iter().enumerate() {
        left -= weight;
        if left < 0.0 {
            return index;
        }
    }
    weights.len() - 1
}

/// The weights 1, 2^-exponent, 3^-exponent ...
pub fn zipf(len: usize, exponent: f64) -> Vec<f64> {
    (1..=len).map(|rank| libm::pow(rank as f64, -exponent)).collect()
}

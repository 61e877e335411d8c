//! The moments of users and items, and the posterior distribution of one of them given those of the others.
//!
//! A row (a user or an item) is a Gaussian over (b, f): its bias and its factors. For the rows of the other side it is the
//! regressor y = (1, f) with the offset b. They need its moments only: `E[y·yᵀ]` (upper triangle, row by row), `E[b·y]` and
//! `E[b²]`, stored in this order. A posterior follows from sums of moments.

use crate::error::{Error, Result};
use crate::math::simd::dispatch;

/// The distribution of a row's bias and factors: mean, and covariance (size × size).
#[derive(Debug, Clone)]
pub struct Posterior {
    pub mean: Vec<f64>,
    pub covariance: Vec<f64>,
}

/// Floats of a row of moments; `size` counts the bias and the factors.
pub fn width(size: usize) -> usize {
    triangle(size) + size + 1
}

fn triangle(size: usize) -> usize {
    size * (size + 1) / 2
}

/// The mean of the `i`-th parameter in a row of moments, the bias being the first.
pub fn mean(moments: &[f32], size: usize, i: usize) -> f32 {
    if i == 0 { moments[triangle(size)] } else { moments[i] }
}

/// `E[x²]` of the `i`-th parameter.
pub fn square(moments: &[f32], size: usize, i: usize) -> f32 {
    // The diagonal of a triangle stored by rows.
    if i == 0 { moments[width(size) - 1] } else { moments[i * size - i * (i - 1) / 2] }
}

impl Posterior {
    pub fn new(size: usize) -> Posterior {
        Posterior { mean: vec![0.0; size], covariance: vec![0.0; size * size] }
    }

    fn second(&self, i: usize, j: usize) -> f64 {
        self.mean[i] * self.mean[j] + self.covariance[i * self.mean.len() + j]
    }

    /// Writes the moments of the distribution.
    pub fn store(&self, moments: &mut [f32]) {
        let size = self.mean.len();
        let regressor = |(i, j): (usize, usize)| match (i, j) {
            (0, 0) => 1.0,
            (0, j) => self.mean[j],
            (i, j) => self.second(i, j),
        };
        let crossed = (0..size).map(|j| if j == 0 { self.mean[0] } else { self.second(0, j) });
        let all = upper(size).map(regressor).chain(crossed).chain([self.second(0, 0)]);
        moments.iter_mut().zip(all).for_each(|(to, from)| *to = from as f32);
    }
}

/// Places of an upper triangle, row by row.
fn upper(size: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..size).flat_map(move |i| (i..size).map(move |j| (i, j)))
}

/// Sums over the ratings of one row.
#[derive(Debug, Clone)]
pub struct Sums {
    size: usize,
    moments: Vec<f64>,
    /// `Σ z·E[y]`, z being a rating less the mean of all.
    right: Vec<f64>,
    /// `Σ z² − 2·z·E[b]`.
    spread: f64,
}

impl Sums {
    pub fn new(size: usize) -> Sums {
        Sums { size, moments: vec![0.0; width(size)], right: vec![0.0; size], spread: 0.0 }
    }

    pub fn clear(&mut self) {
        self.moments.fill(0.0);
        self.right.fill(0.0);
        self.spread = 0.0;
    }

    /// Adds the ratings `z` of the rows `index` of the other side's `moments`.
    pub fn add(&mut self, moments: &[f32], index: &[u32], z: &[f32]) {
        add_best(self, moments, index, z);
    }

    /// The posterior under a Gaussian prior (mean and diagonal precision), with noise of the given precision.
    ///
    /// # Errors
    /// [`Error::NotFinite`] where the precision of the posterior is not positive definite.
    pub fn solve(
        &self,
        prior_mean: &[f32],
        prior_precision: &[f64],
        noise: f64,
        posterior: &mut Posterior,
    ) -> Result<()> {
        let size = self.size;
        let Posterior { mean, covariance } = posterior;
        for ((i, j), sum) in upper(size).zip(&self.moments) {
            covariance[i * size + j] = noise * sum;
            covariance[j * size + i] = noise * sum;
        }
        prior_precision.iter().enumerate().for_each(|(i, p)| covariance[i * size + i] += p);
        let sound = invert(covariance, size);
        let right = |i: usize| noise * self.right(i) + prior_precision[i] * f64::from(prior_mean[i]);
        for (mean, row) in mean.iter_mut().zip(covariance.chunks_exact(size)) {
            *mean = row.iter().enumerate().map(|(i, c)| c * right(i)).sum();
        }
        if sound && mean.iter().all(|v| v.is_finite()) { Ok(()) } else { Err(Error::NotFinite("a rating factor")) }
    }

    /// The expected value of Σ (z − b − x·y)² over the row's ratings.
    pub fn squared_error(&self, row: &Posterior) -> f64 {
        let quadratic: f64 = upper(self.size)
            .zip(&self.moments)
            .map(|((i, j), sum)| if i == j { 1.0 } else { 2.0 } * sum * row.second(i, j))
            .sum();
        let linear: f64 = row.mean.iter().enumerate().map(|(i, mean)| mean * self.right(i)).sum();
        self.spread + self.moments[self.moments.len() - 1] - 2.0 * linear + quadratic
    }

    /// `Σ (z·E[y] − E[b·y])`
    fn right(&self, i: usize) -> f64 {
        self.right[i] - self.moments[triangle(self.size) + i]
    }
}

dispatch! { fn invert = invert_generic(a: &mut [f64], n: usize) -> bool }

/// Replaces a symmetric positive definite matrix by its inverse, with one sweep per pivot; false if it is not positive
/// definite. With nine rows this is four times as fast as the decomposition of a general library, and solving takes half
/// the time of a fit.
#[inline(always)]
fn invert_generic<const FMA: bool>(a: &mut [f64], n: usize) -> bool {
    for k in 0..n {
        let pivot = a[k * n + k];
        // Also false for NaN.
        if !(pivot > 0.0 && pivot.is_finite()) {
            return false;
        }
        let scale = 1.0 / pivot;
        a[k * n..][..n].iter_mut().for_each(|v| *v *= scale);
        a[k * n + k] = scale;
        let (above, rest) = a.split_at_mut(k * n);
        let (row, below) = rest.split_at_mut(n);
        for other in above.chunks_exact_mut(n).chain(below.chunks_exact_mut(n)) {
            let factor = other[k];
            other[k] = 0.0;
            other.iter_mut().zip(row.iter()).for_each(|(o, r)| *o -= factor * r);
        }
    }
    true
}

dispatch! { fn add_best = add(sums: &mut Sums, moments: &[f32], index: &[u32], z: &[f32]) }

/// Sums in f64: a popular item has a hundred thousand ratings.
#[inline(always)]
fn add<const FMA: bool>(sums: &mut Sums, moments: &[f32], index: &[u32], z: &[f32]) {
    let (size, width) = (sums.size, sums.moments.len());
    for (row, z) in index.iter().zip(z) {
        let row = &moments[*row as usize * width..][..width];
        let z = f64::from(*z);
        for (sum, m) in sums.moments.iter_mut().zip(row) {
            *sum += f64::from(*m);
        }
        for (sum, m) in sums.right.iter_mut().zip(&row[..size]) {
            *sum += z * f64::from(*m);
        }
        sums.spread += z * (z - 2.0 * f64::from(row[triangle(size)]));
    }
}

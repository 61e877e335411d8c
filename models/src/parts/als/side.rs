//! Rows that are gathered by index.

use ndarray::Array2;

use crate::math::simd::prefetch;

/// Factors of one side, row-major. Slices, because the compiler does not always see that a row of ndarray is one.
#[derive(Clone, Copy)]
pub struct Side<'a> {
    values: &'a [f32],
    pub factors: usize,
}

/// Rows that are prefetched: 64 of 64 floats stay in the first-level cache.
pub const PANEL_ROWS: usize = 64;

impl<'a> Side<'a> {
    /// `values` are rows of `factors`, one after the other.
    pub fn new(values: &'a [f32], factors: usize) -> Side<'a> {
        Side { values, factors }
    }

    /// Factors are built row by row and rotated in place, so that the rows of an array always lie one after the other.
    pub fn of(array: &'a Array2<f32>) -> Side<'a> {
        debug_assert!(array.is_standard_layout());
        Side { values: array.as_slice().unwrap_or_default(), factors: array.ncols() }
    }

    pub fn row(&self, row: u32) -> &'a [f32] {
        &self.values[row as usize * self.factors..][..self.factors]
    }

    /// Prefetches the first of the rows.
    pub fn prefetch(&self, rows: &[u32]) {
        rows.iter().take(PANEL_ROWS).for_each(|row| prefetch(self.row(*row)));
    }
}

//! The inverse of a large symmetric positive definite matrix, in place and on all threads of the current pool.
//!
//! By sweeping blocks: for the block K with the pivot P = A_KK⁻¹, A_IJ − A_IK·P·A_KJ takes the place of A_IJ, A_IK·P that of
//! A_IK, and −P that of A_KK. After all blocks the matrix is −A⁻¹. For positive definite matrices that is as stable as
//! Cholesky (Higham, "Accuracy and Stability of Numerical Algorithms", 2002, chapter 14), takes the same n³/2
//! multiply-adds as a Cholesky factor with the inverse that is made of it, and nearly all of them are one update of the
//! whole upper triangle, whose blocks of rows are independent. Every element is summed in the same order, whatever the
//! number of threads. Pivots are inverted in f64.

use nalgebra::DMatrix;
use rayon::prelude::*;

use crate::error::Result;
use crate::math::product::{DEPTH, WIDTH, add_product_best};

/// A symmetric matrix of which the upper triangle is kept, in whole blocks of [`DEPTH`] rows.
pub struct Symmetric {
    n: usize,
    /// The distance of rows: n in whole blocks. What is beyond n is an identity.
    width: usize,
    values: Vec<f32>,
}

/// Numbers that a matrix of `n` rows takes.
pub fn cells(n: usize) -> usize {
    n.next_multiple_of(DEPTH).pow(2)
}

/// Bytes of a matrix of `n` rows, and of what its inversion takes beside it.
pub fn bytes(n: usize) -> usize {
    (cells(n) + 2 * n.next_multiple_of(DEPTH) * DEPTH) * size_of::<f32>()
}

/// Multiply-adds of an inversion.
pub fn madds(n: usize) -> f64 {
    0.5 * (n as f64).powi(3)
}

impl Symmetric {
    /// Zeros in `values`, which is empty and has room for [`cells`].
    pub fn new(n: usize, mut values: Vec<f32>) -> Symmetric {
        let width = n.next_multiple_of(DEPTH);
        values.resize(width * width, 0.0);
        (n..width).for_each(|i| values[i * width + i] = 1.0);
        Symmetric { n, width, values }
    }

    /// The rows, each with what is in it from the first column on; only the upper triangle counts.
    pub fn rows_mut(&mut self) -> impl IndexedParallelIterator<Item = &mut [f32]> {
        self.values.par_chunks_mut(self.width.max(1)).take(self.n)
    }

    /// The inverse, whole; None where the matrix is not positive definite in f32. `check` is called every few milliseconds on
    /// each thread, and can end the work; `done` is called with the share that is done.
    ///
    /// # Errors
    /// Those of `check` and `done`.
    pub fn inverse(
        mut self,
        check: &(impl Fn() -> Result<()> + Sync),
        done: &impl Fn(f32) -> Result<()>,
    ) -> Result<Option<Symmetric>> {
        let blocks = self.width / DEPTH;
        let mut panel = vec![0.0; self.width * DEPTH];
        let mut columns = panel.clone();
        for block in 0..blocks {
            done(block as f32 / blocks as f32)?;
            let Some(pivot) = self.negative_pivot(block) else { return Ok(None) };
            self.copy_panel(block, &mut panel, &mut columns);
            self.sweep(block, &mut panel, &columns, &pivot, check)?;
        }
        self.values.par_iter_mut().for_each(|v| *v = -*v);
        self.mirror();
        Ok(Some(self))
    }

    /// −A_KK⁻¹ in panels.
    fn negative_pivot(&self, block: usize) -> Option<Vec<f32>> {
        let first = block * DEPTH;
        let own = |i: usize, j: usize| f64::from(self.values[(first + i.min(j)) * self.width + first + i.max(j)]);
        let inverse = DMatrix::from_fn(DEPTH, DEPTH, own).cholesky()?.inverse();
        let mut panels = vec![0.0; DEPTH * DEPTH];
        for (p, panel) in panels.chunks_exact_mut(DEPTH * WIDTH).enumerate() {
            for (k, row) in panel.chunks_exact_mut(WIDTH).enumerate() {
                for (c, value) in row.iter_mut().enumerate() {
                    *value = -inverse[(k, p * WIDTH + c)] as f32;
                    if !value.is_finite() {
                        return None;
                    }
                }
            }
        }
        Some(panels)
    }

    /// A_IK for all I ≠ K, by rows in `panel` and transposed in panels in `columns`; zeros for K itself.
    fn copy_panel(&self, block: usize, panel: &mut [f32], columns: &mut [f32]) {
        let (first, width) = (block * DEPTH, self.width);
        panel.par_chunks_mut(DEPTH * DEPTH).enumerate().for_each(|(other, rows)| {
            if other == block {
                return rows.fill(0.0);
            }
            for (i, row) in rows.chunks_exact_mut(DEPTH).enumerate() {
                let j = other * DEPTH + i;
                match other < block {
                    true => row.copy_from_slice(&self.values[j * width + first..][..DEPTH]),
                    false => row.iter_mut().enumerate().for_each(|(k, v)| *v = self.values[(first + k) * width + j]),
                }
            }
        });
        columns.par_chunks_mut(DEPTH * WIDTH).zip(panel.par_chunks(WIDTH * DEPTH)).for_each(|(columns, rows)| {
            for (c, row) in rows.chunks_exact(DEPTH).enumerate() {
                row.iter().enumerate().for_each(|(k, value)| columns[k * WIDTH + c] = *value);
            }
        });
    }

    /// All that a block changes. Afterwards `panel` holds −A_IK·P.
    fn sweep(
        &mut self,
        block: usize,
        panel: &mut [f32],
        columns: &[f32],
        pivot: &[f32],
        check: &(impl Fn() -> Result<()> + Sync),
    ) -> Result<()> {
        let (first, width) = (block * DEPTH, self.width);
        let blocks = self.values.par_chunks_mut(DEPTH * width).zip(panel.par_chunks_mut(DEPTH * DEPTH)).enumerate();
        blocks.with_max_len(1).try_for_each(|(other, (rows, panel))| {
            check()?;
            if other == block {
                return Ok(());
            }
            let mut product = vec![0.0; DEPTH * DEPTH];
            for (p, pivot) in pivot.chunks_exact(DEPTH * WIDTH).enumerate() {
                add_product_best(panel, pivot, &mut product[p * WIDTH..], DEPTH);
            }
            let from = other * DEPTH / WIDTH;
            for (p, columns) in columns.chunks_exact(DEPTH * WIDTH).enumerate().skip(from) {
                add_product_best(&product, columns, &mut rows[p * WIDTH..], width);
            }
            if other < block {
                for (row, product) in rows.chunks_exact_mut(width).zip(product.chunks_exact(DEPTH)) {
                    row[first..first + DEPTH].iter_mut().zip(product).for_each(|(v, p)| *v = -p);
                }
            }
            panel.copy_from_slice(&product);
            Ok(())
        })?;
        let own = &mut self.values[first * width..(first + DEPTH) * width];
        own.par_chunks_mut(width).enumerate().for_each(|(k, row)| {
            for (c, value) in row[first..first + DEPTH].iter_mut().enumerate() {
                *value = pivot[c / WIDTH * (DEPTH * WIDTH) + k * WIDTH + c % WIDTH];
            }
            for (j, value) in row.iter_mut().enumerate().skip(first + DEPTH) {
                *value = -panel[j * DEPTH + k];
            }
        });
        Ok(())
    }

    /// Copies the upper triangle to the lower one.
    fn mirror(&mut self) {
        let width = self.width;
        for first in (0..width).step_by(DEPTH) {
            let (above, below) = self.values.split_at_mut(first * width);
            let rows = &mut below[..DEPTH * width];
            for (j, row) in above.chunks_exact(width).enumerate() {
                let own = &row[first..first + DEPTH];
                own.iter().enumerate().for_each(|(i, value)| rows[i * width + j] = *value);
            }
            (0..DEPTH).for_each(|i| (0..i).for_each(|j| rows[i * width + first + j] = rows[j * width + first + i]));
        }
    }

    /// A row; whole after an inversion.
    pub fn row(&self, i: usize) -> &[f32] {
        &self.values[i * self.width..][..self.n]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    /// Positive definite, because it is convex and falls with the distance, and far from a diagonal.
    fn element(i: usize, j: usize) -> f64 {
        1.0 / (1.0 + i.abs_diff(j) as f64 / 8.0) + if i == j { 0.5 } else { 0.0 }
    }

    fn matrix(n: usize, element: impl Fn(usize, usize) -> f64 + Sync) -> Symmetric {
        let mut matrix = Symmetric::new(n, Vec::with_capacity(cells(n)));
        matrix.rows_mut().enumerate().for_each(|(i, row)| {
            // What is below the diagonal does not count.
            row[..i].fill(f32::NAN);
            (i..n).for_each(|j| row[j] = element(i, j) as f32);
        });
        matrix
    }

    fn inverse(n: usize, element: impl Fn(usize, usize) -> f64 + Sync) -> Option<Symmetric> {
        matrix(n, element).inverse(&|| Ok(()), &|_| Ok(())).unwrap()
    }

    #[test]
    fn it_is_the_inverse_that_a_dense_solver_gives() {
        for n in [1, 2, 127, 128, 129, 300, 520] {
            let exact = DMatrix::from_fn(n, n, element).cholesky().unwrap().inverse();
            let found = inverse(n, element).unwrap();
            let largest = exact.iter().fold(0.0f64, |a, b| a.max(b.abs()));
            for i in 0..n {
                let row = found.row(i);
                assert_eq!(row.len(), n);
                for (j, value) in row.iter().enumerate() {
                    let error = (f64::from(*value) - exact[(i, j)]).abs();
                    assert!(error < 1e-5 * largest, "{n}: {i} {j}: {value} {}", exact[(i, j)]);
                    assert_eq!(*value, found.row(j)[i]);
                }
            }
        }
    }

    #[test]
    fn one_thread_and_three_give_the_same_bits() {
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| inverse(400, element).unwrap().values)
        };
        assert_eq!(on(1), on(3));
    }

    #[test]
    fn what_has_no_inverse_is_refused() {
        assert!(inverse(200, |_, _| 1.0).is_none());
        assert!(inverse(200, |i, j| if i == j { -1.0 } else { 0.0 }).is_none());
        assert!(inverse(3, |_, _| f64::NAN).is_none());
    }

    #[test]
    fn it_can_be_stopped() {
        assert!(matches!(matrix(200, element).inverse(&|| Err(Error::Stopped), &|_| Ok(())), Err(Error::Stopped)));
        let half = |share| if share > 0.4 { Err(Error::Stopped) } else { Ok(()) };
        assert!(matches!(matrix(200, element).inverse(&|| Ok(()), &half), Err(Error::Stopped)));
    }
}

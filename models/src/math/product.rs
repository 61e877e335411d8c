//! The product of a block of rows with a panel of columns: the inner loop of everything cubic.

use super::simd::{LANES, dispatch};
use super::vector::Simd;

/// The inner length of a product. The sums of a tile stay in registers for that long; a panel (16 kB) stays in the
/// first-level cache and a block of rows (64 kB) in the second.
pub const DEPTH: usize = 128;
/// The columns of a panel.
pub const WIDTH: usize = 32;

/// `target` += left · right. `left` has rows of [`DEPTH`], of which there is a multiple of 8; `right` is DEPTH × [`WIDTH`];
/// rows of `target` are `stride` apart, and WIDTH columns of each are written.
#[inline(always)]
fn add_product<S: Simd>(simd: S, left: &[f32], right: &[f32], target: &mut [f32], stride: usize) {
    match S::SUMS {
        8 => in_tiles::<S, 8, 2>(simd, left, right, target, stride),
        4 => in_tiles::<S, 4, 1>(simd, left, right, target, stride),
        _ => in_tiles::<S, 2, 1>(simd, left, right, target, stride),
    }
}

/// By tiles of `ROWS` × `VECTORS` vectors of sums.
#[inline(always)]
fn in_tiles<S: Simd, const ROWS: usize, const VECTORS: usize>(
    simd: S,
    left: &[f32],
    right: &[f32],
    target: &mut [f32],
    stride: usize,
) {
    let left = left.as_chunks::<DEPTH>().0.as_chunks::<ROWS>().0;
    let right: &[[f32; WIDTH]; DEPTH] = right.as_chunks().0.first_chunk().expect("a whole panel");
    for (rows, target) in left.iter().zip(target.chunks_mut(ROWS * stride)) {
        for first in (0..WIDTH).step_by(VECTORS * LANES) {
            let mut sums = [[simd.splat(0.0); VECTORS]; ROWS];
            for k in 0..DEPTH {
                let mut columns = [simd.splat(0.0); VECTORS];
                for (v, column) in columns.iter_mut().enumerate() {
                    *column = simd.load(right[k][first + v * LANES..].first_chunk().expect("whole vectors"));
                }
                for (sums, row) in sums.iter_mut().zip(rows) {
                    let scale = simd.splat(row[k]);
                    for (sum, column) in sums.iter_mut().zip(columns) {
                        *sum = simd.madd(scale, column, *sum);
                    }
                }
            }
            for (r, sums) in sums.into_iter().enumerate() {
                for (v, sum) in sums.into_iter().enumerate() {
                    let place = target[r * stride + first + v * LANES..].first_chunk_mut().expect("whole vectors");
                    simd.store(simd.add(simd.load(place), sum), place);
                }
            }
        }
    }
}

dispatch! {
    /// Adds to `target` the product of rows and a panel: [`DEPTH`] numbers in each of the rows (a multiple of 8 of them),
    /// [`WIDTH`] columns in the panel, rows of `target` `stride` apart.
    pub fn add_product_best, add_product_on =
        add_product(simd, left: &[f32], right: &[f32], target: &mut [f32], stride: usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::isa::Isa;

    #[test]
    fn the_product_is_added_on_every_set() {
        const ROWS: usize = 16;
        // Whole numbers: exact in any order.
        let numbers =
            |n: usize, seed: usize| -> Vec<f32> { (0..n).map(|i| ((i * 7919 + seed) % 13) as f32 - 6.0).collect() };
        let (left, right, stride) = (numbers(ROWS * DEPTH, 1), numbers(DEPTH * WIDTH, 5), WIDTH + 16);
        for isa in Isa::available() {
            let mut target = vec![1.0; ROWS * stride];
            add_product_on(isa, &left, &right, &mut target, stride);
            for (r, row) in target.chunks(stride).enumerate() {
                for (c, value) in row.iter().enumerate() {
                    let sum: f32 =
                        (0..DEPTH).filter(|_| c < WIDTH).map(|k| left[r * DEPTH + k] * right[k * WIDTH + c]).sum();
                    assert_eq!(*value, 1.0 + sum, "{} {r} {c}", isa.name());
                }
            }
        }
    }
}

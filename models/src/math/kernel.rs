//! The inner loops of ALS and of the neighbours: a symmetric rank-k update on gathered panels and small Cholesky solves,
//! in f32.

use crate::math::simd::{LANES, dispatch, madd, total};

const TILE_ROWS: usize = 8;

type Vector = [f32; LANES];

/// Whole vectors that hold `n`: the width of panels and systems.
pub fn padded(n: usize) -> usize {
    n.next_multiple_of(LANES)
}

/// Upper triangle of `a` (width × width, row-major) += panelᵀ · panel, the panel being rows × width, row-major.
/// Only the first `used` rows of `a` are needed.
#[inline(always)]
pub fn rank_update<const FMA: bool>(panel: &[f32], width: usize, used: usize, a: &mut [f32]) {
    for top in (0..used).step_by(TILE_ROWS) {
        for left in (top / LANES * LANES..width).step_by(LANES) {
            // 8 × 16 accumulators stay in registers: 8 of 32 with AVX-512.
            let mut tile = [[0.0f32; LANES]; TILE_ROWS];
            for row in panel.chunks_exact(width) {
                let mut column = [0.0f32; LANES];
                column.copy_from_slice(&row[left..left + LANES]);
                let mut scale = [0.0f32; TILE_ROWS];
                scale.copy_from_slice(&row[top..top + TILE_ROWS]);
                for (sums, s) in tile.iter_mut().zip(scale) {
                    for (sum, c) in sums.iter_mut().zip(column) {
                        *sum = madd::<FMA>(s, c, *sum);
                    }
                }
            }
            for (i, sums) in tile.iter().enumerate() {
                let target = &mut a[(top + i) * width + left..][..LANES];
                for (t, s) in target.iter_mut().zip(sums) {
                    *t += s;
                }
            }
        }
    }
}

dispatch! {
    /// [`rank_update`] for callers outside of a kernel.
    pub fn rank_update_best = rank_update(panel: &[f32], width: usize, used: usize, a: &mut [f32])
}

/// The first place of the vector that `place` lies in.
fn aligned(place: usize) -> usize {
    place / LANES * LANES
}

/// Two equally long slices of whole vectors, vector by vector.
#[inline(always)]
fn vectors<'a>(
    target: &'a mut [f32],
    row: &'a [f32],
) -> impl Iterator<Item = (&'a mut [f32; LANES], &'a [f32; LANES])> {
    target.as_chunks_mut().0.iter_mut().zip(row.as_chunks().0)
}

/// `target` += scale · row. On copies, because the compiler cannot tell that the two do not overlap.
#[inline(always)]
fn add_scaled<const FMA: bool>(target: &mut Vector, scale: f32, row: &Vector) {
    let (mut sums, row) = (*target, *row);
    for (sum, r) in sums.iter_mut().zip(row) {
        *sum = madd::<FMA>(scale, r, *sum);
    }
    *target = sums;
}

/// With zeros instead of what is not in the range, `first` being the place of the first lane.
#[inline(always)]
fn only(vector: &Vector, first: usize, range: std::ops::Range<usize>) -> Vector {
    let mut kept = *vector;
    for (lane, v) in kept.iter_mut().enumerate() {
        *v = if range.contains(&(first + lane)) { *v } else { 0.0 };
    }
    kept
}

/// Rows of a Cholesky factor that are subtracted at once: each vector of a later row is loaded and stored once for all.
const BLOCK_ROWS: usize = 4;

/// From row `i` of the system, what the rows of the block above it have decided.
#[inline(always)]
fn subtract_block<const FMA: bool>(row: &mut [f32], block: &[f32], i: usize) {
    let width = row.len();
    if block.len() < BLOCK_ROWS * width {
        return;
    }
    let mut scale = [0.0f32; BLOCK_ROWS];
    for (scale, head) in scale.iter_mut().zip(block.chunks_exact(width)) {
        *scale = -head[i];
    }
    for first in (aligned(i)..width).step_by(LANES) {
        let mut sums = [0.0f32; LANES];
        sums.copy_from_slice(&row[first..first + LANES]);
        for (place, scale) in scale.into_iter().enumerate() {
            let mut head = [0.0f32; LANES];
            head.copy_from_slice(&block[place * width + first..][..LANES]);
            for (sum, h) in sums.iter_mut().zip(head) {
                *sum = madd::<FMA>(scale, h, *sum);
            }
        }
        row[first..first + LANES].copy_from_slice(&sums);
    }
}

/// Solves A·x = b in place, A symmetric positive definite, n × n with rows `width` apart, upper triangle given and
/// overwritten by its Cholesky factor (A = UᵀU). False if A is not positive definite in f32. `width` is [`padded`], and
/// `b` as long; whole vectors are computed, so that below the diagonal and beyond n there is something of no meaning.
#[inline(always)]
pub fn solve<const FMA: bool>(a: &mut [f32], n: usize, width: usize, b: &mut [f32]) -> bool {
    for first in (0..n).step_by(BLOCK_ROWS) {
        let (block, below) = a[first * width..].split_at_mut((n - first).min(BLOCK_ROWS) * width);
        let rows = block.len() / width;
        for j in first..first + rows {
            let (head, tail) = block[(j - first) * width..].split_at_mut(width);
            let pivot = head[j];
            // Also false for NaN.
            if !(pivot > 0.0 && pivot.is_finite()) {
                return false;
            }
            let inverse = 1.0 / pivot.sqrt();
            for v in &mut head[aligned(j)..] {
                *v *= inverse;
            }
            for (row, i) in tail.chunks_exact_mut(width).zip(j + 1..) {
                for (t, r) in vectors(&mut row[aligned(i)..], &head[aligned(i)..]) {
                    add_scaled::<FMA>(t, -head[i], r);
                }
            }
            b[j] *= inverse;
            let value = b[j];
            for (first, (b, u)) in (aligned(j)..).step_by(LANES).zip(vectors(&mut b[aligned(j)..], &head[aligned(j)..]))
            {
                add_scaled::<FMA>(b, -value, &only(u, first, j + 1..n));
            }
        }
        for (row, i) in below.chunks_exact_mut(width).zip(first + rows..n) {
            subtract_block::<FMA>(row, block, i);
        }
    }
    for j in (0..n).rev() {
        let row = &a[j * width..][..width];
        let mut sums = [0.0f32; LANES];
        for (first, (b, u)) in (aligned(j)..).step_by(LANES).zip(vectors(&mut b[aligned(j)..], &row[aligned(j)..])) {
            let (b, u) = (only(b, first, j + 1..n), only(u, first, j + 1..n));
            for (sum, (b, u)) in sums.iter_mut().zip(b.into_iter().zip(u)) {
                *sum = madd::<FMA>(b, u, *sum);
            }
        }
        b[j] = (b[j] - total(sums)) / row[j];
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_update_is_the_gram_of_the_panel() {
        let (rows, width, used) = (37, 32, 20);
        let panel: Vec<f32> =
            (0..rows * width).map(|i| if i % width < used { ((i * 7919) % 13) as f32 - 6.0 } else { 0.0 }).collect();
        let mut a = vec![0.0; width * width];
        rank_update_best(&panel, width, used, &mut a);
        for i in 0..used {
            for j in i..used {
                let exact: f32 = (0..rows).map(|r| panel[r * width + i] * panel[r * width + j]).sum();
                assert_eq!(a[i * width + j], exact);
            }
        }
    }

    /// x with A·x = b of a system given by its upper triangle.
    fn solution(n: usize, upper: impl Fn(usize, usize) -> f32, right: &[f32]) -> Option<Vec<f32>> {
        let width = padded(n);
        // What is not given is not looked at.
        let mut a = vec![f32::NAN; width * width];
        (0..n).for_each(|i| (i..n).for_each(|j| a[i * width + j] = upper(i, j)));
        let mut b = right.to_vec();
        b.resize(width, f32::NAN);
        solve::<false>(&mut a, n, width, &mut b).then(|| b[..n].to_vec())
    }

    #[test]
    fn solves_and_refuses() {
        let x = solution(2, |i, j| [[4.0, 2.0], [2.0, 3.0]][i][j], &[10.0, 8.0]).unwrap();
        assert!((x[0] - 1.75).abs() < 1e-6 && (x[1] - 1.5).abs() < 1e-6);
        assert!(solution(2, |i, j| if i == j { 1.0 } else { 2.0 }, &[1.0, 1.0]).is_none());
        assert!(solution(1, |_, _| f32::NAN, &[1.0]).is_none());
    }

    #[test]
    fn solves_systems_of_every_length() {
        for n in 1..70 {
            let element = |i: usize, j: usize| 1.0 / (1.0 + i.abs_diff(j) as f32) + if i == j { 3.0 } else { 0.0 };
            let exact: Vec<f32> = (0..n).map(|i| (i % 7) as f32 - 3.0).collect();
            let right: Vec<f32> = (0..n).map(|i| (0..n).map(|j| element(i, j) * exact[j]).sum()).collect();
            let x = solution(n, element, &right).unwrap();
            assert!(x.iter().zip(&exact).all(|(x, exact)| (x - exact).abs() < 1e-4), "{n}: {x:?}");
        }
    }
}

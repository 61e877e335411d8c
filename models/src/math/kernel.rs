//! The inner loops of ALS and of the neighbour regressions: a symmetric rank-k update on gathered panels and small Cholesky solves,
//! in f32.

use std::ops::Range;

use crate::math::simd::{LANES, dispatch};
use crate::math::vector::Simd;

/// Whole vectors that hold `n`: the width of panels and systems.
pub fn padded(n: usize) -> usize {
    n.next_multiple_of(LANES)
}

/// Upper triangle of `a` (width × width, row-major) += panelᵀ · panel, the panel being rows × width, row-major.
/// Only the first `used` rows of `a` are needed.
#[inline(always)]
pub fn rank_update<S: Simd>(simd: S, panel: &[f32], width: usize, used: usize, a: &mut [f32]) {
    match S::SUMS {
        8 => rank_update_in_tiles::<S, 8>(simd, panel, width, used, a),
        4 => rank_update_in_tiles::<S, 4>(simd, panel, width, used, a),
        _ => rank_update_in_tiles::<S, 2>(simd, panel, width, used, a),
    }
}

/// By tiles of `ROWS` × 16 sums that stay in registers. With AVX2, eight rows would need all of its registers: the
/// compiler then moved sums to memory and back for each row of the panel.
#[inline(always)]
fn rank_update_in_tiles<S: Simd, const ROWS: usize>(simd: S, panel: &[f32], width: usize, used: usize, a: &mut [f32]) {
    for top in (0..used).step_by(ROWS) {
        for left in (aligned(top)..width).step_by(LANES) {
            let mut tile = [simd.splat(0.0); ROWS];
            for row in panel.chunks_exact(width) {
                let column = simd.load(vector(&row[left..]));
                for (sums, s) in tile.iter_mut().zip(&row[top..top + ROWS]) {
                    *sums = simd.madd(simd.splat(*s), column, *sums);
                }
            }
            for (i, sums) in tile.into_iter().enumerate() {
                let target = vector_mut(&mut a[(top + i) * width + left..]);
                simd.store(simd.add(simd.load(target), sums), target);
            }
        }
    }
}

dispatch! {
    /// [`rank_update`] for callers outside of a kernel.
    pub fn rank_update_best, rank_update_on = rank_update(simd, panel: &[f32], width: usize, used: usize, a: &mut [f32])
}

/// The first place of the vector that `place` lies in.
fn aligned(place: usize) -> usize {
    place / LANES * LANES
}

/// The first vector of a slice that holds one.
#[inline(always)]
fn vector(slice: &[f32]) -> &[f32; LANES] {
    slice.first_chunk().expect("whole vectors")
}

/// [`vector`], to be written to.
#[inline(always)]
fn vector_mut(slice: &mut [f32]) -> &mut [f32; LANES] {
    slice.first_chunk_mut().expect("whole vectors")
}

/// The first elements of `target` += scale · row, for rows of any length.
#[inline(always)]
pub fn add_scaled<S: Simd>(simd: S, target: &mut [f32], scale: f32, row: &[f32]) {
    let (target, target_rest) = target[..row.len()].as_chunks_mut();
    let (row, row_rest) = row.as_chunks();
    for (t, r) in target.iter_mut().zip(row) {
        simd.store(simd.madd(simd.splat(scale), simd.load(r), simd.load(t)), t);
    }
    for (t, r) in target_rest.iter_mut().zip(row_rest) {
        *t = if S::FUSED { scale.mul_add(*r, *t) } else { scale * r + *t };
    }
}

/// `target` *= scale, in whole vectors.
#[inline(always)]
fn scale_by<S: Simd>(simd: S, target: &mut [f32], scale: f32) {
    let scale = simd.splat(scale);
    for t in target.as_chunks_mut().0 {
        simd.store(simd.mul(simd.load(t), scale), t);
    }
}

/// Rows of a Cholesky factor that are subtracted at once: each vector of a later row is loaded and stored once for all.
const BLOCK_ROWS: usize = 4;

/// Subtracts from row `i` of the system its products with the rows of the block above it.
#[inline(always)]
fn subtract_block<S: Simd>(simd: S, row: &mut [f32], block: &[f32], i: usize) {
    let width = row.len();
    if block.len() < BLOCK_ROWS * width {
        return;
    }
    let mut scale = [simd.splat(0.0); BLOCK_ROWS];
    for (scale, head) in scale.iter_mut().zip(block.chunks_exact(width)) {
        *scale = simd.splat(-head[i]);
    }
    for first in (aligned(i)..width).step_by(LANES) {
        let target = vector_mut(&mut row[first..]);
        let mut sums = simd.load(target);
        for (place, scale) in scale.into_iter().enumerate() {
            sums = simd.madd(scale, simd.load(vector(&block[place * width + first..])), sums);
        }
        simd.store(sums, target);
    }
}

/// Solves A·x = b in place, A symmetric positive definite, n × n with rows `width` apart, upper triangle given and
/// overwritten by its Cholesky factor (A = UᵀU). False if A is not positive definite in f32. `width` is [`padded`], and
/// `b` as long; whole vectors are computed, so that elements below the diagonal and beyond n are undefined afterwards.
#[inline(always)]
pub fn solve<S: Simd>(simd: S, a: &mut [f32], n: usize, width: usize, b: &mut [f32]) -> bool {
    for first in (0..n).step_by(BLOCK_ROWS) {
        let (block, below) = a[first * width..].split_at_mut((n - first).min(BLOCK_ROWS) * width);
        let rows = first..first + block.len() / width;
        if !factorise_block(simd, block, rows.clone(), n, b) {
            return false;
        }
        for (row, i) in below.chunks_exact_mut(width).zip(rows.end..n) {
            subtract_block(simd, row, block, i);
        }
    }
    substitute_back(simd, a, n, b);
    true
}

/// Factorises the given rows of the system against each other, and solves for their elements of `b` on the way.
#[inline(always)]
fn factorise_block<S: Simd>(simd: S, block: &mut [f32], rows: Range<usize>, n: usize, b: &mut [f32]) -> bool {
    let width = b.len();
    for j in rows.clone() {
        let (head, tail) = block[(j - rows.start) * width..].split_at_mut(width);
        let pivot = head[j];
        // Also false for NaN.
        if !(pivot > 0.0 && pivot.is_finite()) {
            return false;
        }
        let inverse = 1.0 / pivot.sqrt();
        scale_by(simd, &mut head[aligned(j)..], inverse);
        for (row, i) in tail.chunks_exact_mut(width).zip(j + 1..) {
            add_scaled(simd, &mut row[aligned(i)..], -head[i], &head[aligned(i)..]);
        }
        b[j] *= inverse;
        let value = simd.splat(-b[j]);
        for first in (aligned(j)..width).step_by(LANES) {
            let u = simd.only(simd.load(vector(&head[first..])), first, &(j + 1..n));
            let target = vector_mut(&mut b[first..]);
            simd.store(simd.madd(value, u, simd.load(target)), target);
        }
    }
    true
}

/// Solves U·x = b in place.
#[inline(always)]
fn substitute_back<S: Simd>(simd: S, u: &[f32], n: usize, b: &mut [f32]) {
    let width = b.len();
    for j in (0..n).rev() {
        let row = &u[j * width..][..width];
        let mut sums = simd.splat(0.0);
        for first in (aligned(j)..width).step_by(LANES) {
            let solved = simd.only(simd.load(vector(&b[first..])), first, &(j + 1..n));
            let factor = simd.only(simd.load(vector(&row[first..])), first, &(j + 1..n));
            sums = simd.madd(solved, factor, sums);
        }
        b[j] = (b[j] - simd.total(sums)) / row[j];
    }
}

dispatch! {
    /// [`solve`] for callers outside of a kernel.
    pub fn solve_best, solve_on = solve(simd, a: &mut [f32], n: usize, width: usize, b: &mut [f32]) -> bool
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::isa::Isa;

    #[test]
    fn the_update_is_the_gram_of_the_panel() {
        let (rows, width, used) = (37, 32, 20);
        let panel: Vec<f32> =
            (0..rows * width).map(|i| if i % width < used { ((i * 7919) % 13) as f32 - 6.0 } else { 0.0 }).collect();
        for isa in Isa::available() {
            let mut a = vec![1.0; width * width];
            rank_update_on(isa, &panel, width, used, &mut a);
            for i in 0..used {
                for j in i..used {
                    // Whole numbers: exact in any order.
                    let exact: f32 = (0..rows).map(|r| panel[r * width + i] * panel[r * width + j]).sum();
                    assert_eq!(a[i * width + j], 1.0 + exact, "{}", isa.name());
                }
            }
        }
    }

    /// x with A·x = b of a system given by its upper triangle.
    fn solution(isa: Isa, n: usize, upper: impl Fn(usize, usize) -> f32, right: &[f32]) -> Option<Vec<f32>> {
        let width = padded(n);
        // The rest must not be read.
        let mut a = vec![f32::NAN; width * width];
        (0..n).for_each(|i| (i..n).for_each(|j| a[i * width + j] = upper(i, j)));
        let mut b = right.to_vec();
        b.resize(width, f32::NAN);
        solve_on(isa, &mut a, n, width, &mut b).then(|| b[..n].to_vec())
    }

    #[test]
    fn solves_and_refuses() {
        for isa in Isa::available() {
            let x = solution(isa, 2, |i, j| [[4.0, 2.0], [2.0, 3.0]][i][j], &[10.0, 8.0]).unwrap();
            assert!((x[0] - 1.75).abs() < 1e-6 && (x[1] - 1.5).abs() < 1e-6);
            assert!(solution(isa, 2, |i, j| if i == j { 1.0 } else { 2.0 }, &[1.0, 1.0]).is_none());
            assert!(solution(isa, 1, |_, _| f32::NAN, &[1.0]).is_none());
        }
    }

    #[test]
    fn solves_systems_of_every_length() {
        for n in 1..70 {
            let element = |i: usize, j: usize| 1.0 / (1.0 + i.abs_diff(j) as f32) + if i == j { 3.0 } else { 0.0 };
            let exact: Vec<f32> = (0..n).map(|i| (i % 7) as f32 - 3.0).collect();
            let right: Vec<f32> = (0..n).map(|i| (0..n).map(|j| element(i, j) * exact[j]).sum()).collect();
            for isa in Isa::available() {
                let x = solution(isa, n, element, &right).unwrap();
                let near = x.iter().zip(&exact).all(|(x, exact)| (x - exact).abs() < 1e-4);
                assert!(near, "{}, {n}: {x:?}", isa.name());
            }
        }
    }

    #[test]
    fn sets_that_fuse_agree_to_the_bit() {
        let (n, rows) = (50, 37);
        let width = padded(n);
        let panel: Vec<f32> = (0..rows * width).map(|i| ((i * 7919) % 1000) as f32 / 370.0 - 1.3).collect();
        for isa in Isa::available().filter(|isa| isa.name() != "portable") {
            let (mut a, mut b) = (vec![0.0; width * width], vec![1.0; width]);
            (0..n).for_each(|i| a[i * width + i] = 50.0);
            rank_update_on(isa, &panel, width, n, &mut a);
            assert!(solve_on(isa, &mut a, n, width, &mut b));
            let bytes: Vec<u8> = b[..n].iter().flat_map(|v| v.to_le_bytes()).collect();
            // The same number on x86-64 and on ARM.
            assert_eq!(xxhash_rust::xxh3::xxh3_64(&bytes), 0x9bd5_0cb0_2146_717a, "{}", isa.name());
        }
    }
}

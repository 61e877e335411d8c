//! The inner loops of ALS and of the neighbours: a symmetric rank-k update on gathered panels and small Cholesky solves,
//! in f32.

use crate::simd::{dispatch, madd};

/// Panels are padded to whole vectors of this many floats.
pub const LANES: usize = 16;
const TILE_ROWS: usize = 8;

/// The least multiple of [`LANES`] that holds `n`.
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

#[inline(always)]
fn subtract_scaled<const FMA: bool>(target: &mut [f32], scale: f32, row: &[f32]) {
    for (t, r) in target.iter_mut().zip(row) {
        *t = madd::<FMA>(-scale, *r, *t);
    }
}

/// Solves A·x = b in place, A symmetric positive definite, n × n with rows `width` apart, upper triangle given and
/// overwritten by its Cholesky factor (A = UᵀU). False if A is not positive definite in f32.
#[inline(always)]
pub fn solve<const FMA: bool>(a: &mut [f32], n: usize, width: usize, b: &mut [f32]) -> bool {
    for j in 0..n {
        let (head, tail) = a[j * width..].split_at_mut(width);
        let pivot = head[j];
        // Also false for NaN.
        if !(pivot > 0.0 && pivot.is_finite()) {
            return false;
        }
        let inverse = 1.0 / pivot.sqrt();
        for v in &mut head[j..n] {
            *v *= inverse;
        }
        for i in j + 1..n {
            let row = &mut tail[(i - j - 1) * width..][..n];
            subtract_scaled::<FMA>(&mut row[i..n], head[i], &head[i..n]);
        }
        b[j] *= inverse;
        let value = b[j];
        subtract_scaled::<FMA>(&mut b[j + 1..n], value, &head[j + 1..n]);
    }
    for j in (0..n).rev() {
        let row = &a[j * width..][..n];
        let mut sum = b[j];
        for (u, x) in row[j + 1..n].iter().zip(&b[j + 1..n]) {
            sum = madd::<FMA>(-*u, *x, sum);
        }
        b[j] = sum / row[j];
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

    #[test]
    fn solves_and_refuses() {
        let mut a = vec![4.0, 2.0, 0.0, 3.0];
        let mut b = vec![10.0, 8.0];
        assert!(solve::<false>(&mut a, 2, 2, &mut b));
        assert!((b[0] - 1.75).abs() < 1e-6 && (b[1] - 1.5).abs() < 1e-6);
        assert!(!solve::<false>(&mut [1.0, 2.0, 0.0, 1.0], 2, 2, &mut [1.0, 1.0]));
        assert!(!solve::<false>(&mut [f32::NAN], 1, 1, &mut [1.0]));
    }
}

//! The best n of a row of scores.

use super::simd::dispatch;
use super::vector::Simd;

dispatch! {
    /// Indices of the `n` highest scores, best first; equal scores by ascending index. The indices in `skip`
    /// (ascending) are left out, and NaN.
    pub fn top, top_on = top_generic(simd, scores: &[f32], n: usize, skip: &[u32]) -> Vec<u32>
}

/// Scores that are first compared, all at once, with the lowest of the best so far.
const BLOCK: usize = 64;

#[inline(always)]
fn top_generic<S: Simd>(simd: S, scores: &[f32], n: usize, skip: &[u32]) -> Vec<u32> {
    let n = n.min(scores.len());
    if n == 0 {
        return Vec::new();
    }
    let mut best: Vec<(f32, u32)> = Vec::with_capacity(n + 1);
    let mut bar = f32::NEG_INFINITY;
    for (block, values) in scores.chunks(BLOCK).enumerate() {
        // Most blocks have no score above it.
        if best.len() == n && !any_above(simd, values, bar) {
            continue;
        }
        for (i, score) in values.iter().enumerate() {
            let index = (block * BLOCK + i) as u32;
            let good = if best.len() < n { !score.is_nan() } else { *score > bar };
            if good && skip.binary_search(&index).is_err() {
                let place = best.partition_point(|(s, _)| *s >= *score);
                best.insert(place, (*score, index));
                best.truncate(n);
                if best.len() == n {
                    bar = best[n - 1].0;
                }
            }
        }
    }
    best.into_iter().map(|(_, index)| index).collect()
}

/// The maximum of the block would serve too, but the compiler compares its numbers one by one: 4 cycles for each.
#[inline(always)]
fn any_above<S: Simd>(simd: S, values: &[f32], bar: f32) -> bool {
    let (vectors, rest) = values.as_chunks();
    let bars = simd.splat(bar);
    let mut any = rest.iter().any(|v| *v > bar);
    for vector in vectors {
        any |= simd.any_above(simd.load(vector), bars);
    }
    any
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::isa::Isa;

    #[test]
    fn equals_a_full_sort() {
        for n in [1, 3, 10, 500, 2000] {
            let scores: Vec<f32> = (0..1000u32).map(|i| ((i * 7919) % 101) as f32).collect();
            let skip: Vec<u32> = (0..1000).filter(|i| i % 3 == 0).collect();
            let mut all: Vec<u32> = (0..1000).filter(|i| i % 3 != 0).collect();
            all.sort_by(|a, b| scores[*b as usize].total_cmp(&scores[*a as usize]).then(a.cmp(b)));
            all.truncate(n);
            for isa in Isa::available() {
                assert_eq!(top_on(isa, &scores, n, &skip), all, "{}", isa.name());
            }
        }
    }

    #[test]
    fn odd_input() {
        assert!(top(&[], 5, &[]).is_empty());
        assert!(top(&[1.0], 0, &[]).is_empty());
        assert_eq!(top(&[f32::NAN, 2.0, f32::NEG_INFINITY], 3, &[]), [1, 2]);
    }
}

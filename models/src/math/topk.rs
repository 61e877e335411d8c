//! The best n of a row of scores.

use std::cmp::Ordering;

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
    // Room for as many again: the worst half is dropped at once, which costs each score a few steps however the scores
    // are ordered. In a sorted list, a score that is better than all before it moves all of them.
    let room = 2 * n.max(BLOCK);
    let mut kept: Vec<(f32, u32)> = Vec::with_capacity(room.min(scores.len()));
    // The lowest of the best n at the last dropping. A score that equals it comes after them.
    let mut bar = f32::NEG_INFINITY;
    let mut dropped = false;
    for (block, values) in scores.chunks(BLOCK).enumerate() {
        // Most blocks have no score above it.
        if dropped && !any_above(simd, values, bar) {
            continue;
        }
        for (i, score) in values.iter().enumerate() {
            let index = (block * BLOCK + i) as u32;
            let good = if dropped { *score > bar } else { !score.is_nan() };
            if good && skip.binary_search(&index).is_err() {
                kept.push((*score, index));
                if kept.len() == room {
                    bar = keep_best(&mut kept, n);
                    dropped = true;
                }
            }
        }
    }
    if kept.len() > n {
        keep_best(&mut kept, n);
    }
    kept.sort_unstable_by(best_first);
    kept.into_iter().map(|(_, index)| index).collect()
}

/// Drops all but the best `n` of more than `n` scores; gives the lowest of them.
fn keep_best(kept: &mut Vec<(f32, u32)>, n: usize) -> f32 {
    let (_, (lowest, _), _) = kept.select_nth_unstable_by(n - 1, best_first);
    let lowest = *lowest;
    kept.truncate(n);
    lowest
}

/// Equal scores, which 0 and −0 are too, by index. There is no NaN among them.
fn best_first(a: &(f32, u32), b: &(f32, u32)) -> Ordering {
    b.0.partial_cmp(&a.0).unwrap_or(Ordering::Equal).then(a.1.cmp(&b.1))
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
    fn every_order_and_ties_at_the_bar() {
        let orders: [fn(usize) -> f32; 4] =
            [|i| i as f32, |i| -(i as f32), |i| (i / 300) as f32, |i| if i % 2 == 0 { 0.0 } else { -0.0 }];
        for order in orders {
            let scores: Vec<f32> = (0..2000).map(order).collect();
            for n in [1, 10, 64, 100, 999] {
                let mut all: Vec<u32> = (0..2000).collect();
                all.sort_by(|a, b| scores[*b as usize].partial_cmp(&scores[*a as usize]).unwrap().then(a.cmp(b)));
                all.truncate(n);
                assert_eq!(top(&scores, n, &[]), all, "{n}");
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

//! The 16 candidates in two vectors.

use std::arch::x86_64::*;

use super::{Forest, LANES, MAX_LEAVES, Prepared, Test};

/// For 300 candidates and 100 trees on a Xeon with AVX-512, µs: 32 as it is, 33 with gathers, which are several times
/// slower where they are microcode (AMD; Intel with the mitigation of Gather Data Sampling), and 34 to 43 with a load
/// for each candidate, because the compiler takes the numbers of the leaves out of the vector one by one.
#[target_feature(enable = "avx2")]
pub fn score_block(forest: &Forest, prepared: &Prepared, block: &[[f32; LANES]], out: &mut [f64; LANES]) {
    // Of each half, the candidates 0, 1, 4, 5 and 2, 3, 6, 7.
    let mut sums = [_mm256_setzero_pd(); 4];
    for (leaves, first, tests) in prepared.trees(forest) {
        let [low, high] = split_leaves(leaves);
        let exits = exits(tests, first, block);
        for half in 0..2 {
            let (low, high) = (pick(low, exits[half]), pick(high, exits[half]));
            let (a, b) = (_mm256_unpacklo_ps(low, high), _mm256_unpackhi_ps(low, high));
            sums[2 * half] = _mm256_add_pd(sums[2 * half], _mm256_castps_pd(a));
            sums[2 * half + 1] = _mm256_add_pd(sums[2 * half + 1], _mm256_castps_pd(b));
        }
    }
    for half in 0..2 {
        let (a, b) = (sums[2 * half], sums[2 * half + 1]);
        // SAFETY: `out` holds 16 doubles.
        unsafe {
            _mm256_storeu_pd(out.as_mut_ptr().add(8 * half), _mm256_permute2f128_pd::<0x20>(a, b));
            _mm256_storeu_pd(out.as_mut_ptr().add(8 * half + 4), _mm256_permute2f128_pd::<0x31>(a, b));
        }
    }
}

/// The low and the high 32 bits of the 16 leaf values, each in two vectors.
#[inline]
#[target_feature(enable = "avx2")]
fn split_leaves(leaves: &[f64; MAX_LEAVES]) -> [[__m256; 2]; 2] {
    let ([a, b], [c, d]) = (eight_leaves(leaves, 0), eight_leaves(leaves, 8));
    const LOW: i32 = 0b10_00_10_00;
    const HIGH: i32 = 0b11_01_11_01;
    [
        [_mm256_shuffle_ps::<LOW>(a, b), _mm256_shuffle_ps::<LOW>(c, d)],
        [_mm256_shuffle_ps::<HIGH>(a, b), _mm256_shuffle_ps::<HIGH>(c, d)],
    ]
}

/// The leaf values 0, 1, 4, 5 and 2, 3, 6, 7 from `first` on: a shuffle of both has them in order.
#[inline]
#[target_feature(enable = "avx2")]
fn eight_leaves(leaves: &[f64; MAX_LEAVES], first: usize) -> [__m256; 2] {
    let leaves = leaves[first..first + 8].as_ptr();
    // SAFETY: there are eight leaf values.
    let (a, b) =
        unsafe { (_mm256_loadu2_m128d(leaves.add(4), leaves), _mm256_loadu2_m128d(leaves.add(6), leaves.add(2))) };
    [_mm256_castpd_ps(a), _mm256_castpd_ps(b)]
}

/// Of a table of 16 numbers, those at the given places.
#[inline]
#[target_feature(enable = "avx2")]
fn pick(table: [__m256; 2], places: __m256i) -> __m256 {
    // The fourth bit of a place, as a sign.
    let upper = _mm256_castsi256_ps(_mm256_slli_epi32::<28>(places));
    let (low, high) = (_mm256_permutevar8x32_ps(table[0], places), _mm256_permutevar8x32_ps(table[1], places));
    _mm256_blendv_ps(low, high, upper)
}

/// The exit leaf of each candidate in a tree.
#[inline]
#[target_feature(enable = "avx2")]
fn exits(tests: &[Test], first: u32, block: &[[f32; LANES]]) -> [__m256i; 2] {
    let mut words = [_mm256_set1_epi32(first as i32); 2];
    for test in tests {
        let values = &block[usize::from(test.feature)];
        let (threshold, cleared) = (_mm256_set1_ps(test.threshold), _mm256_set1_epi32(!test.keep as i32));
        for (half, words) in words.iter_mut().enumerate() {
            // SAFETY: a row of the block holds 16 floats.
            let values = unsafe { _mm256_loadu_ps(values.as_ptr().add(8 * half)) };
            let failed = _mm256_castps_si256(_mm256_cmp_ps::<_CMP_GT_OQ>(values, threshold));
            *words = _mm256_andnot_si256(_mm256_and_si256(failed, cleared), *words);
        }
    }
    for words in &mut words {
        let lowest = _mm256_and_si256(*words, _mm256_sub_epi32(_mm256_setzero_si256(), *words));
        // A power of two as a float has its logarithm in the exponent.
        let exponent = _mm256_srli_epi32::<23>(_mm256_castps_si256(_mm256_cvtepi32_ps(lowest)));
        *words = _mm256_sub_epi32(exponent, _mm256_set1_epi32(127));
    }
    words
}

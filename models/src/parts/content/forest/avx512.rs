//! All 16 candidates in one vector.

use std::arch::x86_64::*;

use super::{Forest, LANES, Prepared};

/// The exit leaf is a count of zeros, and its value a permutation of the tree's 16, which are two registers.
#[target_feature(enable = "avx512f,avx512cd")]
pub fn score_block(forest: &Forest, prepared: &Prepared, block: &[[f32; LANES]], out: &mut [f64; LANES]) {
    let (mut low, mut high) = (_mm512_setzero_pd(), _mm512_setzero_pd());
    let top_bit = _mm512_set1_epi32(31);
    for (leaves, first, tests) in prepared.trees(forest) {
        let mut words = _mm512_set1_epi32(first as i32);
        for test in tests {
            // SAFETY: a row of the block holds 16 floats.
            let values = unsafe { _mm512_loadu_ps(block[usize::from(test.feature)].as_ptr()) };
            let failed = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(values, _mm512_set1_ps(test.threshold));
            words = _mm512_mask_and_epi32(words, failed, words, _mm512_set1_epi32(test.keep as i32));
        }
        let lowest = _mm512_and_si512(words, _mm512_sub_epi32(_mm512_setzero_si512(), words));
        let leaf = _mm512_sub_epi32(top_bit, _mm512_lzcnt_epi32(lowest));
        let (leaf_low, leaf_high) = (
            _mm512_cvtepi32_epi64(_mm512_castsi512_si256(leaf)),
            _mm512_cvtepi32_epi64(_mm512_extracti64x4_epi64::<1>(leaf)),
        );
        // SAFETY: a tree holds 16 leaf values.
        let (first, second) = unsafe { (_mm512_loadu_pd(leaves.as_ptr()), _mm512_loadu_pd(leaves.as_ptr().add(8))) };
        low = _mm512_add_pd(low, _mm512_permutex2var_pd(first, leaf_low, second));
        high = _mm512_add_pd(high, _mm512_permutex2var_pd(first, leaf_high, second));
    }
    // SAFETY: `out` holds 16 doubles.
    unsafe {
        _mm512_storeu_pd(out.as_mut_ptr(), low);
        _mm512_storeu_pd(out.as_mut_ptr().add(8), high);
    }
}

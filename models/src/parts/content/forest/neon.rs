//! The 16 candidates in four vectors.

use std::arch::aarch64::*;

use super::{Forest, LANES, MAX_LEAVES, Prepared};

/// The exit leaf is a count of zeros from the other end. Its value is loaded by its number: a look-up in a table of 128
/// bytes takes more steps than the four loads of a vector.
#[target_feature(enable = "neon")]
pub fn score_block(forest: &Forest, prepared: &Prepared, block: &[[f32; LANES]], out: &mut [f64; LANES]) {
    *out = [0.0; LANES];
    for (leaves, first, tests) in prepared.trees(forest) {
        let mut words = [vdupq_n_u32(first); 4];
        for test in tests {
            let values = &block[usize::from(test.feature)];
            let (threshold, cleared) = (vdupq_n_f32(test.threshold), vdupq_n_u32(!test.keep));
            for (four, words) in words.iter_mut().enumerate() {
                // SAFETY: a row of the block holds 16 floats.
                let values = unsafe { vld1q_f32(values.as_ptr().add(4 * four)) };
                *words = vbicq_u32(*words, vandq_u32(vcgtq_f32(values, threshold), cleared));
            }
        }
        let mut leaf = [0; LANES];
        for (four, words) in words.into_iter().enumerate() {
            let lowest = vandq_u32(words, vreinterpretq_u32_s32(vnegq_s32(vreinterpretq_s32_u32(words))));
            // SAFETY: there are 16 places.
            unsafe { vst1q_u32(leaf.as_mut_ptr().add(4 * four), vsubq_u32(vdupq_n_u32(31), vclzq_u32(lowest))) };
        }
        for (sum, leaf) in out.iter_mut().zip(leaf) {
            // A valid tree leaves one of the first 16 bits set.
            *sum += leaves[leaf as usize % MAX_LEAVES];
        }
    }
}

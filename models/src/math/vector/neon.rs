//! NEON.

use std::arch::aarch64::*;

use super::Simd;
use crate::math::simd::LANES;

/// The processor has NEON.
#[derive(Clone, Copy)]
pub struct Neon(());

type Floats = [float32x4_t; 4];

impl Neon {
    /// # Safety
    /// The processor has NEON.
    #[inline(always)]
    pub unsafe fn new() -> Neon {
        Neon(())
    }
}

#[inline(always)]
fn each(f: impl Fn(usize) -> float32x4_t) -> Floats {
    [f(0), f(1), f(2), f(3)]
}

// SAFETY of all that follows: a value proves the features, and arrays are as long as what is loaded or stored.
impl Simd for Neon {
    type Floats = Floats;
    const SUMS: usize = 4;
    const FUSED: bool = true;

    #[inline(always)]
    fn splat(self, value: f32) -> Floats {
        unsafe { [vdupq_n_f32(value); 4] }
    }

    #[inline(always)]
    fn load(self, from: &[f32; LANES]) -> Floats {
        each(|i| unsafe { vld1q_f32(from.as_ptr().add(4 * i)) })
    }

    #[inline(always)]
    fn store(self, value: Floats, to: &mut [f32; LANES]) {
        for (i, four) in value.into_iter().enumerate() {
            unsafe { vst1q_f32(to.as_mut_ptr().add(4 * i), four) };
        }
    }

    #[inline(always)]
    fn add(self, a: Floats, b: Floats) -> Floats {
        each(|i| unsafe { vaddq_f32(a[i], b[i]) })
    }

    #[inline(always)]
    fn mul(self, a: Floats, b: Floats) -> Floats {
        each(|i| unsafe { vmulq_f32(a[i], b[i]) })
    }

    #[inline(always)]
    fn madd(self, a: Floats, b: Floats, c: Floats) -> Floats {
        each(|i| unsafe { vfmaq_f32(c[i], a[i], b[i]) })
    }

    #[inline(always)]
    fn load_bytes(self, from: &[i8; LANES]) -> Floats {
        unsafe {
            let bytes = vld1q_s8(from.as_ptr());
            let halves = [vmovl_s8(vget_low_s8(bytes)), vmovl_high_s8(bytes)];
            let [a, b] = halves.map(|half| [vmovl_s16(vget_low_s16(half)), vmovl_high_s16(half)]);
            [a[0], a[1], b[0], b[1]].map(|four| vcvtq_f32_s32(four))
        }
    }

    #[inline(always)]
    fn total(self, value: Floats) -> f32 {
        unsafe {
            let four = vaddq_f32(vaddq_f32(value[0], value[2]), vaddq_f32(value[1], value[3]));
            let two = vadd_f32(vget_low_f32(four), vget_high_f32(four));
            vget_lane_f32::<0>(two) + vget_lane_f32::<1>(two)
        }
    }

    #[inline(always)]
    fn any_above(self, a: Floats, b: Floats) -> bool {
        unsafe {
            let [x, y, z, w] = [0, 1, 2, 3].map(|i| vcgtq_f32(a[i], b[i]));
            vmaxvq_u32(vorrq_u32(vorrq_u32(x, y), vorrq_u32(z, w))) != 0
        }
    }

    #[inline(always)]
    fn between(self, value: Floats, from: usize, to: usize) -> Floats {
        unsafe {
            let (from, to) = (vdupq_n_u32(from as u32), vdupq_n_u32(to as u32));
            let lanes = vld1q_u32([0, 1, 2, 3].as_ptr());
            each(|i| {
                let lanes = vaddq_u32(lanes, vdupq_n_u32(4 * i as u32));
                let inside = vandq_u32(vcgeq_u32(lanes, from), vcltq_u32(lanes, to));
                vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(value[i]), inside))
            })
        }
    }
}

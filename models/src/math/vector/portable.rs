//! Plain loops, for processors without a path of their own.

use super::Simd;
use crate::math::simd::{LANES, total};

#[derive(Clone, Copy)]
pub struct Portable;

impl Simd for Portable {
    type Floats = [f32; LANES];
    const SUMS: usize = 2;
    const FUSED: bool = false;

    #[inline(always)]
    fn splat(self, value: f32) -> [f32; LANES] {
        [value; LANES]
    }

    #[inline(always)]
    fn load(self, from: &[f32; LANES]) -> [f32; LANES] {
        *from
    }

    #[inline(always)]
    fn store(self, value: [f32; LANES], to: &mut [f32; LANES]) {
        *to = value;
    }

    #[inline(always)]
    fn add(self, mut a: [f32; LANES], b: [f32; LANES]) -> [f32; LANES] {
        a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
        a
    }

    #[inline(always)]
    fn mul(self, mut a: [f32; LANES], b: [f32; LANES]) -> [f32; LANES] {
        a.iter_mut().zip(b).for_each(|(a, b)| *a *= b);
        a
    }

    #[inline(always)]
    fn madd(self, a: [f32; LANES], b: [f32; LANES], mut c: [f32; LANES]) -> [f32; LANES] {
        c.iter_mut().zip(a.into_iter().zip(b)).for_each(|(c, (a, b))| *c += a * b);
        c
    }

    #[inline(always)]
    fn load_bytes(self, from: &[i8; LANES]) -> [f32; LANES] {
        from.map(f32::from)
    }

    #[inline(always)]
    fn total(self, value: [f32; LANES]) -> f32 {
        total(value)
    }

    #[inline(always)]
    fn any_above(self, a: [f32; LANES], b: [f32; LANES]) -> bool {
        a.into_iter().zip(b).fold(false, |any, (a, b)| any | (a > b))
    }

    #[inline(always)]
    fn between(self, mut value: [f32; LANES], from: usize, to: usize) -> [f32; LANES] {
        for (lane, v) in value.iter_mut().enumerate() {
            *v = if lane >= from && lane < to { *v } else { 0.0 };
        }
        value
    }
}

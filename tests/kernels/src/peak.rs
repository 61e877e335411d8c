//! What the processor allows: loads from its first-level cache, and fused multiplications and additions.

use std::hint::black_box;

use reco_models::kernels::Isa;

use crate::measure::shortest;

/// Per second.
pub struct Peak {
    pub bytes_loaded: f64,
    /// Of single floats.
    pub madds: f64,
}

/// Bytes that are loaded again and again: a third of the smallest first-level cache.
const BYTES: usize = 16 << 10;
/// From the beginning of a cache line: vectors across two lines take two loads.
#[repr(align(64))]
struct Lines([f32; BYTES / size_of::<f32>()]);

/// Steps of a loop of multiply-adds.
const STEPS: usize = 4096;

pub fn measure(isas: &[Isa]) -> Vec<Peak> {
    let floats = Box::new(Lines([1.0; BYTES / size_of::<f32>()]));
    let loads = shortest(isas, |isa| {
        black_box(paths::load(isa, black_box(&floats.0)));
    });
    let madds = shortest(isas, |isa| {
        black_box(paths::madd(isa, black_box(STEPS), black_box(0.5)));
    });
    let peak = |(isa, (loads, madds)): (&Isa, (f64, f64))| Peak {
        bytes_loaded: BYTES as f64 / loads,
        madds: (STEPS * paths::madds_a_step(*isa)) as f64 / madds,
    };
    isas.iter().zip(loads.into_iter().zip(madds)).map(peak).collect()
}

/// Sums of a multiply-add loop: twice the latency of four cycles, and some more.
const SUMS: usize = 12;

/// Defines both loops for one width. Loads go into a maximum: of all that a load can feed, it waits least.
macro_rules! loops {
    ($features:literal, $vector:ty, $lanes:literal, $splat:ident, $load:ident, $max:ident, $madd:expr, $first:expr) => {
        #[target_feature(enable = $features)]
        pub unsafe fn load(values: &[f32]) -> f32 {
            let mut highest = [$splat(0.0); 8];
            for chunk in values.chunks_exact(8 * $lanes) {
                for (i, highest) in highest.iter_mut().enumerate() {
                    // SAFETY: a chunk holds eight vectors.
                    *highest = $max(*highest, unsafe { $load(chunk.as_ptr().add(i * $lanes)) });
                }
            }
            highest.into_iter().map($first).sum()
        }

        #[target_feature(enable = $features)]
        pub unsafe fn madd(steps: usize, by: f32) -> f32 {
            let by = $splat(by);
            let mut sums: [$vector; SUMS] = std::array::from_fn(|i| $splat(i as f32));
            for _ in 0..steps {
                for sum in &mut sums {
                    *sum = $madd(*sum, by, by);
                }
            }
            sums.into_iter().map($first).sum()
        }
    };
}

#[cfg(target_arch = "x86_64")]
mod paths {
    use super::{Isa, SUMS};

    mod portable {
        use super::SUMS;
        use std::arch::x86_64::*;
        loops!(
            "sse2",
            __m128,
            4,
            _mm_set1_ps,
            _mm_loadu_ps,
            _mm_max_ps,
            |a, b, c| _mm_add_ps(_mm_mul_ps(a, b), c),
            |v| { _mm_cvtss_f32(v) }
        );
    }

    mod avx2 {
        use super::SUMS;
        use std::arch::x86_64::*;
        loops!("avx2,fma", __m256, 8, _mm256_set1_ps, _mm256_loadu_ps, _mm256_max_ps, _mm256_fmadd_ps, |v| {
            _mm256_cvtss_f32(v)
        });
    }

    mod avx512 {
        use super::SUMS;
        use std::arch::x86_64::*;
        loops!("avx512f", __m512, 16, _mm512_set1_ps, _mm512_loadu_ps, _mm512_max_ps, _mm512_fmadd_ps, |v| {
            _mm512_cvtss_f32(v)
        });
    }

    pub fn load(isa: Isa, values: &[f32]) -> f32 {
        // SAFETY: a value of Isa is one of an instruction set that the processor has.
        match isa.name() {
            "AVX-512" => unsafe { avx512::load(values) },
            "AVX2" => unsafe { avx2::load(values) },
            _ => unsafe { portable::load(values) },
        }
    }

    pub fn madd(isa: Isa, steps: usize, by: f32) -> f32 {
        // SAFETY: as above.
        match isa.name() {
            "AVX-512" => unsafe { avx512::madd(steps, by) },
            "AVX2" => unsafe { avx2::madd(steps, by) },
            _ => unsafe { portable::madd(steps, by) },
        }
    }

    pub fn madds_a_step(isa: Isa) -> usize {
        SUMS * match isa.name() {
            "AVX-512" => 16,
            "AVX2" => 8,
            _ => 4,
        }
    }
}

#[cfg(target_arch = "aarch64")]
mod paths {
    use super::{Isa, SUMS};

    mod neon {
        use super::SUMS;
        use std::arch::aarch64::*;
        loops!("neon", float32x4_t, 4, vdupq_n_f32, vld1q_f32, vmaxq_f32, |a, b, c| vfmaq_f32(c, a, b), |v| {
            vgetq_lane_f32::<0>(v)
        });
    }

    pub fn load(_: Isa, values: &[f32]) -> f32 {
        // SAFETY: every processor of the architecture has NEON.
        unsafe { neon::load(values) }
    }

    pub fn madd(_: Isa, steps: usize, by: f32) -> f32 {
        // SAFETY: as above.
        unsafe { neon::madd(steps, by) }
    }

    pub fn madds_a_step(_: Isa) -> usize {
        SUMS * 4
    }
}

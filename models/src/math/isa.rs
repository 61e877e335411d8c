//! Which instruction set a kernel runs on: detected once, chosen in one place, and passed as an argument wherever
//! somebody else than production chooses.

use std::sync::atomic::{AtomicU8, Ordering};

/// An instruction set that this processor has. There is no other way to a value than [`Isa::best`] and
/// [`Isa::available`], so that a kernel may rely on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Isa(Set);

/// What kernels are compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Set {
    /// What every processor of the architecture has: SSE2 on x86-64. Multiplications and additions are not fused.
    Portable = 1,
    /// AVX2 and FMA: Intel since 2013, AMD since 2015.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// AVX-512 with F, CD, BW, DQ and VL: Intel's servers since 2017, AMD since 2022.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// What every 64-bit ARM processor has, with fused multiplications and additions.
    #[cfg(target_arch = "aarch64")]
    Neon,
}

/// The slowest first.
#[cfg(target_arch = "x86_64")]
const ALL: &[Set] = &[Set::Portable, Set::Avx2, Set::Avx512];
#[cfg(target_arch = "aarch64")]
const ALL: &[Set] = &[Set::Portable, Set::Neon];
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const ALL: &[Set] = &[Set::Portable];

/// The place of the best set in `ALL` plus one; zero before the processor was asked.
static BEST: AtomicU8 = AtomicU8::new(0);

impl Isa {
    /// The fastest that the processor has: what production runs on.
    #[inline]
    pub fn best() -> Isa {
        match BEST.load(Ordering::Relaxed) {
            0 => Isa::detect(),
            number => Isa(ALL[usize::from(number) - 1]),
        }
    }

    /// All that the processor has, the slowest first.
    pub fn available() -> impl Iterator<Item = Isa> {
        ALL.iter().filter(|set| set.is_there()).map(|set| Isa(*set))
    }

    pub fn name(self) -> &'static str {
        match self.0 {
            Set::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => "AVX2",
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => "AVX-512",
            #[cfg(target_arch = "aarch64")]
            Set::Neon => "NEON",
        }
    }

    /// From now on this is what [`Isa::best`] gives, in the whole process: for measuring a whole training on each set.
    /// Production never calls it.
    pub fn pretend(self) {
        BEST.store(self.0 as u8, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn set(self) -> Set {
        self.0
    }

    #[cold]
    fn detect() -> Isa {
        let best = Isa::available().last().unwrap_or(Isa(Set::Portable));
        best.pretend();
        best
    }
}

impl Set {
    fn is_there(self) -> bool {
        match self {
            Set::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => {
                Set::Avx2.is_there()
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512cd")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
            }
            #[cfg(target_arch = "aarch64")]
            Set::Neon => std::arch::is_aarch64_feature_detected!("neon"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_is_the_last_that_is_there() {
        let all: Vec<Isa> = Isa::available().collect();
        assert_eq!(all.first(), Some(&Isa(Set::Portable)));
        assert_eq!(all.last(), Some(&Isa::best()));
        assert!(ALL.iter().enumerate().all(|(place, set)| *set as usize == place + 1));
    }
}

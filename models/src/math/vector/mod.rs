//! Sixteen floats as one value, on each instruction set: what kernels are written in whose plain loops the compiler
//! does not turn into vector code. (It sees 16 sums that are added up at the end and pairs them: a dot product became
//! loads of 8 bytes, with AVX2 and with AVX-512 alike.)
//!
//! Sixteen on all sets, and added up in the same order, so that results differ by the rounding of what is fused alone:
//! those of AVX2, AVX-512 and NEON are the same to the bit.

#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;
#[cfg(target_arch = "x86_64")]
mod x86;

use super::simd::LANES;

#[cfg(target_arch = "aarch64")]
pub use neon::Neon;
pub use portable::Portable;
#[cfg(target_arch = "x86_64")]
pub use x86::{Avx2, Avx512};

/// An instruction set whose presence was checked: whoever makes a value vouches for it.
///
/// In a kernel, operations stand in plain loops: a closure that is handed to `map` or `fold` is a function of its own,
/// compiled without the instruction set unless it happens to be inlined, and then each operation is a call (a Cholesky
/// solve took five times as long).
pub trait Simd: Copy {
    /// 16 floats.
    type Floats: Copy;
    /// Vectors that a kernel may sum in at once; more would not stay in registers beside what they are summed from.
    const SUMS: usize;
    /// Whether [`Simd::madd`] rounds once.
    const FUSED: bool;

    fn splat(self, value: f32) -> Self::Floats;
    fn load(self, from: &[f32; LANES]) -> Self::Floats;
    fn store(self, value: Self::Floats, to: &mut [f32; LANES]);
    fn add(self, a: Self::Floats, b: Self::Floats) -> Self::Floats;
    fn mul(self, a: Self::Floats, b: Self::Floats) -> Self::Floats;
    /// a · b + c, fused everywhere but on [`Portable`].
    fn madd(self, a: Self::Floats, b: Self::Floats, c: Self::Floats) -> Self::Floats;
    /// Bytes as numbers.
    fn load_bytes(self, from: &[i8; LANES]) -> Self::Floats;
    /// The sum of the lanes, in halves: one after the other, each addition would wait for the one before.
    fn total(self, value: Self::Floats) -> f32;
    /// Whether any lane is greater than that of the other; what is not a number is not.
    fn any_above(self, a: Self::Floats, b: Self::Floats) -> bool;

    /// With zeros in the lanes before `from` and from `to` on, both at most 16.
    fn between(self, value: Self::Floats, from: usize, to: usize) -> Self::Floats;

    /// With zeros instead of what is not in the range, `first` being the place of the first lane.
    #[inline(always)]
    fn only(self, value: Self::Floats, first: usize, range: &std::ops::Range<usize>) -> Self::Floats {
        if range.start <= first && first + LANES <= range.end {
            return value;
        }
        let from = range.start.saturating_sub(first).min(LANES);
        let to = range.end.saturating_sub(first).min(LANES);
        self.between(value, from, to)
    }
}

#[cfg(test)]
mod tests;

//! A kernel is written once, compiled for each instruction set, and called on the best that the processor has, or on
//! one of the caller's choice. One binary runs anywhere.
//!
//! The same machine always gives the same result. Between machines: AVX2, AVX-512 and NEON add in the same order, with
//! the same fused steps, and give the same bits wherever a kernel is written in [`super::vector`] (dot products, rank
//! updates, Cholesky), and in the forest, whose sums the portable form adds in that order too. The portable form of the
//! others does not fuse multiplication and addition, so that it differs by rounding. Plain loops that the compiler
//! vectorises compute each element by itself and differ by no more than that either.

use super::vector::Simd;

/// Compiles a generic function for each instruction set.
///
/// `fn name_on(isa) = generic(simd, …)` takes an [`super::isa::Isa`] and calls `generic`, whose first argument is a
/// [`super::vector::Simd`], compiled for it; `fn name, name_on = …` also defines `name`, which runs on the best set.
/// `fn name = generic(…)` is for plain loops that the compiler vectorises (look at what it makes of them): `generic` has
/// one constant parameter, whether to fuse.
macro_rules! dispatch {
    (
        $(#[$doc:meta])*
        $vis:vis fn $name:ident, $on:ident = $generic:ident(simd, $($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)?
    ) => {
        $(#[$doc])*
        #[inline]
        $vis fn $name($($arg: $ty),*) $(-> $ret)? {
            $on($crate::math::isa::Isa::best(), $($arg),*)
        }

        $crate::math::simd::dispatch! {
            #[doc = concat!("[`", stringify!($name), "`] on the given instruction set.")]
            $vis fn $on(isa) = $generic(simd, $($arg: $ty),*) $(-> $ret)?
        }
    };
    (
        $(#[$doc:meta])*
        $vis:vis fn $on:ident(isa) = $generic:ident(simd, $($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)?
    ) => {
        $(#[$doc])*
        #[inline]
        $vis fn $on(isa: $crate::math::isa::Isa, $($arg: $ty),*) $(-> $ret)? {
            use $crate::math::vector;
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512cd,avx512bw,avx512dq,avx512vl,avx2,fma")]
                fn avx512($($arg: $ty),*) $(-> $ret)? {
                    // SAFETY: the function is compiled for these features, and is called on them only.
                    $generic(unsafe { vector::Avx512::new() }, $($arg),*)
                }
                #[target_feature(enable = "avx2,fma")]
                fn avx2($($arg: $ty),*) $(-> $ret)? {
                    // SAFETY: as above.
                    $generic(unsafe { vector::Avx2::new() }, $($arg),*)
                }
                match isa.set() {
                    // SAFETY: there is no value of Isa whose features the processor lacks.
                    $crate::math::isa::Set::Avx512 => return unsafe { avx512($($arg),*) },
                    // SAFETY: as above.
                    $crate::math::isa::Set::Avx2 => return unsafe { avx2($($arg),*) },
                    $crate::math::isa::Set::Portable => {}
                }
            }
            #[cfg(target_arch = "aarch64")]
            if isa.set() == $crate::math::isa::Set::Neon {
                // SAFETY: as above; every function of the architecture is compiled for NEON.
                return $generic(unsafe { vector::Neon::new() }, $($arg),*);
            }
            let _ = isa;
            $generic(vector::Portable, $($arg),*)
        }
    };
    ($(#[$doc:meta])* $vis:vis fn $name:ident = $generic:ident($($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)?) => {
        $(#[$doc])*
        $vis fn $name($($arg: $ty),*) $(-> $ret)? {
            $crate::math::simd::dispatch! { fn on(isa) = with_fma(simd, $($arg: $ty),*) $(-> $ret)? }
            #[inline(always)]
            fn with_fma<S: $crate::math::vector::Simd>(_simd: S, $($arg: $ty),*) $(-> $ret)? {
                if S::FUSED { $generic::<true>($($arg),*) } else { $generic::<false>($($arg),*) }
            }
            on($crate::math::isa::Isa::best(), $($arg),*)
        }
    };
}
pub(crate) use dispatch;

/// Prefetches a row that will be read soon: the processor does not foresee rows that are gathered by index.
#[inline(always)]
pub fn prefetch<T>(row: &[T]) {
    #[cfg(target_arch = "x86_64")]
    for line in row.chunks(const { if size_of::<T>() < LINE { LINE / size_of::<T>() } else { 1 } }) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a hint, on memory that the slice borrows.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = row;
}

/// Floats of a vector, on every instruction set.
pub const LANES: usize = 16;
/// Bytes of a cache line.
#[cfg(target_arch = "x86_64")]
const LINE: usize = 64;

/// The sum of the lanes, in halves: one after the other, each addition would wait for the one before.
#[inline(always)]
pub fn total(mut sums: [f32; LANES]) -> f32 {
    let mut half = LANES / 2;
    while half > 0 {
        for lane in 0..half {
            sums[lane] += sums[lane + half];
        }
        half /= 2;
    }
    sums[0]
}

/// Dot product of two equally long slices in 16 partial sums (a plain sum would be serial: floats do not reorder).
#[inline(always)]
fn dot_generic<S: Simd>(simd: S, a: &[f32], b: &[f32]) -> f32 {
    let (a, a_rest) = a.as_chunks();
    let (b, b_rest) = b.as_chunks();
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    let mut sums = simd.splat(0.0);
    for (a, b) in a.iter().zip(b) {
        sums = simd.madd(simd.load(a), simd.load(b), sums);
    }
    simd.total(sums) + rest
}

dispatch! {
    /// Dot product of two equally long slices.
    pub fn dot, dot_on = dot_generic(simd, a: &[f32], b: &[f32]) -> f32
}

#[inline(always)]
fn dot_rows_generic<S: Simd>(simd: S, rows: &[f32], vector: &[f32], out: &mut [f32]) {
    for (row, out) in rows.chunks_exact(vector.len()).zip(out) {
        *out = dot_generic(simd, row, vector);
    }
}

dispatch! {
    /// Dot products of the rows of a row-major matrix with a vector (not empty); the same as [`dot`] to the bit.
    pub fn dot_rows, dot_rows_on = dot_rows_generic(simd, rows: &[f32], vector: &[f32], out: &mut [f32])
}

#[inline(always)]
fn dot_rows_of_bytes_generic<S: Simd>(simd: S, rows: &[i8], vector: &[f32], out: &mut [f32]) {
    let parts = vector.as_chunks().0;
    for (row, out) in rows.chunks_exact(vector.len()).zip(out) {
        let mut sums = simd.splat(0.0);
        for (bytes, values) in row.as_chunks().0.iter().zip(parts) {
            sums = simd.madd(simd.load_bytes(bytes), simd.load(values), sums);
        }
        *out = simd.total(sums);
    }
}

dispatch! {
    /// [`dot_rows`] of rows of bytes, for vectors of a multiple of 16 numbers (not empty).
    pub fn dot_rows_of_bytes_on(isa) =
        dot_rows_of_bytes_generic(simd, rows: &[i8], vector: &[f32], out: &mut [f32])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::isa::Isa;

    fn numbers(n: usize, seed: usize) -> Vec<f32> {
        (0..n).map(|i| ((i * 7919 + seed * 104_729) % 1000) as f32 / 37.0 - 13.0).collect()
    }

    #[test]
    fn dot_products_of_every_length_on_every_set() {
        for n in 1..100 {
            let (a, b) = (numbers(n, 1), numbers(n, 2));
            let exact: f64 = a.iter().zip(&b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
            let size: f64 = a.iter().zip(&b).map(|(a, b)| f64::from((a * b).abs())).sum();
            for isa in Isa::available() {
                let found = f64::from(dot_on(isa, &a, &b));
                assert!((found - exact).abs() <= 1e-6 * size, "{}, {n}: {found} {exact}", isa.name());
            }
        }
    }

    #[test]
    fn sets_that_fuse_agree_to_the_bit() {
        let fused: Vec<Isa> = Isa::available().filter(|isa| isa.name() != "portable").collect();
        for n in 1..100 {
            let found = fused.iter().map(|isa| dot_on(*isa, &numbers(n, 3), &numbers(n, 4)).to_bits());
            assert!(found.collect::<std::collections::BTreeSet<_>>().len() <= 1, "{n}");
        }
    }

    #[test]
    fn rows_are_dot_products_one_by_one() {
        for isa in Isa::available() {
            for width in [1, 16, 50, 64] {
                let (rows, vector) = (numbers(7 * width, 5), numbers(width, 6));
                let mut out = [0.0; 7];
                dot_rows_on(isa, &rows, &vector, &mut out);
                let one_by_one: Vec<f32> = rows.chunks(width).map(|row| dot_on(isa, row, &vector)).collect();
                assert_eq!(out[..], one_by_one, "{}", isa.name());
            }
            for width in [16, 64] {
                let rows: Vec<i8> = (0..7 * width).map(|i| (i * 37 % 255) as u8 as i8).collect();
                let (as_floats, vector): (Vec<f32>, _) =
                    (rows.iter().map(|v| f32::from(*v)).collect(), numbers(width, 7));
                let (mut found, mut expected) = ([0.0; 7], [0.0; 7]);
                dot_rows_of_bytes_on(isa, &rows, &vector, &mut found);
                dot_rows_on(isa, &as_floats, &vector, &mut expected);
                assert_eq!(found, expected, "{}", isa.name());
            }
        }
    }
}

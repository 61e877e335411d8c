//! Run-time choice of the instruction set: a kernel is written once, compiled for AVX-512, AVX2 and the baseline,
//! and the best that the processor has is called. One binary runs anywhere.

/// `a * b + c`, fused only where the kernel is compiled for a processor that fuses (elsewhere `mul_add` is a slow call).
#[inline(always)]
pub fn madd<const FMA: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FMA { a.mul_add(b, c) } else { a * b + c }
}

/// Defines `fn name(args) -> ret` that calls `generic::<FMA>(args)` compiled for the processor at hand.
macro_rules! dispatch {
    ($(#[$doc:meta])* $vis:vis fn $name:ident = $generic:ident($($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)?) => {
        $(#[$doc])*
        $vis fn $name($($arg: $ty),*) $(-> $ret)? {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
                fn avx512($($arg: $ty),*) $(-> $ret)? { $generic::<true>($($arg),*) }
                #[target_feature(enable = "avx2,fma")]
                fn avx2($($arg: $ty),*) $(-> $ret)? { $generic::<true>($($arg),*) }
                if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512bw") && is_x86_feature_detected!("avx512dq")
                {
                    // SAFETY: the features that the function is compiled for were just detected.
                    return unsafe { avx512($($arg),*) };
                }
                if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                    // SAFETY: as above.
                    return unsafe { avx2($($arg),*) };
                }
            }
            $generic::<{ cfg!(target_arch = "aarch64") }>($($arg),*)
        }
    };
}
pub(crate) use dispatch;

/// Asks for the lines of a row that will be read soon: rows gathered by index are not where the processor expects them.
#[inline(always)]
pub fn prefetch<T>(row: &[T]) {
    #[cfg(target_arch = "x86_64")]
    for line in row.chunks(const { if size_of::<T>() < LINE { LINE / size_of::<T>() } else { 1 } }) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a hint on memory that is there.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = row;
}

/// Floats of a whole vector, in AVX-512.
pub const LANES: usize = 16;
/// Bytes of a line of the processor's cache.
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
fn dot_generic<const FMA: bool>(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0f32; LANES];
    let (a_chunks, b_chunks) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest: f32 = a_chunks.remainder().iter().zip(b_chunks.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a_chunks.zip(b_chunks) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum = madd::<FMA>(*a, *b, *sum);
        }
    }
    total(sums) + rest
}

dispatch! {
    /// Dot product of two equally long slices.
    pub fn dot = dot_generic(a: &[f32], b: &[f32]) -> f32
}

#[inline(always)]
fn dot_rows_generic<const FMA: bool>(rows: &[f32], vector: &[f32], out: &mut [f32]) {
    for (row, out) in rows.chunks_exact(vector.len()).zip(out) {
        *out = dot_generic::<FMA>(row, vector);
    }
}

dispatch! {
    /// Dot products of the rows of a row-major matrix with a vector (not empty); the same as [`dot`] to the bit.
    pub fn dot_rows = dot_rows_generic(rows: &[f32], vector: &[f32], out: &mut [f32])
}

//! Each operation on each instruction set, against plain numbers.

use super::*;
use crate::math::isa::Isa;
use crate::math::simd::dispatch;

/// Lanes, some of them negative, none round.
fn lanes(seed: u32) -> [f32; LANES] {
    std::array::from_fn(|i| ((i as u32 * 7919 + seed * 104_729) % 1000) as f32 / 37.0 - 13.0)
}

/// All that has lanes for a result, one after the other; then what is a single number.
#[inline(always)]
fn all_operations<S: Simd>(simd: S, out: &mut [[f32; LANES]; 8], numbers: &mut [f32; 3]) {
    let [a, b, c] = [1, 2, 3].map(|seed| simd.load(&lanes(seed)));
    let bytes = std::array::from_fn(|i| (i as i8 - 8) * 16);
    let results = [
        simd.splat(0.3),
        a,
        simd.add(a, b),
        simd.mul(a, b),
        simd.madd(a, b, c),
        simd.load_bytes(&bytes),
        simd.only(a, 32, &(35..44)),
        simd.only(a, 32, &(30..48)),
    ];
    results.into_iter().zip(out).for_each(|(result, out)| simd.store(result, out));
    *numbers = [
        simd.total(a),
        f32::from(u8::from(simd.any_above(a, a))),
        f32::from(u8::from(simd.any_above(simd.add(a, simd.only(simd.splat(1.0), 0, &(11..12))), a))),
    ];
}

dispatch! {
    fn best, on = all_operations(simd, out: &mut [[f32; LANES]; 8], numbers: &mut [f32; 3])
}

#[test]
fn every_set_computes_what_plain_numbers_do() {
    let [a, b, c] = [1, 2, 3].map(lanes);
    for isa in Isa::available() {
        let (mut out, mut numbers) = ([[0.0; LANES]; 8], [0.0; 3]);
        on(isa, &mut out, &mut numbers);
        for i in 0..LANES {
            let fused = if isa.name() == "portable" { a[i] * b[i] + c[i] } else { a[i].mul_add(b[i], c[i]) };
            let kept = if (3..12).contains(&i) { a[i] } else { 0.0 };
            let expected = [0.3, a[i], a[i] + b[i], a[i] * b[i], fused, (i as f32 - 8.0) * 16.0, kept, a[i]];
            assert_eq!(out.map(|row| row[i]), expected, "{}, lane {i}", isa.name());
        }
        let halves = |mut sums: Vec<f32>| {
            while sums.len() > 1 {
                let (low, high) = sums.split_at(sums.len() / 2);
                sums = low.iter().zip(high).map(|(l, h)| l + h).collect();
            }
            sums[0]
        };
        assert_eq!(numbers, [halves(a.to_vec()), 0.0, 1.0], "{}", isa.name());
    }
    let mut ignored = [[0.0; LANES]; 8];
    best(&mut ignored, &mut [0.0; 3]);
}

//! One scale, 0 to 1, for parts that are measured in different units.
//!
//! A raw score becomes 1 − ln(1+R)/ln(1+N), R being the rank that it would have, on average, among N items:
//! 1 is the best score of this model, 0 the worst, and halving the rank adds the same everywhere. That is the shape of
//! the discount in NDCG (Järvelin and Kekäläinen, 2002). It keeps the order of the raw scores, and it makes scores of
//! different parts comparable. (A sigmoid of an ALS dot product maps nearly everything into [0.475, 0.75]; a true
//! probability of interaction is about 1e-4 for nearly everything, so that popularity alone would decide.)

use serde::{Deserialize, Serialize};

use crate::math::isa::Isa;
use crate::math::simd::{LANES, dispatch};
use crate::math::vector::Simd;

const STEPS: usize = 64;
/// No knot is further from 0, so that the difference of two is a number.
const LIMIT: f32 = f32::MAX / 4.0;

/// A monotone, piecewise linear map from raw scores to numbers from 0 to 1. `knots[j]` is the raw score that maps to `j / STEPS`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    knots: Vec<f32>,
}

impl Calibration {
    /// From a sample of raw scores of random (user, item) pairs, and the number of items that are ranked. Values that are
    /// not finite are left out; numbers beyond a quarter of the largest one count as that.
    pub fn fit(mut sample: Vec<f32>, items: usize) -> Calibration {
        sample.retain(|v| v.is_finite());
        sample.iter_mut().for_each(|v| *v = v.clamp(-LIMIT, LIMIT));
        if sample.is_empty() {
            sample.push(0.0);
        }
        sample.sort_unstable_by(|a, b| b.total_cmp(a));
        let n = items.max(1) as f64;
        let knots = (0..=STEPS)
            .map(|j| {
                let rank = (1.0 + n).powf(1.0 - j as f64 / STEPS as f64) - 1.0;
                quantile(&sample, rank / n)
            })
            .collect();
        Calibration { knots }
    }

    /// Whether the knots are as [`Calibration::fit`] makes them: within the limit, ascending, and of the right number.
    pub fn valid(&self) -> bool {
        self.knots.len() == STEPS + 1
            && self.knots.iter().all(|k| k.abs() <= LIMIT)
            && self.knots.windows(2).all(|w| w[0] <= w[1])
    }

    /// A raw score that maps to 0, and one that maps to 1.
    pub fn range(&self) -> [f32; 2] {
        let (first, last) = (self.knots[0], self.knots[self.knots.len() - 1]);
        [first, last + last.abs().max(1.0)]
    }

    /// The calibrated score, 0 to 1; of equal knots the lowest counts.
    pub fn apply(&self, raw: f32) -> f32 {
        let knots = &self.knots;
        // A binary search without branches: this is called for every item that is ranked.
        let mut below = 0;
        let mut step = STEPS / 2;
        while step > 0 {
            below += if knots[below + step - 1] < raw { step } else { 0 };
            step /= 2;
        }
        // `below` knots of the first 63 are less than `raw`; the last two are compared next.
        below += usize::from(knots[below] < raw);
        below += usize::from(below == STEPS && knots[STEPS] < raw);
        match below {
            0 => 0.0,
            n if n > STEPS => 1.0,
            n => {
                let (low, high) = (knots[n - 1], knots[n]);
                ((n - 1) as f32 + (raw - low) / (high - low)) / STEPS as f32
            }
        }
    }

    /// [`Calibration::apply`] to each of many raw scores, to the bit. As long as `out`.
    pub fn apply_all(&self, raw: &[f32], out: &mut [f32]) {
        self.apply_all_on(Isa::best(), raw, out);
    }

    /// [`Calibration::apply_all`] on the given instruction set.
    pub fn apply_all_on(&self, isa: Isa, raw: &[f32], out: &mut [f32]) {
        let (raw, raw_rest) = raw.as_chunks();
        let (out, out_rest) = out.as_chunks_mut();
        apply_to_vectors_on(isa, &self.knots, raw, out);
        out_rest.iter_mut().zip(raw_rest).for_each(|(out, raw)| *out = self.apply(*raw));
    }
}

dispatch! {
    fn apply_to_vectors_on(isa) =
        apply_to_vectors(simd, knots: &[f32], raw: &[[f32; LANES]], out: &mut [[f32; LANES]])
}

/// All knots are counted, which takes 65 comparisons for 16 scores at once; searching takes 7 for each.
#[inline(always)]
fn apply_to_vectors<S: Simd>(_: S, knots: &[f32], raw: &[[f32; LANES]], out: &mut [[f32; LANES]]) {
    let Some(knots) = knots.first_chunk::<{ STEPS + 1 }>() else { return };
    for (raw, out) in raw.iter().zip(out) {
        let mut below = [0u32; LANES];
        for knot in knots {
            below.iter_mut().zip(raw).for_each(|(below, raw)| *below += u32::from(knot < raw));
        }
        let place = below.map(|n| n.clamp(1, STEPS as u32) - 1);
        let (low, high) = (place.map(|n| knots[n as usize % STEPS]), place.map(|n| knots[n as usize % STEPS + 1]));
        for lane in 0..LANES {
            let between = (raw[lane] - low[lane]) / (high[lane] - low[lane]);
            let inside = (place[lane] as f32 + between) / STEPS as f32;
            let above = if below[lane] > STEPS as u32 { 1.0 } else { inside };
            out[lane] = if below[lane] == 0 { 0.0 } else { above };
        }
    }
}

/// Between neighbours of a sample in descending order, 0 ≤ q ≤ 1.
fn quantile(sample: &[f32], q: f64) -> f32 {
    let place = q * (sample.len() - 1) as f64;
    let before = (place as usize).min(sample.len() - 1);
    let after = (before + 1).min(sample.len() - 1);
    let between = (place - before as f64) as f32;
    sample[before] + between * (sample[after] - sample[before])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halving_the_rank_adds_the_same_everywhere() {
        let n = 4095;
        let calibration = Calibration::fit((0..=n).map(|i| i as f32).collect(), n);
        assert!((calibration.apply(n as f32) - 1.0).abs() < 1e-6);
        for (rank, expected) in [(1.0, 11.0 / 12.0), (3.0, 10.0 / 12.0), (1023.0, 2.0 / 12.0)] {
            let score = calibration.apply(n as f32 - rank);
            assert!((score - expected).abs() < 0.03, "rank {rank}: {score}");
        }
    }

    #[test]
    fn the_order_is_kept_and_results_stay_in_range() {
        let calibration = Calibration::fit((0..10_000).map(|i| ((i * 37) % 1000) as f32 / 1000.0 - 0.1).collect(), 500);
        assert!(calibration.valid());
        let mut last = 0.0;
        for i in -50..150 {
            let score = calibration.apply(i as f32 / 100.0);
            assert!((0.0..=1.0).contains(&score) && score >= last, "{i}: {score}");
            last = score;
        }
    }

    #[test]
    fn the_search_without_branches_agrees_with_a_plain_one() {
        let calibration = Calibration::fit((0..500).map(|i| (i % 97) as f32 / 10.0).collect(), 5000);
        let knots = &calibration.knots;
        let between = knots.windows(2).map(|w| (w[0] + w[1]) / 2.0);
        for raw in knots.iter().copied().chain(between).chain([-1.0, 100.0]) {
            let plain = match knots.partition_point(|k| *k < raw) {
                0 => 0.0,
                n if n > STEPS => 1.0,
                n => ((n - 1) as f32 + (raw - knots[n - 1]) / (knots[n] - knots[n - 1])) / STEPS as f32,
            };
            assert_eq!(calibration.apply(raw), plain, "{raw}");
        }
    }

    #[test]
    fn many_at_once_are_those_one_by_one() {
        let calibration = Calibration::fit((0..500).map(|i| (i % 97) as f32 / 10.0).collect(), 5000);
        let tied = Calibration::fit(vec![0.5; 100], 100);
        let between = (0..1000).map(|i| i as f32 / 100.0 - 0.1);
        let odd = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -0.0, 0.5];
        let raw: Vec<f32> = calibration.knots.iter().copied().chain(between).chain(odd).collect();
        for calibration in [&calibration, &tied] {
            let one_by_one: Vec<u32> = raw.iter().map(|raw| calibration.apply(*raw).to_bits()).collect();
            for isa in Isa::available() {
                let mut out = vec![f32::NAN; raw.len()];
                calibration.apply_all_on(isa, &raw, &mut out);
                assert_eq!(out.iter().map(|v| v.to_bits()).collect::<Vec<_>>(), one_by_one, "{}", isa.name());
            }
        }
    }

    #[test]
    fn ties_and_empty_samples_give_valid_calibrations() {
        let tied = Calibration::fit(vec![0.5; 100], 100);
        assert_eq!((tied.apply(0.4), tied.apply(0.5), tied.apply(0.6)), (0.0, 0.0, 1.0));
        assert!(Calibration::fit(vec![], 0).valid());
        assert!(Calibration::fit(vec![f32::NAN, f32::INFINITY], 10).valid());
    }

    #[test]
    fn the_largest_numbers_give_valid_calibrations() {
        let calibration = Calibration::fit(vec![f32::MIN, 0.0, f32::MAX], 1);
        assert!(calibration.valid(), "{calibration:?}");
        assert_eq!((calibration.apply(f32::MIN), calibration.apply(f32::MAX)), (0.0, 1.0));
        let wide = Calibration { knots: (0..=STEPS).map(|j| if j < 32 { f32::MIN } else { f32::MAX }).collect() };
        assert!(!wide.valid(), "between its knots a score would be no number");
    }
}

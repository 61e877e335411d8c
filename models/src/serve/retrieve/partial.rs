//! A score without its content part.

use crate::model::ensemble::{COLLABORATIVE, Weights};
use crate::model::model::Model;

/// The part of a score that collaborative part and popularity make: w_c·collaborative + w_p·popularity.
pub struct PartialScore<'a> {
    pub model: &'a Model,
    pub weights: Weights,
}

impl PartialScore<'_> {
    /// For an item with the raw collaborative score `raw`.
    pub fn of(&self, item: u32, raw: f32) -> f32 {
        self.sum(raw, self.model.popularity()[item as usize])
    }

    fn sum(&self, raw: f32, popularity: f32) -> f32 {
        let [collaborative, _, popular] = self.weights.parts();
        collaborative * self.model.calibrations()[COLLABORATIVE].apply(raw) + popular * popularity
    }

    /// A raw score up to which the sum does not exceed `bar` at this popularity: the largest one, as far as a bisection
    /// finds it.
    pub fn needed(&self, bar: f32, popularity: f32) -> f32 {
        let [mut low, mut high] = self.model.calibrations()[COLLABORATIVE].range();
        if self.sum(high, popularity) <= bar {
            // All higher raw scores have the same calibrated score.
            return f32::INFINITY;
        }
        if self.sum(low, popularity) > bar {
            return f32::NEG_INFINITY;
        }
        for _ in 0..20 {
            let middle = 0.5 * (low + high);
            if self.sum(middle, popularity) > bar { high = middle } else { low = middle }
        }
        low
    }
}

//! The three parts of a score and the weights that sum them.

use serde::{Deserialize, Serialize};

/// Collaborative, content-based, popularity: the order of every three-element array of this crate.
pub const PART_NAMES: [&str; 3] = ["collaborative", "content_based", "popularity"];
/// Places in those arrays.
pub const COLLABORATIVE: usize = 0;
pub const CONTENT_BASED: usize = 1;
pub const POPULARITY: usize = 2;

/// A row's parts, each 0 to 1, or None where the part does not exist for the row.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Parts {
    pub collaborative: Option<f32>,
    pub content_based: Option<f32>,
    pub popularity: Option<f32>,
}

impl Parts {
    /// In the order of [`PART_NAMES`].
    pub fn as_array(&self) -> [Option<f32>; 3] {
        [self.collaborative, self.content_based, self.popularity]
    }
}

/// The weights of the three parts: not negative, with the sum 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Weights([f32; 3]);

impl Default for Weights {
    fn default() -> Self {
        Weights([0.5, 0.3, 0.2])
    }
}

impl Weights {
    /// Scales the weights so that they sum to 1. None if one is negative or not finite, or if all are 0.
    pub fn new(parts: [f32; 3]) -> Option<Self> {
        let sum: f32 = parts.iter().sum();
        let valid = sum.is_finite() && sum > 0.0 && parts.iter().all(|w| *w >= 0.0);
        valid.then(|| Weights(parts.map(|w| w / sum)))
    }

    /// All weight on one part, by [`PART_NAMES`].
    pub fn only(part: usize) -> Weights {
        Weights(std::array::from_fn(|i| if i == part { 1.0 } else { 0.0 }))
    }

    /// The same weights over the parts that exist; equal ones where those have none.
    pub fn over(&self, exists: [bool; 3]) -> Weights {
        let kept = |weights: [f32; 3]| std::array::from_fn(|i| if exists[i] { weights[i] } else { 0.0 });
        Weights::new(kept(self.0)).or_else(|| Weights::new(kept([1.0; 3]))).unwrap_or(*self)
    }

    /// By part, in the order of [`PART_NAMES`].
    pub fn parts(&self) -> [f32; 3] {
        self.0
    }

    /// The weighted mean over the parts that exist, 0 to 1. Where all of those have weight 0, it is their plain mean;
    /// without any part it is 0.
    ///
    /// ```
    /// use reco_models::{Parts, Weights};
    ///
    /// let weights = Weights::new([0.5, 0.3, 0.2]).expect("positive weights");
    /// let parts = Parts { collaborative: None, content_based: Some(0.5), popularity: Some(1.0) };
    /// assert!((weights.blend(&parts) - (0.3 * 0.5 + 0.2 * 1.0) / 0.5).abs() < 1e-6);
    /// ```
    pub fn blend(&self, parts: &Parts) -> f32 {
        let (weights, whole) = self.counting(parts);
        let sum: f64 = parts.as_array().iter().zip(weights).map(|(part, w)| w * f64::from(part.unwrap_or(0.0))).sum();
        if whole > 0.0 { (sum / whole) as f32 } else { 0.0 }
    }

    /// The weight of each part in [`Weights::blend`]: 0 for a part that does not exist. They sum to 1, or are all 0
    /// without any part.
    pub fn shares(&self, parts: &Parts) -> [f64; 3] {
        let (weights, whole) = self.counting(parts);
        weights.map(|w| if whole > 0.0 { w / whole } else { 0.0 })
    }

    /// The weights of the parts that exist, and their sum.
    fn counting(&self, parts: &Parts) -> ([f64; 3], f64) {
        let parts = parts.as_array();
        let of = |weights: [f32; 3]| -> ([f64; 3], f64) {
            let kept = std::array::from_fn(|i| if parts[i].is_some() { f64::from(weights[i]) } else { 0.0 });
            (kept, kept.iter().sum())
        };
        let (weights, whole) = of(self.0);
        if whole > 0.0 { (weights, whole) } else { of([1.0; 3]) }
    }

    /// All weights in steps of `1/steps`, for a search over the simplex.
    pub fn simplex(steps: usize) -> impl Iterator<Item = Weights> {
        (0..=steps).flat_map(move |a| {
            (0..=steps - a).map(move |b| {
                let share = |n: usize| n as f32 / steps as f32;
                Weights([share(a), share(b), share(steps - a - b)])
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_weights_of_missing_parts_go_to_the_others() {
        let parts = Parts { collaborative: None, content_based: Some(0.5), popularity: Some(1.0) };
        assert!((Weights::default().blend(&parts) - (0.3 * 0.5 + 0.2) / 0.5).abs() < 1e-6);
        assert_eq!(Weights::default().blend(&Parts::default()), 0.0);
    }

    #[test]
    fn a_part_of_weight_zero_still_scores_alone() {
        let weights = Weights::new([1.0, 0.0, 0.0]).unwrap();
        let parts = Parts { popularity: Some(0.4), ..Parts::default() };
        assert_eq!(weights.blend(&parts), 0.4);
    }

    #[test]
    fn the_simplex_holds_its_corners() {
        let all: Vec<_> = Weights::simplex(20).collect();
        assert_eq!(all.len(), 231);
        assert!(all.contains(&Weights([1.0, 0.0, 0.0])) && all.contains(&Weights([0.0, 0.0, 1.0])));
    }

    #[test]
    fn weights_over_the_parts_that_exist_sum_to_one() {
        let plan = Weights::default();
        assert_eq!(plan.over([true; 3]), plan);
        let without = plan.over([true, false, true]).parts();
        assert!((without[0] - 0.5 / 0.7).abs() < 1e-6 && without[1] == 0.0);
        assert_eq!(Weights::only(1).over([true, false, true]).parts(), [0.5, 0.0, 0.5]);
    }
}

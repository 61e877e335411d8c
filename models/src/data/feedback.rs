//! Which interactions count as liked, and how much: the one place that weighs a review, a favourite and their age.

use serde::{Deserialize, Serialize};

use crate::data::dataset::{Dataset, NONE, Row};

/// Compressed sparse rows of weights, users by items.
pub type Interactions = sprs::CsMatI<f32, u32, usize>;

/// Some rows of a matrix, in the order in which they are named; a number beyond the last row is left out.
pub fn rows_of(matrix: &Interactions, rows: impl Iterator<Item = usize>) -> Interactions {
    let (mut start, mut items, mut weights) = (vec![0], Vec::new(), Vec::new());
    for row in rows.filter_map(|row| matrix.outer_view(row)) {
        items.extend_from_slice(row.indices());
        weights.extend_from_slice(row.data());
        start.push(items.len());
    }
    Interactions::new((start.len() - 1, matrix.cols()), start, items, weights)
}

const YEAR: f64 = 365.25 * 86400.0;

/// The weight of an interaction. It is stars/5; a favourite weighs like five stars. Half of it fades with a half-life of
/// one year: an interaction of long ago keeps the other half.
///
/// ```
/// use reco_models::{Feedback, NONE};
///
/// let feedback = Feedback { positive_stars: 4.0, now: 1_700_000_000 };
/// let year_ago = feedback.now - 31_557_600;
/// assert_eq!(feedback.weight(4.0, false, NONE), 0.8);
/// assert_eq!(feedback.weight(0.0, true, year_ago), 0.75);
/// assert_eq!(feedback.weight(3.0, false, NONE), 0.0);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Feedback {
    /// Reviews with at least this number of stars are positive, 1 to 5.
    pub positive_stars: f32,
    /// The moment that ages are counted up to, seconds since 1970, or [`NONE`]: nothing has an age.
    pub now: i64,
}

impl Feedback {
    /// Whether an interaction counts as liked; `stars` is 0 without a review.
    pub fn positive(&self, stars: f32, favorite: bool) -> bool {
        favorite || stars >= self.positive_stars
    }

    /// Weight in (0, 1] of a positive, 0 of anything else; `at` in seconds since 1970, or [`NONE`].
    pub fn weight(&self, stars: f32, favorite: bool, at: i64) -> f32 {
        if !self.positive(stars, favorite) {
            return 0.0;
        }
        let liking = if favorite { 1.0 } else { stars / 5.0 };
        liking * (0.5 + 0.5 * (-self.age_years(at)).exp2())
    }

    /// Years from `at` to now, at least 0; 0 where either is unknown.
    pub fn age_years(&self, at: i64) -> f32 {
        if at == NONE || self.now == NONE {
            return 0.0;
        }
        // Saturating: a year 294276 in a column must not overflow.
        (self.now.saturating_sub(at) as f64 / YEAR).max(0.0) as f32
    }

    /// The positives of a row as (item, weight), ascending by item like the row.
    pub fn positives<'a>(&'a self, row: Row<'a>) -> impl Iterator<Item = (u32, f32)> + 'a {
        (0..row.len()).filter_map(move |i| {
            let weight = self.weight(row.stars[i], row.favorite[i], row.at[i]);
            (weight > 0.0).then_some((row.item[i], weight))
        })
    }

    /// The weights of all positives, users × items.
    pub fn interactions(&self, data: &Dataset) -> Interactions {
        let users = data.events.users();
        let mut start = Vec::with_capacity(users + 1);
        let (mut items, mut weights) = (Vec::new(), Vec::new());
        start.push(0);
        for user in 0..users {
            for (item, weight) in self.positives(data.events.row(user)) {
                items.push(item);
                weights.push(weight);
            }
            start.push(items.len());
        }
        Interactions::new((users, data.items.len()), start, items, weights)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86400;

    #[test]
    fn four_stars_and_favourites_are_positive() {
        let feedback = Feedback { positive_stars: 4.0, now: NONE };
        assert_eq!(feedback.weight(5.0, false, NONE), 1.0);
        assert_eq!(feedback.weight(4.0, false, NONE), 0.8);
        assert_eq!(feedback.weight(3.0, false, NONE), 0.0);
        assert_eq!(feedback.weight(1.0, true, NONE), 1.0);
    }

    #[test]
    fn half_of_the_weight_halves_with_every_year() {
        let feedback = Feedback { positive_stars: 4.0, now: 4 * 36525 * DAY / 100 };
        let year_ago = feedback.now - 36525 * DAY / 100;
        assert!((feedback.weight(5.0, false, year_ago) - 0.75).abs() < 1e-6);
        assert_eq!(feedback.weight(5.0, false, feedback.now + DAY), 1.0);
        assert!(feedback.weight(5.0, false, NONE + 1) >= 0.5);
    }
}

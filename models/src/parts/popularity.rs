//! The popularity part: 0.4 rating count + 0.3 mean rating + 0.2 favourites + 0.1 recency, each 0 to 1.

use serde::{Deserialize, Serialize};

use crate::data::dataset::NONE;
use crate::data::feedback::Feedback;
use crate::data::items::ItemTable;

/// The names of the terms in an explanation.
pub const TERM_NAMES: [&str; 4] = ["ratings", "mean_stars", "favorites", "recency"];
/// Weights of rating count, mean rating, favourites and recency.
pub const TERM_WEIGHTS: [f32; 4] = [0.4, 0.3, 0.2, 0.1];

/// Every item is given this number of average ratings beforehand, so that a single five-star review does not make it
/// popular.
const PRIOR_RATINGS: f32 = 10.0;

/// The Bayesian mean rating of an item in stars, from its sum and number of ratings and the mean of all ratings; this mean
/// for an item without a rating.
pub fn bayesian_mean(stars_sum: f32, ratings: u32, mean: f32) -> f32 {
    (stars_sum + PRIOR_RATINGS * mean) / (ratings as f32 + PRIOR_RATINGS)
}

/// The largest counts and the mean rating of a catalogue, which the terms are relative to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Scale {
    most_ratings: u32,
    most_favorites: u32,
    mean_stars: f32,
}

impl Scale {
    /// The scale of these items.
    pub fn of(items: &ItemTable) -> Scale {
        Scale {
            most_ratings: items.ratings.iter().copied().max().unwrap_or(0),
            most_favorites: items.favorites.iter().copied().max().unwrap_or(0),
            mean_stars: items.mean_stars(),
        }
    }

    /// The four terms of an item, each 0 to 1. Counts are logarithmic: they follow a power law.
    /// Recency halves with every year since the latest positive; 0 where nothing has a time.
    pub fn terms(&self, items: &ItemTable, feedback: &Feedback, item: usize) -> [f32; 4] {
        let log_share = |count: u32, most: u32| (count as f32).ln_1p() / (most.max(1) as f32).ln_1p();
        let latest = items.latest[item];
        [
            log_share(items.ratings[item], self.most_ratings),
            bayesian_mean(items.stars_sum[item], items.ratings[item], self.mean_stars) / 5.0,
            log_share(items.favorites[item], self.most_favorites),
            if latest == NONE { 0.0 } else { (-feedback.age_years(latest)).exp2() },
        ]
    }
}

/// The weighted sum of the terms by item, 0 to 1.
pub fn popularity(items: &ItemTable, feedback: &Feedback) -> Vec<f32> {
    let scale = Scale::of(items);
    let sum = |terms: [f32; 4]| terms.iter().zip(TERM_WEIGHTS).map(|(t, w)| t * w).sum();
    (0..items.len()).map(|item| sum(scale.terms(items, feedback, item))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> ItemTable {
        ItemTable {
            id: vec![1, 2, 3].into(),
            category: vec![NONE; 3].into(),
            author: vec![NONE; 3].into(),
            published: vec![NONE; 3].into(),
            ratings: vec![100, 1, 0].into(),
            stars_sum: vec![400.0, 5.0, 0.0].into(),
            favorites: vec![10, 0, 0].into(),
            positives: vec![80, 1, 0].into(),
            latest: vec![1000, 500, NONE].into(),
            ..ItemTable::default()
        }
    }

    #[test]
    fn popular_items_score_above_rarely_rated_and_unrated_ones() {
        let scores = popularity(&table(), &Feedback { positive_stars: 4.0, now: 1000 });
        assert!(scores[0] > scores[1] && scores[1] > scores[2], "{scores:?}");
        assert!(scores.iter().all(|s| (0.0..=1.0).contains(s)));
        assert!((scores[0] - (0.4 + 0.3 * 0.8 + 0.2 + 0.1)).abs() < 1e-3, "{scores:?}");
    }

    #[test]
    fn an_empty_catalogue_has_no_popularity() {
        assert!(popularity(&ItemTable::default(), &Feedback { positive_stars: 4.0, now: NONE }).is_empty());
    }
}

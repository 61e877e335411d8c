//! Places for new and rarely read items, by Thompson sampling (Thompson 1933; Chapelle and Li, "An Empirical Evaluation
//! of Thompson Sampling", NIPS 2011): each place goes to the item with the highest draw from the Beta posterior of
//! being liked. Exposures are not recorded: interactions stand for them, because a user who reacted to an item has seen
//! it.

use rand::SeedableRng;
use rand_distr::{Beta, Distribution};
use rand_pcg::Pcg64Mcg;
use xxhash_rust::xxh3::xxh3_64;

use crate::data::items::Exposure;

/// Items with fewer interactions than this are explored: the standard error of their share of likes is above 15 %.
pub const RARELY: u32 = 10;
/// Every item is given this number of exposures with the average share of likes beforehand.
const PRIOR: f32 = 4.0;
/// Draws that a propensity is estimated from: its standard error is at most about 0.02.
const DRAWS: usize = 500;

/// An item that was chosen for exploration.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Explored {
    /// Its place among the items that were given.
    pub index: usize,
    /// The probability that the item is chosen, above 0 and at most 1: estimates from clicks are weighted by its inverse.
    pub propensity: f32,
}

/// A seed that depends on the user, the version of the model and the day only: a page that is loaded again on the same day
/// shows the same items. The day is any number that identifies it.
pub fn explore_seed(user: i64, version: i64, day: i64) -> u64 {
    let mut key = [0u8; 24];
    key[..8].copy_from_slice(&user.to_le_bytes());
    key[8..16].copy_from_slice(&version.to_le_bytes());
    key[16..].copy_from_slice(&day.to_le_bytes());
    xxh3_64(&key)
}

/// Chooses `places` of the items, or all if there are fewer. `rate` is the share of positive ones among all interactions,
/// 0 to 1. The same seed gives the same choice.
///
/// ```
/// use reco_models::{Exposure, explore, explore_seed};
///
/// let items = [Exposure { seen: 0, liked: 0 }, Exposure { seen: 9, liked: 0 }, Exposure { seen: 9, liked: 9 }];
/// let chosen = explore(&items, 0.6, 2, explore_seed(7, 1, 19_000));
/// assert_eq!(chosen.len(), 2);
/// assert!(chosen.iter().all(|explored| explored.index < 3 && explored.propensity > 0.0));
/// ```
pub fn explore(items: &[Exposure], rate: f32, places: usize, seed: u64) -> Vec<Explored> {
    let places = places.min(items.len());
    let rate = rate.clamp(0.01, 0.99);
    // Both parameters are positive and finite, so that no posterior is refused.
    let posteriors: Vec<Option<Beta<f32>>> = items
        .iter()
        .map(|item| {
            let liked = item.liked.min(item.seen) as f32;
            Beta::new(PRIOR * rate + liked, PRIOR * (1.0 - rate) + item.seen as f32 - liked).ok()
        })
        .collect();
    let mut rng = Pcg64Mcg::seed_from_u64(seed);
    let mut draw = || -> Vec<usize> {
        let mut drawn: Vec<(f32, usize)> =
            posteriors.iter().map(|p| p.as_ref().map_or(0.0, |p| p.sample(&mut rng))).zip(0..).collect();
        drawn.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        drawn.into_iter().take(places).map(|(_, index)| index).collect()
    };
    if places == 0 {
        return Vec::new();
    }
    let chosen = draw();
    // The draw that counts is one of them, so that no propensity is 0.
    let mut shown = vec![0u32; items.len()];
    chosen.iter().for_each(|index| shown[*index] += 1);
    for _ in 1..DRAWS {
        draw().into_iter().for_each(|index| shown[index] += 1);
    }
    let propensity = |index: usize| shown[index] as f32 / DRAWS as f32;
    chosen.into_iter().map(|index| Explored { index, propensity: propensity(index) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: Exposure = Exposure { seen: 0, liked: 0 };

    #[test]
    fn the_same_seed_gives_the_same_choice() {
        let items = [NEW; 20];
        assert_eq!(explore(&items, 0.5, 3, 1), explore(&items, 0.5, 3, 1));
        assert!((2..20).any(|seed| explore(&items, 0.5, 3, seed) != explore(&items, 0.5, 3, 1)));
    }

    #[test]
    fn propensities_are_the_frequencies_of_being_chosen() {
        let items = [NEW, NEW, Exposure { seen: 9, liked: 9 }, Exposure { seen: 9, liked: 0 }];
        let mut shown = [0.0; 4];
        let mut told = [0.0; 4];
        for seed in 0..2000 {
            for explored in explore(&items, 0.5, 1, seed) {
                shown[explored.index] += 1.0 / 2000.0;
                told[explored.index] = explored.propensity;
            }
        }
        assert!(shown[2] > shown[0] && shown[0] > shown[3], "{shown:?}");
        assert!(shown.iter().zip(told).take(3).all(|(a, b): (&f32, f32)| (a - b).abs() < 0.08), "{shown:?} {told:?}");
    }

    #[test]
    fn no_items_no_places_and_odd_rates_are_handled() {
        assert!(explore(&[], 0.5, 3, 1).is_empty());
        assert!(explore(&[NEW], 0.5, 0, 1).is_empty());
        let all = explore(&[NEW, Exposure { seen: 1, liked: 7 }], f32::NAN, 9, 1);
        assert_eq!(all.len(), 2);
        assert!(all.iter().all(|e| e.propensity == 1.0));
    }
}

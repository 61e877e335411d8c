//! Places for new and rarely read items, by Thompson sampling (Thompson 1933; Chapelle and Li, "An Empirical Evaluation
//! of Thompson Sampling", NIPS 2011): each place goes to the item with the highest draw from the Beta posterior of
//! being liked. Who reacted to an item has seen it, so that interactions stand for exposures, which nobody records.

use rand::SeedableRng;
use rand_distr::{Beta, Distribution};
use rand_pcg::Pcg64Mcg;
use xxhash_rust::xxh3::xxh3_64;

use crate::data::items::Exposure;

/// Items with fewer reactions than this are rarely shown: their share of likes is not known to 15 % either way.
pub const RARELY: u32 = 10;
/// Imagined exposures of average success that every item is given beforehand.
const PRIOR: f32 = 4.0;
/// Replays that a propensity is counted over: it is right to about 0.02.
const REPLAYS: usize = 500;

/// One explored place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Explored {
    /// Index of the item.
    pub index: usize,
    /// How probable it was that this item would be among the explored ones: never 0.
    pub propensity: f32,
}

/// The same for a user, a model and a day (any number that names them), so that a page that is loaded again is the same.
pub fn explore_seed(user: i64, version: i64, day: i64) -> u64 {
    let mut key = [0u8; 24];
    key[..8].copy_from_slice(&user.to_le_bytes());
    key[8..16].copy_from_slice(&version.to_le_bytes());
    key[16..].copy_from_slice(&day.to_le_bytes());
    xxh3_64(&key)
}

/// Chooses `places` of the items. `rate` is the share of all reactions that are good ones. Same seed, same choice.
pub fn explore(items: &[Exposure], rate: f32, places: usize, seed: u64) -> Vec<Explored> {
    let places = places.min(items.len());
    let rate = rate.clamp(0.01, 0.99);
    // Always positive and finite, so that no posterior is refused.
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
    // The draw that counts is one of the replays.
    let mut shown = vec![0u32; items.len()];
    chosen.iter().for_each(|index| shown[*index] += 1);
    for _ in 1..REPLAYS {
        draw().into_iter().for_each(|index| shown[index] += 1);
    }
    let propensity = |index: usize| shown[index] as f32 / REPLAYS as f32;
    chosen.into_iter().map(|index| Explored { index, propensity: propensity(index) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: Exposure = Exposure { seen: 0, liked: 0 };

    #[test]
    fn the_seed_decides_and_nothing_else() {
        let items = [NEW; 20];
        assert_eq!(explore(&items, 0.5, 3, 1), explore(&items, 0.5, 3, 1));
        assert!((2..20).any(|seed| explore(&items, 0.5, 3, seed) != explore(&items, 0.5, 3, 1)));
    }

    #[test]
    fn propensities_are_the_frequencies() {
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
    fn odd_input() {
        assert!(explore(&[], 0.5, 3, 1).is_empty());
        assert!(explore(&[NEW], 0.5, 0, 1).is_empty());
        let all = explore(&[NEW, Exposure { seen: 1, liked: 7 }], f32::NAN, 9, 1);
        assert_eq!(all.len(), 2);
        assert!(all.iter().all(|e| e.propensity == 1.0));
    }
}

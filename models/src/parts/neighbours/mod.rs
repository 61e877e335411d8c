//! Item neighbourhoods: for each item, the few other items whose users predict its users best.
//!
//! An item's weights are a ridge regression of its column on those of its `most` nearest items by cosine:
//! w = (G_SS + λI)⁻¹·G_Sj, G_ab the weighted count of shared users. That is EASE (Steck, "Embarrassingly Shallow
//! Autoencoders for Sparse Data", 2019) solved on a neighbourhood instead of on the whole catalogue, as fsSLIM does it
//! (Ning and Karypis, "SLIM: Sparse Linear Methods for Top-N Recommender Systems", 2011): linear in the items instead of
//! cubic, and better in the long tail, where a whole inverse fits noise. NDCG@10 on the hold-outs of Book-Crossing,
//! MovieLens 100k and the generated library: 0.085, 0.322, 0.275; the whole EASE 0.072 (elsewhere), 0.323, 0.269;
//! BM25 0.076, 0.298, 0.256; RP3beta 0.031, 0.286, 0.261. Where data is dense, the whole EASE is better, which is
//! [`whole`]: validation decides. A user's score of item i is Σ_j w_uj·W_ji over the liked items j.

mod counts;
pub mod filter;
mod mixture;
mod regression;
pub mod whole;

use serde::{Deserialize, Serialize};

use crate::control::Control;
use crate::data::column::Column;
use crate::data::feedback::Interactions;
use crate::error::{Error, Result};

pub use filter::FilterParams;
pub use mixture::Mixture;
pub use regression::{Regressions, block_bytes};

/// What is added to the diagonal of a regression's system.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Shrinkage {
    /// λ, in units of shared users.
    pub ridge: f32,
    /// Share of the likes that is imagined to be dropped at random, 0 to below 1. In expectation that adds
    /// dropout/(1−dropout) of an item's own total (EDLAE: Steck, "Autoencoders that don't overfit towards the Identity",
    /// 2020). NDCG@10 of the neighbours alone with 0 and 0.5 on MovieLens 100k 0.318 and 0.322, on a generated library
    /// 0.250 and 0.255.
    pub dropout: f32,
}

impl Shrinkage {
    /// What stands on the diagonal for an item with this total.
    fn diagonal(&self, total: f32) -> f32 {
        total / (1.0 - self.dropout) + self.ridge
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct NeighbourParams {
    pub shrinkage: Shrinkage,
    /// Whether each item is predicted from all others, and not from its nearest.
    pub whole: bool,
    /// The most items that one item is predicted from; where it is predicted from all others, the most that one item helps to
    /// predict, those with the largest weights.
    pub most: usize,
    /// A user with n liked items has the weight n to this power, 0 or less: somebody who likes a lot says less about
    /// what belongs together.
    pub activity: f32,
}

/// The weights of each item in the prediction of others, by ascending index of the other.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Neighbours {
    /// `items + 1` offsets.
    pub start: Column<u32>,
    pub item: Column<u32>,
    /// May be negative: liking the one item then lowers the score of the other.
    pub weight: Column<f32>,
}

impl Neighbours {
    /// From positives (users × items). Runs in the current rayon pool; the result does not depend on its size.
    ///
    /// # Errors
    /// [`Error::Stopped`], [`Error::OutOfMemory`], and [`Error::NotFinite`] where the system of all items cannot be solved.
    pub fn fit(matrix: &Interactions, params: &NeighbourParams, control: &Control) -> Result<Neighbours> {
        if !params.whole {
            return Ok(Regressions::fit(matrix, params, &[params.shrinkage], control)?.neighbours(0));
        }
        // Solvable as a rule, because validation was; if not, with a system that is ten times further from being singular.
        for ridge in [1.0, 10.0].map(|factor| factor * params.shrinkage.ridge) {
            let shrinkage = Shrinkage { ridge, ..params.shrinkage };
            if let Some(fitted) = whole::fit(matrix, &NeighbourParams { shrinkage, ..*params }, control)? {
                return Ok(fitted);
            }
        }
        Err(Error::NotFinite("the regression of each item on all others"))
    }

    fn gather(rows: impl Iterator<Item = Vec<(u32, f32)>>, items: usize) -> Neighbours {
        let (mut start, mut item, mut weight) = (Vec::with_capacity(items + 1), Vec::new(), Vec::new());
        start.push(0);
        for row in rows {
            item.extend(row.iter().map(|(item, _)| *item));
            weight.extend(row.iter().map(|(_, weight)| *weight));
            start.push(item.len() as u32);
        }
        Neighbours { start: start.into(), item: item.into(), weight: weight.into() }
    }

    /// No neighbours at all.
    pub fn none(items: usize) -> Neighbours {
        Neighbours { start: vec![0; items + 1].into(), ..Neighbours::default() }
    }

    pub fn items(&self) -> usize {
        self.start.len().saturating_sub(1)
    }

    /// Neighbours of an item with their weights.
    pub fn of(&self, item: u32) -> (&[u32], &[f32]) {
        let Some(end) = self.start.get(item as usize + 1) else { return (&[], &[]) };
        let range = self.start[item as usize] as usize..*end as usize;
        (&self.item[range.clone()], &self.weight[range])
    }

    /// The same neighbours under other indices.
    pub fn renumbered(&self, items: usize, new: impl Fn(u32) -> u32) -> Neighbours {
        let mut rows = vec![Vec::new(); items];
        for old in 0..self.items() as u32 {
            let (neighbours, weights) = self.of(old);
            let row = neighbours.iter().zip(weights).map(|(n, w)| (new(*n), *w));
            rows[new(old) as usize] = row.collect();
        }
        rows.iter_mut().for_each(|row| row.sort_unstable_by_key(|(item, _)| *item));
        Neighbours::gather(rows.into_iter(), items)
    }

    /// Whether data from storage has everything that scoring relies on.
    pub fn valid(&self, items: usize) -> bool {
        self.start.len() == items + 1
            && self.start.first() == Some(&0)
            && self.start.windows(2).all(|w| w[0] <= w[1])
            && self.start.last().is_some_and(|n| *n as usize == self.item.len())
            && self.item.len() == self.weight.len()
            && self.item.iter().all(|i| (*i as usize) < items)
            && self.weight.iter().all(|w| w.is_finite())
    }

    /// Scores of all items for a user with the given liked items and weights.
    pub fn score_all(&self, liked: &[(u32, f32)], items: usize) -> Vec<f32> {
        let mut scores = vec![0.0; items];
        for (item, liking) in liked {
            let (neighbours, weights) = self.of(*item);
            for (neighbour, weight) in neighbours.iter().zip(weights) {
                scores[*neighbour as usize] += liking * weight;
            }
        }
        scores
    }

    /// Adds to the scores of the given items only: `add` gets a position in `items` and the summand.
    pub fn score(&self, liked: &[(u32, f32)], items: &[u32], mut add: impl FnMut(usize, f32)) {
        let wanted = Bits::new(self.items(), items.iter());
        let mut found: Vec<(u32, f32)> = Vec::new();
        for (item, liking) in liked {
            let (neighbours, weights) = self.of(*item);
            let pairs = neighbours.iter().zip(weights).filter(|(neighbour, _)| wanted.has(**neighbour));
            found.extend(pairs.map(|(neighbour, weight)| (*neighbour, liking * weight)));
        }
        if found.is_empty() {
            return;
        }
        // Stable: the summands of an item keep the order of the liked items. Few of the given items are neighbours as a
        // rule, so that these are sorted and not those.
        found.sort_by_key(|(neighbour, _)| *neighbour);
        let neighbours = Bits::new(self.items(), found.iter().map(|(neighbour, _)| neighbour));
        // An item that stands in the list twice is scored twice.
        for (place, item) in items.iter().enumerate().filter(|(_, item)| neighbours.has(**item)) {
            let first = found.partition_point(|(neighbour, _)| neighbour < item);
            let summands = found[first..].iter().take_while(|(neighbour, _)| neighbour == item);
            summands.for_each(|(_, summand)| add(place, *summand));
        }
    }
}

/// Each item once, ascending, with the sum of what stands beside it.
pub fn summed(mut pairs: Vec<(u32, f32)>) -> Vec<(u32, f32)> {
    // The sort is fast where the pairs are a few rows that are in order already. (A buffer with a place for every item would be
    // faster for heavy users, but the process would keep its megabytes, and a server has many processes.)
    pairs.sort_by_key(|(item, _)| *item);
    pairs.dedup_by(|next, kept| {
        let same = next.0 == kept.0;
        kept.1 += if same { next.1 } else { 0.0 };
        same
    });
    pairs
}

/// A set of items, one bit each: one load tells that an item is not in it, as most are not.
struct Bits(Vec<u64>);

impl Bits {
    fn new<'a>(items: usize, set: impl Iterator<Item = &'a u32>) -> Bits {
        let mut bits = vec![0u64; items.div_ceil(64)];
        set.for_each(|item| bits[*item as usize / 64] |= 1 << (item % 64));
        Bits(bits)
    }

    fn has(&self, item: u32) -> bool {
        self.0[item as usize / 64] >> (item % 64) & 1 == 1
    }
}

#[cfg(test)]
mod tests;

//! The items of each category, or of each author, summed up.

use std::iter;

use ndarray::{Array2, ArrayView2};

use crate::data::column::{Column, Matrix};
use crate::data::dataset::NONE;
use crate::data::labels::{Labels, Lists};
use crate::math::simd::dot;

/// The group of an item without a category or an author.
pub const NO_GROUP: u32 = u32::MAX;
/// Every group is given this number of items with zero factors beforehand, which shrinks the mean of small ones.
const PRIOR_ITEMS: f32 = 5.0;

/// The categories of a model, or its authors. A group is one of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Groups {
    /// Ids, ascending.
    pub ids: Column<i64>,
    /// By item, the index of its first group, or [`NO_GROUP`].
    pub of_item: Column<u32>,
    /// By item, its other groups.
    pub more: Lists<u32>,
    /// By group, the number of its items.
    pub items: Column<u32>,
    /// By group, the positives of its items.
    pub positives: Column<u32>,
    /// Shrunk mean of the items' factors, groups × k.
    pub embedding: Matrix,
}

impl Groups {
    /// `keys`: the categories or authors of each item, who is one of the items of each; `factors`: items × k.
    pub fn new(keys: &Labels, positives: &[u32], factors: ArrayView2<f32>) -> Groups {
        let mut ids: Vec<i64> = keys.first.iter().chain(&*keys.more.value).copied().filter(|k| *k != NONE).collect();
        ids.sort_unstable();
        ids.dedup();
        let of_item: Vec<u32> = keys.first.iter().map(|k| find(&ids, *k)).collect();
        let more = Lists::new((0..of_item.len()).map(|item| keys.more.of(item).iter().map(|key| find(&ids, *key))));
        let (mut members, mut liked) = (vec![0; ids.len()], vec![0; ids.len()]);
        let mut embedding = Array2::zeros((ids.len(), factors.ncols()));
        for (item, first) in of_item.iter().enumerate().filter(|(_, g)| **g != NO_GROUP) {
            for group in iter::once(first).chain(more.of(item)).map(|group| *group as usize) {
                members[group] += 1;
                liked[group] += positives[item];
                let mut sum = embedding.row_mut(group);
                sum += &factors.row(item);
            }
        }
        for (mut row, n) in embedding.rows_mut().into_iter().zip(&members) {
            row /= *n as f32 + PRIOR_ITEMS;
        }
        Groups {
            ids: ids.into(),
            of_item: of_item.into(),
            more,
            items: members.into(),
            positives: liked.into(),
            embedding: embedding.into(),
        }
    }

    /// The number of groups.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// All groups of an item of the model.
    pub fn of(&self, item: usize) -> impl Iterator<Item = u32> + '_ {
        iter::once(self.of_item[item]).chain(self.more.of(item).iter().copied())
    }

    /// Those of an item that is newer than the model, by their ids.
    pub fn found(&self, ids: impl Iterator<Item = i64>) -> impl Iterator<Item = u32> {
        ids.map(|id| find(&self.ids, id)).filter(|group| *group != NO_GROUP)
    }

    /// ln(1 + items) and ln(1 + positives per item).
    pub fn size(&self, group: u32) -> [f32; 2] {
        if group == NO_GROUP {
            return [0.0; 2];
        }
        sizes(self.items[group as usize], self.positives[group as usize])
    }

    /// [`Groups::size`] without one of the items, which has this many positives.
    pub fn size_without(&self, group: u32, positives: u32) -> [f32; 2] {
        if group == NO_GROUP {
            return [0.0; 2];
        }
        let (items, liked) = (self.items[group as usize], self.positives[group as usize]);
        sizes(items.saturating_sub(1), liked.saturating_sub(positives))
    }

    /// The product of a user's vector and the group's; 0 where one of them is missing.
    pub fn affinity(&self, group: u32, factor: &[f32]) -> f32 {
        if group == NO_GROUP || factor.is_empty() {
            return 0.0;
        }
        dot(self.embedding.row(group as usize), factor)
    }

    /// [`Groups::affinity`] without one of the items, whose vector has the product `own` with the user's.
    pub fn affinity_without(&self, group: u32, factor: &[f32], own: f32) -> f32 {
        if group == NO_GROUP || factor.is_empty() {
            return 0.0;
        }
        let items = self.items[group as usize] as f32 + PRIOR_ITEMS;
        (self.affinity(group, factor) * items - own) / (items - 1.0)
    }
}

fn sizes(items: u32, positives: u32) -> [f32; 2] {
    let (items, positives) = (items as f32, positives as f32);
    [items.ln_1p(), (positives / items.max(1.0)).ln_1p()]
}

/// The index of a group; [`NO_GROUP`] for an id that is not among the ascending `ids`.
fn find(ids: &[i64], id: i64) -> u32 {
    ids.binary_search(&id).map_or(NO_GROUP, |i| i as u32)
}

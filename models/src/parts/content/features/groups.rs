//! The items of each category, or of each author, summed up.

use ndarray::{Array2, ArrayView2};

use crate::data::column::{Column, Matrix};
use crate::data::dataset::NONE;
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
    /// By item, the index of its group, or [`NO_GROUP`].
    pub of_item: Column<u32>,
    /// By group, the number of its items.
    pub items: Column<u32>,
    /// By group, the positives of its items.
    pub positives: Column<u32>,
    /// Shrunk mean of the items' factors, groups × k.
    pub embedding: Matrix,
}

impl Groups {
    /// `keys`: the category or author of each item; `factors`: items × k.
    pub fn new(keys: &[i64], positives: &[u32], factors: ArrayView2<f32>) -> Groups {
        let mut ids: Vec<i64> = keys.iter().copied().filter(|k| *k != NONE).collect();
        ids.sort_unstable();
        ids.dedup();
        let of_item: Vec<u32> = keys.iter().map(|k| find(&ids, *k)).collect();
        let (mut members, mut liked) = (vec![0; ids.len()], vec![0; ids.len()]);
        let mut embedding = Array2::zeros((ids.len(), factors.ncols()));
        for (item, group) in of_item.iter().enumerate().filter(|(_, g)| **g != NO_GROUP) {
            let group = *group as usize;
            members[group] += 1;
            liked[group] += positives[item];
            let mut sum = embedding.row_mut(group);
            sum += &factors.row(item);
        }
        for (mut row, n) in embedding.rows_mut().into_iter().zip(&members) {
            row /= *n as f32 + PRIOR_ITEMS;
        }
        Groups {
            ids: ids.into(),
            of_item: of_item.into(),
            items: members.into(),
            positives: liked.into(),
            embedding: embedding.into(),
        }
    }

    /// The number of groups.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// The index of the group with this id; [`NO_GROUP`] where there is none.
    pub fn find(&self, id: i64) -> u32 {
        find(&self.ids, id)
    }

    /// ln(1 + items) and ln(1 + positives per item).
    pub fn size(&self, group: u32) -> [f32; 2] {
        if group == NO_GROUP {
            return [0.0; 2];
        }
        let (items, positives) = (self.items[group as usize] as f32, self.positives[group as usize] as f32);
        [items.ln_1p(), (positives / items.max(1.0)).ln_1p()]
    }

    /// The product of a user's vector and the group's; 0 where one of them is missing.
    pub fn affinity(&self, group: u32, factor: &[f32]) -> f32 {
        if group == NO_GROUP || factor.is_empty() {
            return 0.0;
        }
        dot(self.embedding.row(group as usize), factor)
    }
}

/// The index of a group; [`NO_GROUP`] for an id that is not among the ascending `ids`.
fn find(ids: &[i64], id: i64) -> u32 {
    ids.binary_search(&id).map_or(NO_GROUP, |i| i as u32)
}

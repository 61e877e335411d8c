//! What a model knows of each item: its catalogue row and the counts of the interactions it was trained on.

use crate::data::column::Column;
use crate::data::dataset::{Dataset, NONE};
use crate::data::feedback::Feedback;

/// The items of a model. All columns have one element per item, by ascending id; the index of an item is its place.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ItemTable {
    pub id: Column<i64>,
    /// Category id, or [`NONE`].
    pub category: Column<i64>,
    /// Author id, or [`NONE`].
    pub author: Column<i64>,
    /// Seconds since 1970, or [`NONE`].
    pub published: Column<i64>,
    /// Number of reviews.
    pub ratings: Column<u32>,
    /// Sum of their stars.
    pub stars_sum: Column<f32>,
    /// Number of favourites.
    pub favorites: Column<u32>,
    /// Number of users who like the item: see [`Feedback::positive`].
    pub positives: Column<u32>,
    /// Time of the latest positive, seconds since 1970, or [`NONE`].
    pub latest: Column<i64>,
}

/// The catalogue row of one item, whether a model knows the item or not.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ItemInfo {
    /// Category id, or [`NONE`].
    pub category: i64,
    /// Author id, or [`NONE`].
    pub author: i64,
    /// Seconds since 1970, or [`NONE`].
    pub published: i64,
}

/// The interactions with an item.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Exposure {
    /// Reviews and favourites.
    pub seen: u32,
    /// The positive ones among them.
    pub liked: u32,
}

impl ItemTable {
    /// Counts the interactions of `data` by item.
    pub fn count(data: &Dataset, feedback: &Feedback) -> ItemTable {
        let n = data.items.len();
        let (mut ratings, mut favorites, mut positives) = (vec![0; n], vec![0; n], vec![0; n]);
        let (mut stars_sum, mut latest) = (vec![0.0; n], vec![NONE; n]);
        let events = &data.events;
        for (i, item) in events.item.iter().map(|item| *item as usize).enumerate() {
            if events.stars[i] > 0.0 {
                ratings[item] += 1;
                stars_sum[item] += events.stars[i];
            }
            favorites[item] += u32::from(events.favorite[i]);
            if feedback.positive(events.stars[i], events.favorite[i]) {
                positives[item] += 1;
                latest[item] = events.at[i].max(latest[item]);
            }
        }
        ItemTable {
            id: data.items.clone().into(),
            category: data.category.clone().into(),
            author: data.author.clone().into(),
            published: data.published.clone().into(),
            ratings: ratings.into(),
            stars_sum: stars_sum.into(),
            favorites: favorites.into(),
            positives: positives.into(),
            latest: latest.into(),
        }
    }

    pub fn len(&self) -> usize {
        self.id.len()
    }

    pub fn is_empty(&self) -> bool {
        self.id.is_empty()
    }

    /// The index of an item; None for an id that the table does not hold.
    ///
    /// The search begins where the id would lie if ids were spread evenly, and takes steps that double: ids come from
    /// sequences, and a binary search of 340 000 waits for memory in each step (for 300 items, a fifth of the time of
    /// their scoring).
    pub fn index(&self, id: i64) -> Option<u32> {
        let ids: &[i64] = &self.id;
        let (first, last) = (*ids.first()?, *ids.last()?);
        if id < first || id > last {
            return None;
        }
        let share = id.abs_diff(first) as f64 / last.abs_diff(first).max(1) as f64;
        let guess = ((share * (ids.len() - 1) as f64) as usize).min(ids.len() - 1);
        let (mut low, mut high, mut step) = (guess, guess + 1, 1);
        while ids[low] > id {
            high = low;
            low = low.saturating_sub(step);
            step *= 2;
        }
        while high < ids.len() && ids[high] <= id {
            low = high;
            high = (high + step).min(ids.len());
            step *= 2;
        }
        ids[low..high].binary_search(&id).ok().map(|i| (low + i) as u32)
    }

    /// The catalogue row of an item, by its index.
    pub fn info(&self, item: u32) -> ItemInfo {
        let i = item as usize;
        ItemInfo { category: self.category[i], author: self.author[i], published: self.published[i] }
    }

    /// The interactions with an item, by its index.
    pub fn exposure(&self, item: u32) -> Exposure {
        let i = item as usize;
        let seen = self.ratings[i].saturating_add(self.favorites[i]);
        Exposure { seen, liked: self.positives[i].min(seen) }
    }

    /// Mean of all stars given, 0 without a rating.
    pub fn mean_stars(&self) -> f32 {
        let count: f64 = self.ratings.iter().map(|n| f64::from(*n)).sum();
        let sum: f64 = self.stars_sum.iter().map(|s| f64::from(*s)).sum();
        if count > 0.0 { (sum / count) as f32 } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_is_found_however_they_are_spread() {
        let spread: [Vec<i64>; 6] = [
            vec![],
            vec![7],
            (100..400).collect(),
            (0..200).map(|i| i * i).collect(),
            (0..100).map(|i| -5 * i * i * i).rev().collect(),
            [i64::MIN, -3, 0, 1, 2, 1_000_000, i64::MAX].to_vec(),
        ];
        for ids in spread {
            let table = ItemTable { id: ids.clone().into(), ..ItemTable::default() };
            let asked = ids.iter().flat_map(|id| [id.saturating_sub(1), *id, id.saturating_add(1)]).chain([50]);
            for id in asked {
                assert_eq!(table.index(id), ids.binary_search(&id).ok().map(|i| i as u32), "{id} in {ids:?}");
            }
        }
    }
}

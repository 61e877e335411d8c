//! What a model knows of each item: its catalogue row and the counts of the interactions it was trained on.

use std::sync::Arc;

use crate::data::column::Column;
use crate::data::dataset::{Dataset, NONE};
use crate::data::feedback::Feedback;
use crate::data::labels::Labels;
use crate::data::vectors::{ItemVectors, Vectors};

/// The items of a model. All columns have one element per item, by ascending id; the index of an item is its place.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ItemTable {
    pub id: Column<i64>,
    /// Category ids.
    pub category: Labels,
    /// Author ids.
    pub author: Labels,
    /// Seconds since 1970, or [`NONE`].
    pub published: Column<i64>,
    /// Number of reviews.
    pub ratings: Column<u32>,
    /// Sum of their stars.
    pub stars_sum: Column<f32>,
    /// Number of users who have it as a favourite, or signals for it.
    pub favorites: Column<u32>,
    /// Number of users who like the item: see [`Feedback::positive`].
    pub positives: Column<u32>,
    /// Time of the latest positive, seconds since 1970, or [`NONE`].
    pub latest: Column<i64>,
    /// Of texts and embeddings.
    pub vectors: Arc<Vectors>,
}

/// What the catalogue says of one item, whether a model knows the item or not. The default: nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct ItemInfo {
    /// The lowest category id, or [`NONE`].
    category: i64,
    /// The lowest author id, or [`NONE`].
    author: i64,
    /// Seconds since 1970, or [`NONE`].
    pub published: i64,
    /// The other categories and authors; None, and no allocation, without any.
    more: Option<Arc<[Vec<i64>; 2]>>,
    /// Of its text and embedding, as a model sees them: see [`crate::Model::describe`].
    pub(crate) vectors: Option<Arc<ItemVectors>>,
}

impl Default for ItemInfo {
    fn default() -> Self {
        ItemInfo { category: NONE, author: NONE, published: NONE, more: None, vectors: None }
    }
}

impl ItemInfo {
    /// With the given category and author ids, in any order and any number of times; [`NONE`] is none.
    ///
    /// ```
    /// use reco_models::{ItemInfo, NONE};
    ///
    /// let info = ItemInfo::new([7, 3, 7], [NONE], NONE);
    /// assert_eq!(info.categories().collect::<Vec<_>>(), [3, 7]);
    /// assert_eq!(info.authors().count(), 0);
    /// ```
    pub fn new(
        categories: impl IntoIterator<Item = i64>,
        authors: impl IntoIterator<Item = i64>,
        published: i64,
    ) -> ItemInfo {
        let (category, categories) = first_and_more(categories.into_iter());
        let (author, authors) = first_and_more(authors.into_iter());
        let one = categories.is_empty() && authors.is_empty();
        let more = (!one).then(|| Arc::new([categories, authors]));
        ItemInfo { category, author, published, more, vectors: None }
    }

    pub(crate) fn with_vectors(self, vectors: ItemVectors) -> ItemInfo {
        ItemInfo { vectors: Some(Arc::new(vectors)), ..self }
    }

    /// Category ids, ascending, each once.
    pub fn categories(&self) -> impl Iterator<Item = i64> + '_ {
        self.keys(self.category, 0)
    }

    /// Author ids, likewise.
    pub fn authors(&self) -> impl Iterator<Item = i64> + '_ {
        self.keys(self.author, 1)
    }

    /// Whether there are several of either.
    pub(crate) fn has_several(&self) -> bool {
        self.more.is_some()
    }

    fn keys(&self, first: i64, role: usize) -> impl Iterator<Item = i64> + '_ {
        let more: &[i64] = self.more.as_ref().map_or(&[], |more| &more[role]);
        Some(first).filter(|key| *key != NONE).into_iter().chain(more.iter().copied())
    }

    /// Takes the categories and authors of another row of the same item too, and the later date.
    pub fn add(&mut self, other: &ItemInfo) {
        let categories: Vec<i64> = self.categories().chain(other.categories()).collect();
        let authors: Vec<i64> = self.authors().chain(other.authors()).collect();
        let vectors = self.vectors.take().or_else(|| other.vectors.clone());
        *self = ItemInfo { vectors, ..ItemInfo::new(categories, authors, self.published.max(other.published)) };
    }
}

fn first_and_more(mut keys: impl Iterator<Item = i64>) -> (i64, Vec<i64>) {
    let (first, second) = (keys.next().unwrap_or(NONE), keys.next());
    let Some(second) = second else { return (first, Vec::new()) };
    let mut all: Vec<i64> = [first, second].into_iter().chain(keys).filter(|key| *key != NONE).collect();
    all.sort_unstable();
    all.dedup();
    if all.is_empty() {
        return (NONE, all);
    }
    (all.remove(0), all)
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
            let said = events.get(i);
            favorites[item] += u32::from(said.is_marked());
            if feedback.positive(&said) {
                positives[item] += 1;
                latest[item] = events.at[i].max(latest[item]);
            }
        }
        ItemTable {
            id: data.items.clone().into(),
            category: data.category.clone(),
            author: data.author.clone(),
            published: data.published.clone().into(),
            ratings: ratings.into(),
            stars_sum: stars_sum.into(),
            favorites: favorites.into(),
            positives: positives.into(),
            latest: latest.into(),
            vectors: Arc::clone(&data.vectors),
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
        ItemInfo::new(self.category.of(i), self.author.of(i), self.published[i])
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

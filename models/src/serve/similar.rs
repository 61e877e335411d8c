//! Items that are similar to an item: first its neighbours, then those with similar factors, then those of its author,
//! then those of its category.

use crate::data::items::ItemInfo;
use crate::error::Result;
use crate::math::simd::dot;
use crate::model::score::Target;
use crate::serve::retrieve::ServedModel;

/// Why two items are similar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kinship {
    /// The same users liked both.
    Readers,
    /// Their factors point the same way: similar users liked them.
    Factors,
    /// They have the same author.
    Author,
    /// They are in the same category.
    Category,
}

/// An item that is similar to another one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Similar {
    /// Index of the item.
    pub item: u32,
    /// 0 to 1. Falls along a list, and compares items of one list only.
    pub similarity: f32,
    pub kinship: Kinship,
}

/// The similarity of unpopular items of one author or one category; the most popular ones have twice that.
const AUTHOR: f32 = 0.2;
const CATEGORY: f32 = 0.1;
/// Items between two calls of `pause`: about a millisecond.
const BLOCK: u32 = 8192;
/// Factors of unrelated items reach a cosine of this size.
const LEAST_COSINE: f32 = 0.3;

impl ServedModel {
    /// At most `most` items that are similar to the target, the most similar first, without the target. `info`: its
    /// catalogue row. `pause` is called about every millisecond.
    ///
    /// # Errors
    /// [`crate::Error::NotFinite`] where retrieval cannot be prepared.
    pub fn similar(
        &self,
        target: &Target,
        info: &ItemInfo,
        most: usize,
        mut pause: impl FnMut(),
    ) -> Result<Vec<Similar>> {
        let retrieval = self.retrieval(&mut pause)?;
        let mut list = List { found: Vec::new(), taken: vec![false; self.items().len()], most };
        if let Some(item) = target.index() {
            list.taken[item as usize] = true;
            list.add(self.by_readers(item));
            if list.found.len() < most {
                list.add(self.by_factors(item, pause));
            }
        }
        let authors = info.authors().flat_map(|author| retrieval.by_author.of(author));
        list.add(self.by_popularity(authors, AUTHOR, Kinship::Author));
        let categories = info.categories().flat_map(|category| retrieval.by_category.of(category));
        list.add(self.by_popularity(categories, CATEGORY, Kinship::Category));
        Ok(list.found)
    }

    /// Items of the same authors or categories. One that shares several is listed once.
    fn by_popularity<'i>(&self, items: impl Iterator<Item = &'i u32>, least: f32, kinship: Kinship) -> Vec<Similar> {
        let similar = |item: &u32| {
            let similarity = least * (1.0 + self.popularity()[*item as usize]);
            Similar { item: *item, similarity, kinship }
        };
        let mut all: Vec<Similar> = items.map(similar).collect();
        sort(&mut all);
        all
    }

    /// Neighbours by their weight, relative to the largest one.
    fn by_readers(&self, item: u32) -> Vec<Similar> {
        let (neighbours, weights) = self.collaborative_part().neighbours.of(item);
        let strongest = weights.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
        let similar = |(item, weight): (&u32, &f32)| Similar {
            item: *item,
            similarity: weight / strongest,
            kinship: Kinship::Readers,
        };
        // Users of an item are less likely to like a neighbour with a negative weight.
        let positive = neighbours.iter().zip(weights).filter(|(_, weight)| **weight > 0.0);
        let mut all: Vec<Similar> = positive.map(similar).collect();
        sort(&mut all);
        all
    }

    /// Items by the cosine of their factors with those of the item.
    fn by_factors(&self, item: u32, mut pause: impl FnMut()) -> Vec<Similar> {
        let factors = &self.collaborative_part().factors;
        let row = |item: u32| factors.row(item as usize);
        let own = row(item);
        let length = dot(own, own).sqrt();
        if length == 0.0 {
            return Vec::new();
        }
        let mut all: Vec<Similar> = (0..factors.nrows() as u32)
            .filter_map(|other| {
                if other % BLOCK == 0 {
                    pause();
                }
                let row = row(other);
                let product = dot(row, own);
                let cosine = if product > 0.0 { product / (length * dot(row, row).sqrt()) } else { 0.0 };
                let similar = Similar { item: other, similarity: cosine.min(1.0), kinship: Kinship::Factors };
                (cosine >= LEAST_COSINE).then_some(similar)
            })
            .collect();
        sort(&mut all);
        all
    }
}

/// Most similar first; equal ones by ascending index.
fn sort(all: &mut [Similar]) {
    all.sort_unstable_by(|a, b| b.similarity.total_cmp(&a.similarity).then(a.item.cmp(&b.item)));
}

struct List {
    found: Vec<Similar>,
    taken: Vec<bool>,
    most: usize,
}

impl List {
    /// Adds items that are not taken, up to the limit. Their similarity is at most that of the items before them.
    fn add(&mut self, all: Vec<Similar>) {
        let ceiling = self.found.last().map_or(1.0, |last| last.similarity);
        for similar in all {
            if self.found.len() == self.most {
                return;
            }
            if !std::mem::replace(&mut self.taken[similar.item as usize], true) {
                self.found.push(Similar { similarity: similar.similarity.min(ceiling), ..similar });
            }
        }
    }
}

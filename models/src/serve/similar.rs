//! Items that are like an item: what its readers read too, then what has a similar factor, then what shares its author
//! or its category.

use crate::data::dataset::NONE;
use crate::data::items::ItemInfo;
use crate::error::Result;
use crate::math::simd::dot;
use crate::model::score::Target;
use crate::serve::retrieve::ServedModel;

/// Why two items are alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kinship {
    /// The same users liked both.
    Readers,
    /// Their factors point the same way: similar users liked them.
    Factors,
    Author,
    Category,
}

/// An item and how like another one it is, 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Similar {
    pub item: u32,
    pub similarity: f32,
    pub kinship: Kinship,
}

/// What an author or a category in common is worth, before popularity adds as much again.
const AUTHOR: f32 = 0.2;
const CATEGORY: f32 = 0.1;
/// A cosine below this says nothing: factors of unrelated items reach it.
const LEAST_COSINE: f32 = 0.3;

impl ServedModel {
    /// At most `most` items that are like the target, best first, without itself. `info`: its catalogue row. `pause` is
    /// called every few milliseconds.
    pub fn similar(&self, target: Target, info: ItemInfo, most: usize, pause: impl FnMut()) -> Result<Vec<Similar>> {
        let retrieval = self.retrieval(pause)?;
        let mut list = List { found: Vec::new(), taken: vec![false; self.items().len()], most };
        if let Some(item) = target.index() {
            list.taken[item as usize] = true;
            list.add(self.by_readers(item));
            if list.found.len() < most {
                list.add(self.by_factors(item));
            }
        }
        let group = |key: i64, items: &[u32], least: f32, kinship: Kinship| -> Vec<Similar> {
            let similar = |item: &u32| {
                let similarity = least * (1.0 + self.popularity()[*item as usize]);
                Similar { item: *item, similarity, kinship }
            };
            let mut all: Vec<Similar> = items.iter().filter(|_| key != NONE).map(similar).collect();
            sort(&mut all);
            all
        };
        list.add(group(info.author, retrieval.by_author.of(info.author), AUTHOR, Kinship::Author));
        list.add(group(info.category, retrieval.by_category.of(info.category), CATEGORY, Kinship::Category));
        Ok(list.found)
    }

    /// The strongest neighbour is 1.
    fn by_readers(&self, item: u32) -> Vec<Similar> {
        let (neighbours, weights) = self.collaborative_part().neighbours.of(item);
        let strongest = weights.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
        let similar = |(item, weight): (&u32, &f32)| Similar {
            item: *item,
            similarity: weight / strongest,
            kinship: Kinship::Readers,
        };
        // A negative weight speaks against the other item.
        let likely = neighbours.iter().zip(weights).filter(|(_, weight)| **weight > 0.0);
        let mut all: Vec<Similar> = likely.map(similar).collect();
        sort(&mut all);
        all
    }

    fn by_factors(&self, item: u32) -> Vec<Similar> {
        let factors = &self.collaborative_part().factors;
        let row = |item: u32| factors.row(item as usize);
        let own = row(item);
        let length = dot(own, own).sqrt();
        if length == 0.0 {
            return Vec::new();
        }
        let mut all: Vec<Similar> = (0..factors.nrows() as u32)
            .filter_map(|other| {
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

fn sort(all: &mut [Similar]) {
    all.sort_unstable_by(|a, b| b.similarity.total_cmp(&a.similarity).then(a.item.cmp(&b.item)));
}

struct List {
    found: Vec<Similar>,
    taken: Vec<bool>,
    most: usize,
}

impl List {
    /// Weaker kinships come later and never count for more than what is there.
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

//! From an author or a category to its items.

use crate::data::column::Column;
use crate::data::labels::Labels;

/// Items by category or by author; those of one key by falling score for a user without interactions.
#[derive(Debug, Clone)]
pub struct InvertedIndex {
    pub item: Column<u32>,
    /// The key of each of them, ascending.
    pub key: Column<i64>,
}

impl InvertedIndex {
    /// `keys` and `score` by item. An item is listed under each of its keys.
    pub fn new(keys: &Labels, score: &[f32]) -> InvertedIndex {
        let mut all: Vec<(i64, u32)> = keys.first.iter().copied().zip(0..).collect();
        let more =
            (0..all.len() as u32).flat_map(|item| keys.more.of(item as usize).iter().map(move |key| (*key, item)));
        all.extend(more.collect::<Vec<_>>());
        all.sort_unstable_by(|(key, item), (other_key, other)| {
            let by_score = score[*other as usize].total_cmp(&score[*item as usize]);
            key.cmp(other_key).then(by_score).then(item.cmp(other))
        });
        InvertedIndex {
            key: all.iter().map(|(key, _)| *key).collect(),
            item: all.iter().map(|(_, item)| *item).collect(),
        }
    }

    /// The items of a key, the best first.
    pub fn of(&self, key: i64) -> &[u32] {
        let start = self.key.partition_point(|k| *k < key);
        let end = start + self.key[start..].partition_point(|k| *k == key);
        &self.item[start..end]
    }
}

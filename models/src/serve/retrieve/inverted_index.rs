//! From an author or a category to its items.

use crate::data::column::Column;

/// Items by category or by author; those of one key by falling score for a user without interactions.
#[derive(Debug, Clone)]
pub struct InvertedIndex {
    pub item: Column<u32>,
    /// The key of each of them, ascending.
    pub key: Column<i64>,
}

impl InvertedIndex {
    /// `keys` and `score` by item.
    pub fn new(keys: &[i64], score: &[f32]) -> InvertedIndex {
        let mut item: Vec<u32> = (0..keys.len() as u32).collect();
        let place = |i: &u32| *i as usize;
        item.sort_unstable_by(|a, b| {
            let by_score = score[place(b)].total_cmp(&score[place(a)]);
            keys[place(a)].cmp(&keys[place(b)]).then(by_score).then(a.cmp(b))
        });
        InvertedIndex { key: item.iter().map(|i| keys[place(i)]).collect(), item: item.into() }
    }

    /// The items of a key, the best first.
    pub fn of(&self, key: i64) -> &[u32] {
        let start = self.key.partition_point(|k| *k < key);
        let end = start + self.key[start..].partition_point(|k| *k == key);
        &self.item[start..end]
    }
}

//! From an author or a category to its items.

use crate::data::column::Column;

/// Items by a key, the best for a user that nobody knows first.
#[derive(Debug, Clone)]
pub struct InvertedIndex {
    pub item: Column<u32>,
    /// Of each of them, ascending.
    pub key: Column<i64>,
}

impl InvertedIndex {
    pub fn new(keys: &[i64], score: &[f32]) -> InvertedIndex {
        let mut item: Vec<u32> = (0..keys.len() as u32).collect();
        let place = |i: &u32| *i as usize;
        item.sort_unstable_by(|a, b| {
            let by_score = score[place(b)].total_cmp(&score[place(a)]);
            keys[place(a)].cmp(&keys[place(b)]).then(by_score).then(a.cmp(b))
        });
        InvertedIndex { key: item.iter().map(|i| keys[place(i)]).collect(), item: item.into() }
    }

    pub fn of(&self, key: i64) -> &[u32] {
        let start = self.key.partition_point(|k| *k < key);
        let end = start + self.key[start..].partition_point(|k| *k == key);
        &self.item[start..end]
    }
}

//! The best items of a stream, and a set of the items that need not be looked at again.

/// A set of items, with one bit for each item of the model.
#[derive(Clone)]
pub struct ItemSet(Vec<u64>);

impl ItemSet {
    /// `items`: their number in the model; `members`: indices.
    pub fn new(items: usize, members: &[u32]) -> ItemSet {
        let mut set = ItemSet(vec![0; items.div_ceil(64)]);
        members.iter().for_each(|item| _ = set.insert(*item));
        set
    }

    /// Adds an item; true if it was not in the set.
    pub fn insert(&mut self, item: u32) -> bool {
        let (word, bit) = (item as usize / 64, 1u64 << (item % 64));
        let new = self.0[word] & bit == 0;
        self.0[word] |= bit;
        new
    }
}

/// The `most` best items of a stream. Up to twice that number are kept before the worse half is dropped.
pub struct TopItems {
    most: usize,
    bar: f32,
    kept: Vec<(f32, u32)>,
}

impl TopItems {
    pub fn new(most: usize) -> TopItems {
        TopItems { most, bar: f32::NEG_INFINITY, kept: Vec::with_capacity(2 * most) }
    }

    /// An item with at most this score cannot be among the best.
    pub fn bar(&self) -> f32 {
        self.bar
    }

    /// Takes an item if it can be among the best.
    pub fn offer(&mut self, score: f32, item: u32) {
        if score <= self.bar {
            return;
        }
        self.kept.push((score, item));
        if self.kept.len() == 2 * self.most {
            self.halve();
        }
    }

    fn halve(&mut self) {
        self.kept.select_nth_unstable_by(self.most - 1, |a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        self.kept.truncate(self.most);
        self.bar = self.kept[self.most - 1].0;
    }

    /// The best items in no order.
    pub fn into_items(mut self) -> Vec<u32> {
        if self.kept.len() > self.most {
            self.halve();
        }
        self.kept.into_iter().map(|(_, item)| item).collect()
    }
}

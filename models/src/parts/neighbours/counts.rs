//! Which users like which items, and the summed weight of the users that an item shares with the others.

use std::cmp::Reverse;

use crate::data::feedback::Interactions;
use crate::math::simd::prefetch;
use crate::parts::als::transposed;

/// Users with more liked items than this count with an even sample of this size: their pairs grow with the square, and
/// somebody who likes everything says little about what belongs together.
pub(super) const MOST_LIKED: usize = 2000;
/// The positions of the positives, without values.
pub(super) type Pattern = sprs::CsMatI<(), u32, usize>;

/// The positives in the order in which they are counted. Items are numbered by falling number of users: the sums of the
/// most liked lie together and stay in the processor's caches.
pub struct Positives {
    /// By new number, the item's number in the matrix.
    order: Vec<u32>,
    /// By user: the bits of the weight, the number of likes, and the likes, ascending. All in one place, because
    /// users are visited in random order, and each visit is one cache miss.
    users: Vec<u32>,
    /// By item, offsets into `entries`; one more than there are items.
    start: Vec<usize>,
    entries: Vec<Entry>,
    /// By item: the summed weight of its users.
    total: Vec<f32>,
    /// The reciprocal of its root.
    nearness: Vec<f32>,
}

/// A user in the list of an item.
#[derive(Clone, Copy)]
struct Entry {
    /// Where the user's likes begin.
    likes: u32,
    /// How many of the likes are items before this one.
    before: u32,
}

/// Elements before a user's likes: weight and number.
const HEAD: usize = 2;

impl Positives {
    /// `activity`: as [`super::NeighbourParams::activity`].
    pub fn new(matrix: &Interactions, activity: f32) -> Positives {
        let likes = even(matrix);
        let by_item = transposed(&likes);
        let mut order: Vec<u32> = (0..matrix.cols() as u32).collect();
        order.sort_by_key(|item| Reverse(row(&by_item, *item).len()));

        let weights = weights(matrix, activity);
        let mut users = Vec::with_capacity(likes.nnz() + HEAD * matrix.rows());
        let mut begin = Vec::with_capacity(matrix.rows());
        for (likes, weight) in likes.outer_iterator().zip(&weights) {
            users.extend([weight.to_bits(), likes.nnz() as u32]);
            begin.push(users.len() as u32);
            users.resize(users.len() + likes.nnz(), 0);
        }
        let mut next = begin.clone();
        let (mut start, mut entries) = (vec![0], Vec::with_capacity(by_item.nnz()));
        let mut nearness = Vec::with_capacity(order.len());
        let mut total = Vec::with_capacity(order.len());
        // In the new order, so that every user's likes ascend in it.
        for (item, old) in order.iter().enumerate() {
            let mut sum = 0.0;
            for user in row(&by_item, *old) {
                let (begin, next) = (begin[*user as usize], &mut next[*user as usize]);
                users[*next as usize] = item as u32;
                entries.push(Entry { likes: begin, before: *next - begin });
                *next += 1;
                sum += weights[*user as usize];
            }
            start.push(entries.len());
            total.push(sum);
            nearness.push(sum.sqrt().recip());
        }
        Positives { order, users, start, entries, total, nearness }
    }

    pub fn order(&self) -> &[u32] {
        &self.order
    }

    pub fn items(&self) -> usize {
        self.total.len()
    }

    /// The summed weight of an item's users.
    pub fn total(&self, item: u32) -> f32 {
        self.total[item as usize]
    }

    /// The factor that turns a shared weight into one that ranks items by cosine.
    pub fn nearness(&self, item: u32) -> f32 {
        self.nearness[item as usize]
    }

    fn entries(&self, item: u32) -> &[Entry] {
        &self.entries[self.start[item as usize]..self.start[item as usize + 1]]
    }

    fn weight(&self, entry: Entry) -> f32 {
        f32::from_bits(self.users[entry.likes as usize - HEAD])
    }

    /// All items that the user likes.
    fn likes(&self, entry: Entry) -> &[u32] {
        let begin = entry.likes as usize;
        &self.users[begin..begin + self.users[begin - 1] as usize]
    }

    /// Those of them before the item in whose list the entry is.
    fn likes_before(&self, entry: Entry) -> &[u32] {
        &self.users[entry.likes as usize..][..entry.before as usize]
    }
}

/// By user, in units of the average user, so that a ridge means the same on every data set.
pub(super) fn weights(matrix: &Interactions, activity: f32) -> Vec<f32> {
    let weight = |liked: usize| if liked == 0 { 0.0 } else { (liked as f32).powf(activity) };
    let mut weights: Vec<f32> = matrix.outer_iterator().map(|row| weight(row.nnz())).collect();
    let average = weights.iter().sum::<f32>() / weights.iter().filter(|w| **w > 0.0).count().max(1) as f32;
    weights.iter_mut().for_each(|w| *w /= average);
    weights
}

pub(super) fn row(matrix: &Pattern, index: u32) -> &[u32] {
    let range = matrix.indptr().outer_inds_sz(index as usize);
    &matrix.indices()[range]
}

/// The positives, those of users with too many reduced to an even sample.
pub(super) fn even(matrix: &Interactions) -> Pattern {
    let mut start = vec![0];
    let mut items = Vec::with_capacity(matrix.nnz());
    for row in matrix.outer_iterator() {
        let (all, n) = (row.indices(), row.nnz().min(MOST_LIKED));
        items.extend((0..n).map(|i| all[i * all.len() / n]));
        start.push(items.len());
    }
    let nothing = vec![(); items.len()];
    Pattern::new((matrix.rows(), matrix.cols()), start, items, nothing)
}

/// Counts the weight that one item shares with all others; the buffers of a thread.
pub struct Counter<'a> {
    positives: &'a Positives,
    shared: Vec<f32>,
    /// The items with a count, first; the rest is unused.
    met: Vec<u32>,
    count: usize,
}

/// The likes of users this many places ahead are prefetched.
const AHEAD: usize = 12;

impl<'a> Counter<'a> {
    pub fn new(positives: &'a Positives) -> Counter<'a> {
        let items = positives.items();
        // One more than there are items: the place after the last is written to and not counted.
        Counter { positives, shared: vec![0.0; items], met: vec![0; items + 1], count: 0 }
    }

    /// Counts all items that the users of an item like.
    pub fn count(&mut self, item: u32) {
        self.add(item, Positives::likes);
    }

    /// Counts the items before this one only.
    pub fn count_before(&mut self, item: u32) {
        self.add(item, Positives::likes_before);
    }

    fn add(&mut self, item: u32, likes: impl Fn(&'a Positives, Entry) -> &'a [u32]) {
        self.clear();
        let entries = self.positives.entries(item);
        for (place, entry) in entries.iter().enumerate() {
            if let Some(next) = entries.get(place + AHEAD) {
                prefetch(self.positives.likes_before(*next));
            }
            let weight = self.positives.weight(*entry);
            for other in likes(self.positives, *entry) {
                let sum = &mut self.shared[*other as usize];
                // Written in any case: a branch on whether it is new would be mispredicted.
                self.met[self.count] = *other;
                self.count += usize::from(*sum == 0.0);
                *sum += weight;
            }
        }
    }

    fn clear(&mut self) {
        for item in &self.met[..self.count] {
            self.shared[*item as usize] = 0.0;
        }
        self.count = 0;
    }

    /// The items that share users with the one that was counted, itself included.
    pub fn met(&self) -> &[u32] {
        &self.met[..self.count]
    }

    /// The weight of the users shared with an item.
    pub fn shared(&self, item: u32) -> f32 {
        self.shared[item as usize]
    }
}

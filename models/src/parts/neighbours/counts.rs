//! Who read what, and the weight of the readers that an item shares with the others.

use std::cmp::Reverse;

use crate::data::feedback::Interactions;
use crate::math::simd::prefetch;
use crate::parts::als::transposed;

/// Users with more liked items than this count with an even sample of so many: their pairs grow with the square, and
/// who likes everything says little about what belongs together.
const MOST_LIKED: usize = 2000;
/// A user of n liked items weighs n to this power: better on all three data sets than 0 and than −0.5.
const ACTIVITY_POWER: f32 = -0.25;

/// Only where the positives are.
type Pattern = sprs::CsMatI<(), u32, usize>;

/// The positives as the regressions see them. Items are numbered by their readers, the most read first: their sums lie
/// together and stay in the processor's caches.
pub struct Readings {
    /// The matrix' numbers of the items.
    order: Vec<u32>,
    /// By user: the bits of the weight, how many likes follow, and these, ascending. One place for all that is asked
    /// of a user, because each user is asked at random.
    users: Vec<u32>,
    /// By item, offsets into `readers`; one more than there are items.
    start: Vec<usize>,
    readers: Vec<Reader>,
    /// By item: the summed weight of its readers.
    total: Vec<f32>,
    /// One by its root.
    nearness: Vec<f32>,
}

/// A user in the list of an item.
#[derive(Clone, Copy)]
struct Reader {
    /// Where the user's likes begin.
    likes: u32,
    /// How many of the likes are items before this one.
    before: u32,
}

/// What stands before a user's likes.
const HEAD: usize = 2;

impl Readings {
    pub fn new(matrix: &Interactions) -> Readings {
        let likes = even(matrix);
        let by_item = transposed(&likes);
        let mut order: Vec<u32> = (0..matrix.cols() as u32).collect();
        order.sort_by_key(|item| Reverse(row(&by_item, *item).len()));

        let weights = weights(matrix);
        let mut users = Vec::with_capacity(likes.nnz() + HEAD * matrix.rows());
        let mut begin = Vec::with_capacity(matrix.rows());
        for (likes, weight) in likes.outer_iterator().zip(&weights) {
            users.extend([weight.to_bits(), likes.nnz() as u32]);
            begin.push(users.len() as u32);
            users.resize(users.len() + likes.nnz(), 0);
        }
        let mut next = begin.clone();
        let (mut start, mut readers) = (vec![0], Vec::with_capacity(by_item.nnz()));
        let mut nearness = Vec::with_capacity(order.len());
        let mut total = Vec::with_capacity(order.len());
        // In the new order, so that every user's likes ascend in it.
        for (item, old) in order.iter().enumerate() {
            let mut sum = 0.0;
            for user in row(&by_item, *old) {
                let (begin, next) = (begin[*user as usize], &mut next[*user as usize]);
                users[*next as usize] = item as u32;
                readers.push(Reader { likes: begin, before: *next - begin });
                *next += 1;
                sum += weights[*user as usize];
            }
            start.push(readers.len());
            total.push(sum);
            nearness.push(sum.sqrt().recip());
        }
        Readings { order, users, start, readers, total, nearness }
    }

    pub fn order(&self) -> &[u32] {
        &self.order
    }

    pub fn items(&self) -> usize {
        self.total.len()
    }

    /// The summed weight of an item's readers.
    pub fn total(&self, item: u32) -> f32 {
        self.total[item as usize]
    }

    /// What a shared weight is multiplied with to compare items by cosine.
    pub fn nearness(&self, item: u32) -> f32 {
        self.nearness[item as usize]
    }

    fn readers(&self, item: u32) -> &[Reader] {
        &self.readers[self.start[item as usize]..self.start[item as usize + 1]]
    }

    fn weight(&self, reader: Reader) -> f32 {
        f32::from_bits(self.users[reader.likes as usize - HEAD])
    }

    /// All that a reader likes.
    fn likes(&self, reader: Reader) -> &[u32] {
        let begin = reader.likes as usize;
        &self.users[begin..begin + self.users[begin - 1] as usize]
    }

    /// The same without the item in whose list the reader stands and those after it.
    fn likes_before(&self, reader: Reader) -> &[u32] {
        &self.users[reader.likes as usize..][..reader.before as usize]
    }
}

/// By user, in units of the average user, so that a ridge means the same on every data set.
fn weights(matrix: &Interactions) -> Vec<f32> {
    let activity = |liked: usize| if liked == 0 { 0.0 } else { (liked as f32).powf(ACTIVITY_POWER) };
    let mut weights: Vec<f32> = matrix.outer_iterator().map(|row| activity(row.nnz())).collect();
    let average = weights.iter().sum::<f32>() / weights.iter().filter(|w| **w > 0.0).count().max(1) as f32;
    weights.iter_mut().for_each(|w| *w /= average);
    weights
}

fn row(matrix: &Pattern, index: u32) -> &[u32] {
    let range = matrix.indptr().outer_inds_sz(index as usize);
    &matrix.indices()[range]
}

/// An even sample of who likes too much.
fn even(matrix: &Interactions) -> Pattern {
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

/// What one item shares with all others; the buffers of a thread.
pub struct Counter<'a> {
    readings: &'a Readings,
    shared: Vec<f32>,
    /// The items that were met come first.
    met: Vec<u32>,
    count: usize,
}

/// Users whose likes are asked for from memory before they are counted.
const AHEAD: usize = 12;

impl<'a> Counter<'a> {
    pub fn new(readings: &'a Readings) -> Counter<'a> {
        let items = readings.items();
        // One more than there are items: the place after the last is written to and not counted.
        Counter { readings, shared: vec![0.0; items], met: vec![0; items + 1], count: 0 }
    }

    /// Counts all that the readers of an item like.
    pub fn count(&mut self, item: u32) {
        self.add(item, Readings::likes);
    }

    /// Counts the items before this one only.
    pub fn count_before(&mut self, item: u32) {
        self.add(item, Readings::likes_before);
    }

    fn add(&mut self, item: u32, likes: impl Fn(&'a Readings, Reader) -> &'a [u32]) {
        self.clear();
        let readers = self.readings.readers(item);
        for (place, reader) in readers.iter().enumerate() {
            if let Some(next) = readers.get(place + AHEAD) {
                prefetch(self.readings.likes_before(*next));
            }
            let weight = self.readings.weight(*reader);
            for other in likes(self.readings, *reader) {
                let sum = &mut self.shared[*other as usize];
                // Written in any case: whether it is new cannot be foretold by the processor.
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

    /// The items that share readers with the one that was counted, itself included.
    pub fn met(&self) -> &[u32] {
        &self.met[..self.count]
    }

    /// The weight of the readers shared with an item.
    pub fn shared(&self, item: u32) -> f32 {
        self.shared[item as usize]
    }
}

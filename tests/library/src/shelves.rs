//! Books by taste and topic, drawn in proportion to their popularity.

use rand::{Rng, RngExt};
use std::ops::Range;

/// One list of books in order of topic with running sums of popularity: a topic, a taste and
/// the whole library are ranges of it, so each draw is one binary search.
pub struct Shelves {
    books: Vec<u32>,
    sums: Vec<f64>,
    topic_starts: Vec<usize>,
    topics_per_taste: usize,
}

impl Shelves {
    pub fn new(topics: &[u32], popularity: &[f64], tastes: usize, topics_per_taste: usize) -> Self {
        let mut books: Vec<u32> = (0..topics.len() as u32).collect();
        books.sort_by_key(|&book| topics[book as usize]);
        let mut sums = vec![0.0];
        let mut sum = 0.0;
        for &book in &books {
            sum += popularity[book as usize];
            sums.push(sum);
        }
        let topic_starts = (0..=(tastes * topics_per_taste) as u32)
            .map(|topic| books.partition_point(|&book| topics[book as usize] < topic))
            .collect();
        Self { books, sums, topic_starts, topics_per_taste }
    }

    pub fn any(&self, rng: &mut impl Rng) -> u32 {
        self.draw(0..self.books.len(), rng)
    }

    /// From the taste that `topic` belongs to.
    pub fn of_taste(&self, topic: u32, rng: &mut impl Rng) -> u32 {
        let first = self.taste(topic) * self.topics_per_taste;
        let last = first + self.topics_per_taste;
        self.draw(self.topic_starts[first]..self.topic_starts[last], rng)
    }

    pub fn of_topic(&self, topic: u32, rng: &mut impl Rng) -> u32 {
        let topic = topic as usize;
        self.draw(self.topic_starts[topic]..self.topic_starts[topic + 1], rng)
    }

    pub fn taste(&self, topic: u32) -> usize {
        topic as usize / self.topics_per_taste
    }

    fn draw(&self, range: Range<usize>, rng: &mut impl Rng) -> u32 {
        let (low, high) = (self.sums[range.start], self.sums[range.end]);
        let target = low + rng.random::<f64>() * (high - low);
        let index = self.sums[range.start + 1..range.end].partition_point(|&sum| sum <= target);
        self.books[range.start + index]
    }
}

//! Users and their preferences.

use crate::calendar::{FIRST_DAY, LAST_DAY, SECONDS_PER_DAY};
use crate::catalogue::Catalogue;
use crate::random::{chance, normal, weighted};
use crate::{User, names};
use rand::{Rng, RngExt};

/// A user who registered this close to the last day is a newcomer with few readings.
const NEWCOMER_DAYS: i64 = 60;
const NEWCOMERS: f64 = 0.1;
const TASTE_COUNT_WEIGHTS: [f64; 4] = [0.3, 0.35, 0.25, 0.1];

/// Ids ascend with the time of registration, as on a real site.
pub fn generate(users: usize, rng: &mut impl Rng) -> Vec<User> {
    let mut registrations: Vec<i64> = (0..users).map(|_| registration(rng)).collect();
    registrations.sort_unstable();
    let user = |(index, registered)| User { id: index as i64 + 1, name: names::person(index), registered };
    registrations.into_iter().enumerate().map(user).collect()
}

fn registration(rng: &mut impl Rng) -> i64 {
    let newest = LAST_DAY - NEWCOMER_DAYS;
    let (first, last) = if chance(NEWCOMERS, rng) { (newest, LAST_DAY - 1) } else { (FIRST_DAY - 365, newest) };
    rng.random_range(first * SECONDS_PER_DAY..last * SECONDS_PER_DAY)
}

pub fn is_newcomer(user: &User) -> bool {
    user.registered >= (LAST_DAY - NEWCOMER_DAYS) * SECONDS_PER_DAY
}

/// What a user likes to read; hidden from whoever sees only the library.
pub struct Preferences {
    /// The best liked first; several may belong to one taste.
    pub topics: Vec<u32>,
    pub topic_weights: Vec<f64>,
    /// Indices of authors.
    pub authors: Vec<u32>,
    /// Stars that this user gives above or below the mean.
    pub generosity: f64,
}

pub fn preferences(catalogue: &Catalogue, rng: &mut impl Rng) -> Preferences {
    let mut topics = Vec::new();
    let mut topic_weights = Vec::new();
    for taste in 0..=weighted(&TASTE_COUNT_WEIGHTS, rng) {
        let weight = (0.5 + rng.random::<f64>()) / (taste + 1) as f64;
        let book = rng.random_range(0..catalogue.books.len() as u32);
        topics.push(catalogue.topics[book as usize]);
        topic_weights.push(weight);
    }
    let authors = (0..rng.random_range(0..5u32))
        .map(|_| {
            let topic = topics[weighted(&topic_weights, rng)];
            let book = catalogue.shelves.of_topic(topic, rng);
            catalogue.books[book as usize].author_id as u32 - 1
        })
        .collect();
    Preferences { topics, topic_weights, authors, generosity: 0.4 * normal(rng) }
}

//! Which user read which book, when, and how they liked it.

use crate::calendar::{FIRST_DAY, LAST_DAY, SECONDS_PER_DAY};
use crate::catalogue::Catalogue;
use crate::random::{chance, normal, weighted};
use crate::users::{Preferences, is_newcomer, preferences};
use crate::{Favorite, HiddenUser, Review, User, hidden};
use rand::{Rng, RngExt};

/// Half of the favourites also have a review, so a reading gives this many rows on average.
const ROWS_PER_READING: f64 = 1.143;
/// Standard deviation of the logarithm: the mean is twice the median.
const ACTIVITY_SPREAD: f64 = 1.18;
/// In multiples of the median.
const MAX_ACTIVITY: f64 = 30.0;
const TRIES: usize = 40;
/// Advance copies, or wrong dates in the catalogue.
const READ_BEFORE_PUBLICATION: f64 = 0.03;

const BY_AUTHOR: f64 = 0.15;
const BY_FASHION: f64 = 0.18;
const BY_TASTE: f64 = 0.25;

pub struct Readings {
    pub reviews: Vec<Review>,
    pub favorites: Vec<Favorite>,
    pub hidden_users: Vec<HiddenUser>,
}

pub fn generate(catalogue: &Catalogue, users: &[User], interactions: usize, rng: &mut impl Rng) -> Readings {
    let mut reviews = Vec::new();
    let mut favorites = Vec::new();
    let mut hidden_users = Vec::new();
    let wanted = readings_per_user(users, interactions, rng);
    let most = catalogue.books.len() / 4;
    let mut last_reader = vec![0; catalogue.books.len()];
    for (user, wanted) in users.iter().zip(wanted) {
        let wanted = wanted.min(most);
        if wanted == 0 {
            continue;
        }
        let preferences = preferences(catalogue, rng);
        hidden_users.push(hidden::of_user(catalogue, user.id, &preferences));
        for _ in 0..wanted {
            let when = reading_time(user, rng);
            let unread = |book: u32| last_reader[book as usize] != user.id;
            let Some(book) = choose(catalogue, &preferences, when, unread, rng) else {
                continue;
            };
            last_reader[book as usize] = user.id;
            let stars = stars(catalogue, &preferences, book, rng);
            let favorite = chance(favorite_chance(stars), rng);
            let book_id = i64::from(book) + 1;
            if favorite {
                favorites.push(Favorite { user_id: user.id, book_id, added: when });
            }
            if !favorite || chance(0.5, rng) {
                reviews.push(Review { user_id: user.id, book_id, reviewed: when, stars });
            }
        }
    }
    reviews.sort_unstable_by_key(|row| (row.reviewed, row.user_id, row.book_id));
    favorites.sort_unstable_by_key(|row| (row.added, row.user_id, row.book_id));
    Readings { reviews, favorites, hidden_users }
}

/// Rounds the running sum, so that the total is exact.
fn readings_per_user(users: &[User], interactions: usize, rng: &mut impl Rng) -> Vec<usize> {
    let activity: Vec<f64> = users.iter().map(|user| activity(user, rng)).collect();
    let scale = interactions as f64 / ROWS_PER_READING / activity.iter().sum::<f64>();
    let mut sum = 0.0;
    let mut given = 0;
    let mut share = |activity: f64| {
        sum += activity * scale;
        let readings = sum as usize - given;
        given += readings;
        readings
    };
    activity.into_iter().map(&mut share).collect()
}

/// In multiples of the median of the users that are no newcomers.
fn activity(user: &User, rng: &mut impl Rng) -> f64 {
    if is_newcomer(user) {
        rng.random_range(0.05..0.25)
    } else {
        libm::exp(ACTIVITY_SPREAD * normal(rng)).min(MAX_ACTIVITY)
    }
}

fn reading_time(user: &User, rng: &mut impl Rng) -> i64 {
    let first = user.registered.max(FIRST_DAY * SECONDS_PER_DAY);
    rng.random_range(first..LAST_DAY * SECONDS_PER_DAY)
}

/// None after `TRIES` failures: the user has read almost all that they like.
fn choose(
    catalogue: &Catalogue,
    preferences: &Preferences,
    when: i64,
    unread: impl Fn(u32) -> bool,
    rng: &mut impl Rng,
) -> Option<u32> {
    (0..TRIES).find_map(|_| {
        let book = suggestion(catalogue, preferences, rng);
        let published = catalogue.books[book as usize].published * SECONDS_PER_DAY;
        let out = published <= when || chance(READ_BEFORE_PUBLICATION, rng);
        (out && unread(book)).then_some(book)
    })
}

fn suggestion(catalogue: &Catalogue, preferences: &Preferences, rng: &mut impl Rng) -> u32 {
    let draw = rng.random::<f64>();
    if draw < BY_FASHION {
        return catalogue.shelves.any(rng);
    }
    if draw < BY_FASHION + BY_AUTHOR && !preferences.authors.is_empty() {
        let author = preferences.authors[rng.random_range(0..preferences.authors.len() as u32) as usize];
        let books = &catalogue.books_of[author as usize];
        return books[rng.random_range(0..books.len() as u32) as usize];
    }
    let topic = preferences.topics[weighted(&preferences.topic_weights, rng)];
    if chance(BY_TASTE, rng) { catalogue.shelves.of_taste(topic, rng) } else { catalogue.shelves.of_topic(topic, rng) }
}

fn stars(catalogue: &Catalogue, preferences: &Preferences, book: u32, rng: &mut impl Rng) -> u8 {
    let shelves = &catalogue.shelves;
    let topic = catalogue.topics[book as usize];
    let author = catalogue.books[book as usize].author_id as u32 - 1;
    let same_topic = preferences.topics.contains(&topic);
    let same_taste = (preferences.topics.iter()).any(|&own| shelves.taste(own) == shelves.taste(topic));
    let liking = 3.5
        + 0.5 * f64::from(u8::from(same_taste))
        + 0.35 * f64::from(u8::from(same_topic))
        + 0.4 * f64::from(u8::from(preferences.authors.contains(&author)))
        + f64::from(catalogue.quality[book as usize])
        + preferences.generosity
        + 0.75 * normal(rng);
    liking.round().clamp(1.0, 5.0) as u8
}

fn favorite_chance(stars: u8) -> f64 {
    match stars {
        5 => 0.55,
        4 => 0.3,
        _ => 0.02,
    }
}

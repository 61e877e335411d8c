//! Categories, authors and books, with what is hidden behind them: topic, popularity, quality.

use crate::calendar::LAST_DAY;
use crate::random::{chance, normal, weighted, zipf};
use crate::shelves::Shelves;
use crate::{Author, Book, Category, names};
use rand::seq::SliceRandom;
use rand::{Rng, RngExt};

/// Groups of users with similar preferences. Fewer than the categories: a category tells much of who likes a book, not all.
const TASTES: usize = 32;
/// The number of topics grows with the library: topics of few books could not tell users apart.
const BOOKS_PER_TOPIC: usize = 25;
const MAX_TOPICS_PER_TASTE: usize = 40;
const MAX_BOOKS_PER_AUTHOR: usize = 20;
const POPULARITY_EXPONENT: f64 = 0.85;
const CATALOGUE_YEARS: f64 = 30.0;

pub struct Catalogue {
    pub categories: Vec<Category>,
    pub authors: Vec<Author>,
    pub books: Vec<Book>,
    /// By index of the book.
    pub topics: Vec<u32>,
    /// By index of the book, in stars above or below the mean.
    pub quality: Vec<f32>,
    /// By index of the author: indices of their books.
    pub books_of: Vec<Vec<u32>>,
    pub shelves: Shelves,
}

/// The category and the topic of most of an author's books.
struct Habits {
    category: usize,
    topic: usize,
}

pub fn generate(books: usize, rng: &mut impl Rng) -> Catalogue {
    let topics_per_taste = (books / (TASTES * BOOKS_PER_TOPIC)).clamp(1, MAX_TOPICS_PER_TASTE);
    let mut authors = Vec::new();
    let mut written = Vec::with_capacity(books);
    let category_weights = zipf(names::CATEGORIES.len(), 0.5);
    let output_weights = zipf(MAX_BOOKS_PER_AUTHOR, 1.2);
    while written.len() < books {
        let habits = habits(&category_weights, topics_per_taste, rng);
        let output = (weighted(&output_weights, rng) + 1).min(books - written.len());
        for _ in 0..output {
            written.push((authors.len(), write_book(&habits, topics_per_taste, rng)));
        }
        authors.push(Author { id: authors.len() as i64 + 1, name: names::person(authors.len()) });
    }
    written.shuffle(rng);

    let mut books_of = vec![Vec::new(); authors.len()];
    let mut rows = Vec::with_capacity(books);
    let mut topics = Vec::with_capacity(books);
    for (index, &(author, (category, topic))) in written.iter().enumerate() {
        books_of[author].push(index as u32);
        topics.push(topic as u32);
        rows.push(Book {
            id: index as i64 + 1,
            title: names::title(index),
            category_id: category as i64 + 1,
            author_id: author as i64 + 1,
            published: publication_day(rng),
        });
    }
    let popularity = popularity(&rows, rng);
    Catalogue {
        categories: categories(),
        shelves: Shelves::new(&topics, &popularity, TASTES, topics_per_taste),
        quality: (0..books).map(|_| 0.4 * normal(rng) as f32).collect(),
        authors,
        books: rows,
        topics,
        books_of,
    }
}

fn categories() -> Vec<Category> {
    let name = |(index, &name): (usize, &&str)| Category { id: index as i64 + 1, name: name.to_owned() };
    names::CATEGORIES.iter().enumerate().map(name).collect()
}

fn habits(category_weights: &[f64], topics_per_taste: usize, rng: &mut impl Rng) -> Habits {
    let category = weighted(category_weights, rng);
    let taste = match rng.random::<f64>() {
        draw if draw < 0.75 => category % TASTES,
        draw if draw < 0.92 => (category * 7 + 3) % TASTES,
        _ => rng.random_range(0..TASTES as u32) as usize,
    };
    let topic = taste * topics_per_taste + rng.random_range(0..topics_per_taste as u32) as usize;
    Habits { category, topic }
}

/// The category and the topic of one book.
fn write_book(habits: &Habits, topics_per_taste: usize, rng: &mut impl Rng) -> (usize, usize) {
    let category =
        if chance(0.9, rng) { habits.category } else { rng.random_range(0..names::CATEGORIES.len() as u32) as usize };
    let topic = if chance(0.65, rng) {
        habits.topic
    } else {
        let first = habits.topic / topics_per_taste * topics_per_taste;
        first + rng.random_range(0..topics_per_taste as u32) as usize
    };
    (category, topic)
}

/// Denser towards today, as catalogues are.
fn publication_day(rng: &mut impl Rng) -> i64 {
    let age = libm::pow(rng.random::<f64>(), 1.4) * CATALOGUE_YEARS * 365.25;
    LAST_DAY - 1 - age as i64
}

fn popularity(books: &[Book], rng: &mut impl Rng) -> Vec<f64> {
    let mut popularity = zipf(books.len(), POPULARITY_EXPONENT);
    popularity.shuffle(rng);
    for (weight, book) in popularity.iter_mut().zip(books) {
        let years = (LAST_DAY - book.published) as f64 / 365.25;
        *weight *= 1.0 + libm::exp(-years / 4.0);
    }
    popularity
}

//! A generated library: books, users with hidden preferences, and what they read and liked.
//!
//! The same size and seed give the same bytes on every platform: integers and IEEE basic arithmetic,
//! and for the rest `libm`, because `exp` and `pow` of `std` differ between platforms.

mod calendar;
mod catalogue;
mod hidden;
mod names;
mod random;
mod readings;
mod shelves;
mod sql;
#[cfg(test)]
mod tests;
mod users;

use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::SeedableRng;

pub use calendar::{FIRST_DAY, LAST_DAY, SECONDS_PER_DAY};
pub use hidden::{HiddenBook, HiddenUser};

/// How much to generate. `interactions` counts reviews and favourites together and is met
/// approximately: a user who has read all that they like reads no more.
#[derive(Clone, Debug)]
pub struct Size {
    pub users: usize,
    pub books: usize,
    pub interactions: usize,
}

impl Size {
    /// The most interactions that fit: an average user has read at most a tenth of the books.
    pub fn max_interactions(&self) -> usize {
        self.users.saturating_mul(self.books) / 10
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Category {
    pub id: i64,
    pub name: String,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Author {
    pub id: i64,
    pub name: String,
}

#[derive(Clone, Debug, PartialEq)]
pub struct User {
    pub id: i64,
    pub name: String,
    /// Unix seconds.
    pub registered: i64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Book {
    pub id: i64,
    pub title: String,
    pub category_id: i64,
    pub author_id: i64,
    /// Days since 1970-01-01.
    pub published: i64,
}

/// Its id is its index in [`Library::reviews`], from 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Review {
    pub user_id: i64,
    pub book_id: i64,
    /// Unix seconds.
    pub reviewed: i64,
    pub stars: u8,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Favorite {
    pub user_id: i64,
    pub book_id: i64,
    /// Unix seconds.
    pub added: i64,
}

/// Every id is the index in its list, from 1; reviews and favourites are in order of date.
#[derive(Clone, Debug, PartialEq)]
pub struct Library {
    pub categories: Vec<Category>,
    pub authors: Vec<Author>,
    pub users: Vec<User>,
    pub books: Vec<Book>,
    pub reviews: Vec<Review>,
    pub favorites: Vec<Favorite>,
    /// By index of the book.
    pub hidden_books: Vec<HiddenBook>,
    pub hidden_users: Vec<HiddenUser>,
}

pub fn generate(size: &Size, seed: u64) -> Library {
    let mut rng = Pcg64Mcg::seed_from_u64(seed);
    let catalogue = catalogue::generate(size.books, &mut rng);
    let users = users::generate(size.users, &mut rng);
    let readings = readings::generate(&catalogue, &users, size.interactions, &mut rng);
    Library {
        hidden_books: hidden::of_books(&catalogue),
        hidden_users: readings.hidden_users,
        categories: catalogue.categories,
        authors: catalogue.authors,
        users,
        books: catalogue.books,
        reviews: readings.reviews,
        favorites: readings.favorites,
    }
}

//! The tables of a site as they were read: flat columns, not checked yet.

use crate::data::clicks::Clicks;
use crate::data::description::Descriptions;

/// "No such value" for ids and times. PostgreSQL's own `-infinity` maps to it as well.
pub const NONE: i64 = i64::MIN;

/// Reviews, one element per row of the table; all columns are equally long.
#[derive(Debug, Default, Clone)]
pub struct Ratings {
    pub user: Vec<i64>,
    pub item: Vec<i64>,
    /// 1 to 5.
    pub stars: Vec<f32>,
    /// Seconds since 1970, or [`NONE`].
    pub at: Vec<i64>,
    /// Of reviews with the same time the one with the highest key is the latest. Empty where the table has none; then it is
    /// the one with most stars.
    pub key: Vec<i64>,
}

impl Ratings {
    /// The key of a row, [`NONE`] without one.
    pub fn key(&self, row: usize) -> i64 {
        self.key.get(row).copied().unwrap_or(NONE)
    }
}

/// Favourites, one element per row of the table; all columns are equally long.
#[derive(Debug, Default, Clone)]
pub struct Favorites {
    pub user: Vec<i64>,
    pub item: Vec<i64>,
    /// Seconds since 1970, or [`NONE`].
    pub at: Vec<i64>,
}

/// What else users do with items: events of the site, each with the weight of its type. One element per row; all columns are
/// equally long.
#[derive(Debug, Default, Clone)]
pub struct Signals {
    pub user: Vec<i64>,
    pub item: Vec<i64>,
    /// More than 0: for the item, a favourite being 1. Less: against it. 0: seen, and nothing else.
    pub weight: Vec<f32>,
    /// Seconds since 1970, or [`NONE`].
    pub at: Vec<i64>,
}

/// The items of the catalogue; all columns are equally long.
#[derive(Debug, Default, Clone)]
pub struct Catalog {
    pub id: Vec<i64>,
    /// Category id, or [`NONE`].
    pub category: Vec<i64>,
    /// Author id, or [`NONE`].
    pub author: Vec<i64>,
    /// Seconds since 1970, or [`NONE`].
    pub published: Vec<i64>,
    /// Further categories and authors, of items that have several.
    pub more_categories: Links,
    pub more_authors: Links,
    /// Texts and embeddings, of items that have some.
    pub descriptions: Descriptions,
}

/// Items and one key of each: a category or an author. An item may have any number of them.
#[derive(Debug, Default, Clone)]
pub struct Links {
    pub item: Vec<i64>,
    pub key: Vec<i64>,
}

/// The accounts of the users; both columns are equally long.
#[derive(Debug, Default, Clone)]
pub struct Accounts {
    pub id: Vec<i64>,
    /// Time of registration, seconds since 1970, or [`NONE`].
    pub since: Vec<i64>,
}

/// The sources of a run, read under one snapshot.
#[derive(Debug, Default, Clone)]
pub struct Sources {
    pub ratings: Ratings,
    pub favorites: Favorites,
    pub signals: Signals,
    pub catalog: Catalog,
    pub accounts: Accounts,
    pub clicks: Clicks,
}

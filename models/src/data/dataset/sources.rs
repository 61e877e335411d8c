//! The tables of a site as they were read: flat columns, nothing checked yet.

/// "No such value" for ids and times. PostgreSQL's own `-infinity` maps to it as well.
pub const NONE: i64 = i64::MIN;

/// Reviews as read, one element per row of the source. Times are seconds since 1970, or [`NONE`].
#[derive(Debug, Default, Clone)]
pub struct Ratings {
    pub user: Vec<i64>,
    pub item: Vec<i64>,
    pub stars: Vec<f32>,
    pub at: Vec<i64>,
}

/// Favourites as read.
#[derive(Debug, Default, Clone)]
pub struct Favorites {
    pub user: Vec<i64>,
    pub item: Vec<i64>,
    pub at: Vec<i64>,
}

/// The catalogue as read.
#[derive(Debug, Default, Clone)]
pub struct Catalog {
    pub id: Vec<i64>,
    pub category: Vec<i64>,
    pub author: Vec<i64>,
    pub published: Vec<i64>,
}

/// The accounts as read; `since` is the time of registration.
#[derive(Debug, Default, Clone)]
pub struct Accounts {
    pub id: Vec<i64>,
    pub since: Vec<i64>,
}

/// The four sources of a run, read under one snapshot.
#[derive(Debug, Default, Clone)]
pub struct Sources {
    pub ratings: Ratings,
    pub favorites: Favorites,
    pub catalog: Catalog,
    pub accounts: Accounts,
}

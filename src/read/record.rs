//! The rows that are read of each source: what a statement lists, and how its rows are read.

use std::marker::PhantomData;
use std::ops::RangeInclusive;

use reco_models::{Description, Favorites, ItemInfo, NONE, Ratings, Signals, require, room};

use crate::failure::Outcome;
use crate::pg::session;
use crate::pg::spi::{Arg, Row};
use crate::site::{
    Column, EventSource, FavoriteSource, ItemSource, LinkSource, Linked, RatingSource, Site, Source, UserSource,
    embedding_or_null, id_or_null, joined_texts, number_or_null, one_or_several, seconds_or_null, text_or_null,
};

/// A row of a source. The list and the reading of it stand together, because they must agree.
pub trait Record: Sized {
    type Of: Source;

    fn select_list(source: &Self::Of) -> String;

    /// Takes the columns in the order of the list; None for a row without a key.
    fn read(row: &mut Row<'_>) -> Outcome<Option<Self>>;
}

/// A statement that gives the rows of a source that `clauses`, which follow its FROM, leave.
pub fn statement<R: Record>(source: &R::Of, clauses: &str) -> String {
    format!("SELECT {} FROM {} {clauses}", R::select_list(source), source.table().rows())
}

/// From this number of rows on, the memory for what follows is asked for.
const MANY: usize = 10_000;
/// Bytes that are made of a row, in all: columns, their merged form, lists of ids.
const FOLLOWS: u64 = 200;

impl Site<'_> {
    pub(super) fn select<R: Record>(&self, source: &R::Of, clauses: &str, args: &[Arg]) -> Outcome<Vec<R>> {
        let rows = self.connection.read(&statement::<R>(source, clauses), args)?;
        if rows.len() > MANY {
            require(rows.len() as u64 * FOLLOWS)?;
        }
        let mut records = room(rows.len())?;
        for mut row in rows.iter() {
            records.extend(R::read(&mut row)?);
        }
        Ok(records)
    }

    /// The rows of a user, whom `key` names. There is one key and one kind of row for each source.
    pub(super) fn of_key<R: Record>(&self, source: &R::Of, key: &Column, value: i64) -> Outcome<Vec<R>> {
        let Some(value) = self.user_as_arg(key, value)? else { return Ok(Vec::new()) };
        let sql = source.table().by_key.get_or_init(|| statement::<R>(source, &format!("WHERE {}", key.is("$1"))));
        let rows = self.connection.read(sql, &[value])?;
        rows.iter().filter_map(|mut row| R::read(&mut row).transpose()).collect()
    }
}

/// What a review may give.
pub const STARS: RangeInclusive<f32> = 1.0..=5.0;

pub struct Rating {
    pub user: i64,
    pub item: i64,
    /// None: a review of words only. What is outside of [`STARS`] is not checked yet.
    pub stars: Option<f32>,
    /// Seconds since 1970, or [`NONE`].
    pub at: i64,
    /// Or [`NONE`].
    pub key: i64,
}

impl Rating {
    /// `stars` are its own, checked.
    pub fn append(&self, stars: f32, to: &mut Ratings) {
        to.user.push(self.user);
        to.item.push(self.item);
        to.stars.push(stars);
        to.at.push(self.at);
        to.key.push(self.key);
    }
}

impl Record for Rating {
    type Of = RatingSource;

    fn select_list(source: &RatingSource) -> String {
        let (at, key) = (seconds_or_null(source.at.as_ref()), id_or_null(source.key.as_ref()));
        [source.user.as_id(), source.item.as_id(), source.stars.as_number(), at, key].join(", ")
    }

    fn read(row: &mut Row<'_>) -> Outcome<Option<Self>> {
        let (user, item, stars, at, key) = (row.take_id()?, row.take_id()?, row.take()?, row.take()?, row.take()?);
        let (Some(user), Some(item)) = (user, item) else { return Ok(None) };
        Ok(Some(Rating { user, item, stars, at: until_now(at), key: key.unwrap_or(NONE) }))
    }
}

pub struct Favorite {
    pub user: i64,
    pub item: i64,
    /// Seconds since 1970, or [`NONE`].
    pub at: i64,
}

impl Favorite {
    pub fn append(&self, to: &mut Favorites) {
        to.user.push(self.user);
        to.item.push(self.item);
        to.at.push(self.at);
    }
}

impl Record for Favorite {
    type Of = FavoriteSource;

    fn select_list(source: &FavoriteSource) -> String {
        [source.user.as_id(), source.item.as_id(), seconds_or_null(source.at.as_ref())].join(", ")
    }

    fn read(row: &mut Row<'_>) -> Outcome<Option<Self>> {
        let (user, item, at) = (row.take_id()?, row.take_id()?, row.take()?);
        let (Some(user), Some(item)) = (user, item) else { return Ok(None) };
        Ok(Some(Favorite { user, item, at: until_now(at) }))
    }
}

pub struct Signal {
    pub user: i64,
    pub item: i64,
    /// Of its type, times its value; None of a type without a weight.
    pub weight: Option<f32>,
    /// Seconds since 1970, or [`NONE`].
    pub at: i64,
}

impl Signal {
    /// `weight` is its own: without one an event says nothing.
    pub fn append(&self, weight: f32, to: &mut Signals) {
        to.user.push(self.user);
        to.item.push(self.item);
        to.weight.push(weight);
        to.at.push(self.at);
    }
}

impl Record for Signal {
    type Of = EventSource;

    fn select_list(source: &EventSource) -> String {
        let (value, at) = (number_or_null(source.value.as_ref()), seconds_or_null(source.at.as_ref()));
        [source.user.as_id(), source.item.as_id(), source.weight(), value, at].join(", ")
    }

    fn read(row: &mut Row<'_>) -> Outcome<Option<Self>> {
        let (user, item) = (row.take_id()?, row.take_id()?);
        let (weight, value, at): (Option<f32>, Option<f32>, _) = (row.take()?, row.take()?, row.take()?);
        let (Some(user), Some(item)) = (user, item) else { return Ok(None) };
        // What is against an item is so, however much of it there is.
        let times =
            |weight: f32| if weight > 0.0 { weight * value.map_or(1.0, |value| value.max(0.0)) } else { weight };
        Ok(Some(Signal { user, item, weight: weight.map(times), at: until_now(at) }))
    }
}

/// An item of the catalogue by its id.
impl Record for (i64, ItemInfo) {
    type Of = ItemSource;

    fn select_list(source: &ItemSource) -> String {
        let (category, author) = (one_or_several(source.category.as_ref()), one_or_several(source.author.as_ref()));
        [source.id.as_id(), category, author, seconds_or_null(source.published.as_ref())].join(", ")
    }

    fn read(row: &mut Row<'_>) -> Outcome<Option<Self>> {
        let id = row.take_id()?;
        let (categories, authors) = (keys(row)?, keys(row)?);
        let info = ItemInfo::new(categories, authors, seconds(row.take()?));
        Ok(id.map(|id| (id, info)))
    }
}

/// What [`one_or_several`] lists.
fn keys(row: &mut Row<'_>) -> Outcome<impl Iterator<Item = i64> + use<>> {
    let (one, several): (_, Option<Vec<Option<i64>>>) = (row.take_id()?, row.take()?);
    Ok(one.into_iter().chain(several.into_iter().flatten().flatten()))
}

/// An item, and one of its categories or authors.
pub struct Link<L> {
    pub item: i64,
    pub key: i64,
    of: PhantomData<L>,
}

impl<L: Linked> Record for Link<L> {
    type Of = LinkSource<L>;

    fn select_list(source: &LinkSource<L>) -> String {
        [source.item.as_id(), source.key.as_id()].join(", ")
    }

    fn read(row: &mut Row<'_>) -> Outcome<Option<Self>> {
        let (item, key) = (row.take_id()?, row.take_id()?);
        Ok(item.zip(key).map(|(item, key)| Link { item, key, of: PhantomData }))
    }
}

/// An item with its text and its embedding.
pub struct Described {
    pub item: i64,
    pub description: Description,
    /// Whether it has an embedding, and whether that is usable: only then it is in the description.
    pub has_embedding: bool,
    pub is_usable: bool,
}

impl Record for Described {
    type Of = ItemSource;

    fn select_list(source: &ItemSource) -> String {
        let (texts, embedding) = (joined_texts(source.texts.iter()), embedding_or_null(source.embedding.as_ref()));
        [source.id.as_id(), texts, embedding].join(", ")
    }

    fn read(row: &mut Row<'_>) -> Outcome<Option<Self>> {
        let (item, text, has_embedding): (_, Option<String>, Option<bool>) = (row.take_id()?, row.take()?, row.take()?);
        let values: Option<Vec<Option<f64>>> = row.take()?;
        let Some(item) = item else { return Ok(None) };
        let description = Description::of_text(&text.unwrap_or_default());
        let has_embedding = has_embedding == Some(true);
        let embedded = values.and_then(|values| description.clone().with_embedding(&values));
        let is_usable = embedded.is_some();
        Ok(Some(Described { item, description: embedded.unwrap_or(description), has_embedding, is_usable }))
    }
}

pub struct Title {
    pub item: i64,
    pub title: String,
}

impl Record for Title {
    type Of = ItemSource;

    fn select_list(source: &ItemSource) -> String {
        [source.id.as_id(), text_or_null(source.title.as_ref())].join(", ")
    }

    fn read(row: &mut Row<'_>) -> Outcome<Option<Self>> {
        let (item, title) = (row.take_id()?, row.take()?);
        Ok(item.zip(title).map(|(item, title)| Title { item, title }))
    }
}

pub struct Account {
    pub user: i64,
    /// Seconds since 1970, or [`NONE`].
    pub since: i64,
}

impl Record for Account {
    type Of = UserSource;

    fn select_list(source: &UserSource) -> String {
        [source.id.as_id(), seconds_or_null(source.since.as_ref())].join(", ")
    }

    fn read(row: &mut Row<'_>) -> Outcome<Option<Self>> {
        let (user, since) = (row.take_id()?, row.take()?);
        Ok(user.map(|user| Account { user, since: until_now(since) }))
    }
}

/// 3900 BC: earlier is `-infinity`, and no time. See `src/site/fragment.rs`, which has no earlier date than 4000 BC.
const FIRST: f64 = -1.85e11;
/// The year 9999: later is `infinity`, and of a publication no time.
const LAST: f64 = 2.534e11;

/// Whole seconds; [`NONE`] for an infinite or missing time.
fn seconds(value: Option<f64>) -> i64 {
    value.filter(|v| (FIRST..LAST).contains(v)).map_or(NONE, |v| v.round() as i64)
}

/// Seconds of what has happened: the time of the transaction is the latest there is. One review of the year 9999 must not
/// move what is new.
fn until_now(value: Option<f64>) -> i64 {
    value.filter(|v| *v > FIRST).map_or(NONE, |v| (v.round() as i64).min(session::now()))
}

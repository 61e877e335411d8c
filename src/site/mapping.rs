//! The sources as they were found, together: which are usable, and what they have in common.

use pgrx::PgSqlErrorCode;
use serde_json::{Map, Value};

use super::fragment::{Column, Table};
use super::sources::{
    Author, Category, EventSource, FavoriteSource, ItemSource, LinkSource, RatingSource, Source, Usable, UserSource,
};
use super::spellings::{CATEGORY, EVENT, ITEM, RATING, SourceKind};
use super::weights::WEIGHTS;
use crate::failure::{Failure, Outcome};
use crate::pg::catalog;

/// What ratings, favourites and events have in common: who, what and when.
pub struct InteractionSource<'a> {
    pub table: &'a Table,
    pub user: &'a Column,
    pub item: &'a Column,
    /// Of ratings only.
    pub stars: Option<&'a Column>,
    pub at: Option<&'a Column>,
    /// Of events, the weight as an expression.
    pub weight: Option<String>,
}

/// The sources as they were found.
pub struct Mapping {
    pub(super) ratings: Usable<RatingSource>,
    pub(super) favorites: Usable<FavoriteSource>,
    pub(super) events: Usable<EventSource>,
    pub(super) items: Usable<ItemSource>,
    pub(super) users: Usable<UserSource>,
    pub(super) categories: Usable<LinkSource<Category>>,
    pub(super) authors: Usable<LinkSource<Author>>,
    /// Those of which no table has a name that is looked for.
    pub(super) absent: Vec<&'static SourceKind>,
    /// Those that `reco_configure` mapped.
    pub(super) configured: Vec<&'static SourceKind>,
}

impl Mapping {
    pub fn ratings(&self) -> Option<&RatingSource> {
        self.ratings.as_ref().ok()
    }

    pub fn favorites(&self) -> Option<&FavoriteSource> {
        self.favorites.as_ref().ok()
    }

    pub fn events(&self) -> Option<&EventSource> {
        self.events.as_ref().ok()
    }

    pub fn items(&self) -> Option<&ItemSource> {
        self.items.as_ref().ok()
    }

    pub fn users(&self) -> Option<&UserSource> {
        self.users.as_ref().ok()
    }

    pub fn categories(&self) -> Option<&LinkSource<Category>> {
        self.categories.as_ref().ok()
    }

    pub fn authors(&self) -> Option<&LinkSource<Author>> {
        self.authors.as_ref().ok()
    }

    /// The columns that categories are read from.
    pub fn category_columns(&self) -> Vec<&Column> {
        let own = self.items().and_then(|items| items.category.as_ref());
        own.into_iter().chain(self.categories().map(|links| &links.key)).collect()
    }

    /// Likewise authors.
    pub fn author_columns(&self) -> Vec<&Column> {
        let own = self.items().and_then(|items| items.author.as_ref());
        own.into_iter().chain(self.authors().map(|links| &links.key)).collect()
    }

    /// # Errors
    /// 42703 where nothing says which category an item is in.
    pub fn check_category(&self) -> Outcome<()> {
        let Some(items) = self.items().filter(|items| items.category.is_none() && self.categories.is_err()) else {
            return Ok(());
        };
        let code = PgSqlErrorCode::ERRCODE_UNDEFINED_COLUMN;
        Err(Failure::new(code, format!("{} has no column for the category", items.table().name)).hint(format!(
            "Map it: SELECT reco_configure('{}', ...), with the role \"category\"; a table of pairs as the source \"{}\".",
            ITEM.name, CATEGORY.name
        )))
    }

    /// Ratings, favourites and events, those that were found.
    pub fn interactions(&self) -> impl Iterator<Item = InteractionSource<'_>> {
        let ratings = self.ratings().map(|s| InteractionSource {
            table: s.table(),
            user: &s.user,
            item: &s.item,
            stars: Some(&s.stars),
            at: s.at.as_ref(),
            weight: None,
        });
        let favorites = self.favorites().map(|s| InteractionSource {
            table: s.table(),
            user: &s.user,
            item: &s.item,
            stars: None,
            at: s.at.as_ref(),
            weight: None,
        });
        let events = self.events().map(|s| InteractionSource {
            table: s.table(),
            user: &s.user,
            item: &s.item,
            stars: None,
            at: s.at.as_ref(),
            weight: Some(s.weight()),
        });
        ratings.into_iter().chain(favorites).chain(events)
    }

    /// Without the sources whose users or items are integers where those of the others are keys: nothing of them would ever
    /// meet. The catalogue decides for items, the reviews for users.
    pub(super) fn of_one_kind(self) -> Mapping {
        let Mapping { ratings, favorites, events, items, users, categories, authors, .. } = self;
        let ratings = like(ratings, |source| &source.item, &items, |source| &source.id);
        let favorites = like(favorites, |source| &source.item, &items, |source| &source.id);
        let favorites = like(favorites, |source| &source.user, &ratings, |source| &source.user);
        let events = like(events, |source| &source.item, &items, |source| &source.id);
        let events = like(events, |source| &source.user, &ratings, |source| &source.user);
        let events = like(events, |source| &source.user, &favorites, |source| &source.user);
        let users = like(users, |source| &source.id, &ratings, |source| &source.user);
        let users = like(users, |source| &source.id, &favorites, |source| &source.user);
        let users = like(users, |source| &source.id, &events, |source| &source.user);
        let categories = like(categories, |source| &source.item, &items, |source| &source.id);
        let authors = like(authors, |source| &source.item, &items, |source| &source.id);
        Mapping { ratings, favorites, events, items, users, categories, authors, ..self }
    }

    /// The table of each source, or why it is not usable.
    pub fn tables(&self) -> Vec<(&'static SourceKind, Result<&Table, &str>)> {
        vec![
            table(&self.ratings),
            table(&self.favorites),
            table(&self.events),
            table(&self.items),
            table(&self.users),
            table(&self.categories),
            table(&self.authors),
        ]
    }

    /// The same without sources that few sites have, as long as nothing hints at one.
    pub fn noteworthy(&self) -> impl Iterator<Item = (&'static SourceKind, Result<&Table, &str>)> {
        let is_absent = |kind: &SourceKind| kind.rare && self.absent.iter().any(|absent| absent.name == kind.name);
        self.tables()
            .into_iter()
            .filter(move |(kind, table)| table.is_ok() || self.is_configured(kind) || !is_absent(kind))
    }

    /// Of the sources that [`Mapping::interactions`] may have.
    pub fn interaction_tables(&self) -> impl Iterator<Item = (&'static SourceKind, Option<&Table>)> {
        [table(&self.ratings), table(&self.favorites), table(&self.events)]
            .into_iter()
            .map(|(kind, table)| (kind, table.ok()))
    }

    /// What `of` says of the table of each source that was found.
    pub fn of_tables(&self, of: impl Fn(&Table) -> Value) -> Map<String, Value> {
        let named = |(kind, table): (&SourceKind, Result<&Table, &str>)| Some((kind.name.into(), of(table.ok()?)));
        self.tables().into_iter().filter_map(named).collect()
    }

    pub fn is_configured(&self, kind: &SourceKind) -> bool {
        self.configured.iter().any(|configured| configured.name == kind.name)
    }

    /// # Errors
    /// 42P01 where a source is missing that every use needs: items, and ratings, favourites or events. And where one is missing
    /// that is configured: somebody said that it counts, and answers without it would be wrong in silence.
    pub fn check(&self) -> Outcome<()> {
        for (kind, table) in self.tables() {
            if let Err(problem) = table
                && self.is_configured(kind)
            {
                return Err(unusable(kind, problem));
            }
        }
        match (&self.items, &self.ratings, &self.favorites) {
            (Ok(_), ..) if self.events.is_ok() => Ok(()),
            (Err(problem), ..) => Err(unusable(&ITEM, problem)),
            // Whichever is there is the one that is meant.
            (_, Err(ratings), Err(favorites)) => Err(Failure::new(
                PgSqlErrorCode::ERRCODE_UNDEFINED_TABLE,
                format!("neither the source \"rating\" nor \"favorite\" is usable: {ratings}; {favorites}"),
            )
            .hint(how_to_map(&RATING))),
            _ => Ok(()),
        }
    }
}

/// The source, if the ids in its column are of the same kind as those in the column of the other, where that is usable.
fn like<S: Source, O: Source>(
    source: Usable<S>,
    column: fn(&S) -> &Column,
    other: &Usable<O>,
    other_column: fn(&O) -> &Column,
) -> Usable<S> {
    let source = source?;
    let Ok(other) = other else { return Ok(source) };
    if column(&source).has_keys() == other_column(other).has_keys() {
        return Ok(source);
    }
    let described = |table: &Table, column: &Column| {
        format!("column \"{}\" of {} is {}", column.name, table.quoted(), catalog::type_name(column.type_oid))
    };
    let (this, that) = (described(source.table(), column(&source)), described(other.table(), other_column(other)));
    Err(format!("{this}, and {that}: an integer and a key are never the same"))
}

fn table<S: Source>(source: &Usable<S>) -> (&'static SourceKind, Result<&Table, &str>) {
    (S::KIND, source.as_ref().map(S::table).map_err(String::as_str))
}

fn unusable(kind: &SourceKind, problem: &str) -> Failure {
    let code = PgSqlErrorCode::ERRCODE_UNDEFINED_TABLE;
    Failure::new(code, format!("the source \"{}\" is not usable: {problem}", kind.name)).hint(how_to_map(kind))
}

pub fn how_to_map(kind: &SourceKind) -> String {
    let mut columns: Vec<String> =
        kind.roles.iter().filter(|r| r.kind.is_detected()).map(|r| format!("\"{}\": \"...\"", r.name)).collect();
    if kind.name == EVENT.name {
        columns.push(format!("\"{WEIGHTS}\": {{\"...\": 1}}"));
    }
    format!("Map it: SELECT reco_configure('{}', 'my_table', '{{{}}}');", kind.name, columns.join(", "))
}

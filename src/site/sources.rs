//! The sources of a site, typed: which table each is, and which columns it has.

use pgrx::PgSqlErrorCode;
use serde_json::{Map, Value};

use super::fragment::{Column, Table};
use super::spellings::{FAVORITE, ITEM, RATING, SourceKind, USER};
use crate::failure::{Failure, Outcome};
use crate::pg::catalog;

/// A source, or a sentence that says why it is not usable. That is no error yet, because the other sources may suffice.
pub type Usable<S> = Result<S, String>;

/// A table or view whose columns are known.
pub trait Source: Sized {
    const KIND: &'static SourceKind;

    fn from_table(table: Table) -> Usable<Self>;

    fn table(&self) -> &Table;
}

/// Reviews with stars.
pub struct RatingSource {
    table: Table,
    pub user: Column,
    pub item: Column,
    pub stars: Column,
    pub at: Option<Column>,
    /// Tells which of two reviews of the same time is the later one.
    pub key: Option<Column>,
}

/// What a user marked as a favourite.
pub struct FavoriteSource {
    table: Table,
    pub user: Column,
    pub item: Column,
    pub at: Option<Column>,
}

/// The catalogue.
pub struct ItemSource {
    table: Table,
    pub id: Column,
    pub category: Option<Column>,
    pub author: Option<Column>,
    pub published: Option<Column>,
    pub title: Option<Column>,
}

/// The accounts.
pub struct UserSource {
    table: Table,
    pub id: Column,
    pub since: Option<Column>,
}

impl Source for RatingSource {
    const KIND: &'static SourceKind = &RATING;

    fn from_table(table: Table) -> Usable<Self> {
        let [user, item, stars] = required(&table, ["user", "item", "stars"])?;
        let [at, key] = ["at", "key"].map(|role| table.column(role).cloned());
        Ok(RatingSource { user, item, stars, at, key, table })
    }

    fn table(&self) -> &Table {
        &self.table
    }
}

impl Source for FavoriteSource {
    const KIND: &'static SourceKind = &FAVORITE;

    fn from_table(table: Table) -> Usable<Self> {
        let [user, item] = required(&table, ["user", "item"])?;
        Ok(FavoriteSource { user, item, at: table.column("at").cloned(), table })
    }

    fn table(&self) -> &Table {
        &self.table
    }
}

impl Source for ItemSource {
    const KIND: &'static SourceKind = &ITEM;

    fn from_table(table: Table) -> Usable<Self> {
        let [id] = required(&table, ["id"])?;
        let optional = |role| table.column(role).cloned();
        let [category, author, published, title] = ["category", "author", "published", "title"].map(optional);
        Ok(ItemSource { id, category, author, published, title, table })
    }

    fn table(&self) -> &Table {
        &self.table
    }
}

impl Source for UserSource {
    const KIND: &'static SourceKind = &USER;

    fn from_table(table: Table) -> Usable<Self> {
        let [id] = required(&table, ["id"])?;
        Ok(UserSource { id, since: table.column("since").cloned(), table })
    }

    fn table(&self) -> &Table {
        &self.table
    }
}

fn required<const N: usize>(table: &Table, roles: [&str; N]) -> Usable<[Column; N]> {
    let found: Vec<Column> = roles.iter().filter_map(|role| table.column(role).cloned()).collect();
    found.try_into().map_err(|_| format!("{} lacks one of the columns {}", table.quoted(), roles.join(", ")))
}

impl ItemSource {
    /// # Errors
    /// 42703 where the catalogue has no column for the category.
    pub fn category(&self) -> Outcome<&Column> {
        self.category.as_ref().ok_or_else(|| {
            let code = PgSqlErrorCode::ERRCODE_UNDEFINED_COLUMN;
            Failure::new(code, format!("{} has no column for the category", self.table.name))
                .hint(format!("Map it: SELECT reco_configure('{}', ...), with the role \"category\".", ITEM.name))
        })
    }
}

/// What ratings and favourites have in common: who, what and when.
pub struct InteractionSource<'a> {
    pub table: &'a Table,
    pub user: &'a Column,
    pub item: &'a Column,
    /// None for favourites.
    pub stars: Option<&'a Column>,
    pub at: Option<&'a Column>,
}

/// The four sources as they were found.
pub struct Mapping {
    pub(super) ratings: Usable<RatingSource>,
    pub(super) favorites: Usable<FavoriteSource>,
    pub(super) items: Usable<ItemSource>,
    pub(super) users: Usable<UserSource>,
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

    pub fn items(&self) -> Option<&ItemSource> {
        self.items.as_ref().ok()
    }

    pub fn users(&self) -> Option<&UserSource> {
        self.users.as_ref().ok()
    }

    /// Ratings and favourites, those that were found.
    pub fn interactions(&self) -> impl Iterator<Item = InteractionSource<'_>> {
        let ratings = self.ratings().map(|s| InteractionSource {
            table: &s.table,
            user: &s.user,
            item: &s.item,
            stars: Some(&s.stars),
            at: s.at.as_ref(),
        });
        let favorites = self.favorites().map(|s| InteractionSource {
            table: &s.table,
            user: &s.user,
            item: &s.item,
            stars: None,
            at: s.at.as_ref(),
        });
        ratings.into_iter().chain(favorites)
    }

    /// Without the sources whose users or items are integers where those of the others are keys: nothing of them would ever
    /// meet. The catalogue decides for items, the reviews for users.
    pub(super) fn of_one_kind(self) -> Mapping {
        let Mapping { ratings, favorites, items, users, configured } = self;
        let ratings = like(ratings, |source| &source.item, &items, |source| &source.id);
        let favorites = like(favorites, |source| &source.item, &items, |source| &source.id);
        let favorites = like(favorites, |source| &source.user, &ratings, |source| &source.user);
        let users = like(users, |source| &source.id, &ratings, |source| &source.user);
        let users = like(users, |source| &source.id, &favorites, |source| &source.user);
        Mapping { ratings, favorites, items, users, configured }
    }

    /// The table of each source, or why it is not usable.
    pub fn tables(&self) -> [(&'static SourceKind, Result<&Table, &str>); 4] {
        [table(&self.ratings), table(&self.favorites), table(&self.items), table(&self.users)]
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
    /// 42P01 where a source is missing that every use needs: items, and ratings or favourites. And where one is missing
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
    let columns: Vec<String> =
        kind.roles.iter().filter(|r| r.kind.is_detected()).map(|r| format!("\"{}\": \"...\"", r.name)).collect();
    format!("Map it: SELECT reco_configure('{}', 'my_table', '{{{}}}');", kind.name, columns.join(", "))
}

//! The sources of a site, typed: which table each is, and which columns it has.

use std::marker::PhantomData;

use pgrx::PgSqlErrorCode;
use serde_json::{Map, Value};

use super::fragment::{Column, Table};
use super::spellings::{AUTHOR, CATEGORY, FAVORITE, ITEM, RATING, SourceKind, USER};
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

/// Which role of the items a link table fills.
pub trait Linked {
    const KIND: &'static SourceKind;
}

/// Of [`LinkSource`].
pub enum Category {}

/// Of [`LinkSource`].
pub enum Author {}

impl Linked for Category {
    const KIND: &'static SourceKind = &CATEGORY;
}

impl Linked for Author {
    const KIND: &'static SourceKind = &AUTHOR;
}

/// Pairs of an item and one of its categories, or authors.
pub struct LinkSource<L> {
    table: Table,
    pub item: Column,
    pub key: Column,
    of: PhantomData<L>,
}

impl<L: Linked> Source for LinkSource<L> {
    const KIND: &'static SourceKind = L::KIND;

    fn from_table(table: Table) -> Usable<Self> {
        // The role of the key has the name of the source.
        let [item, key] = required(&table, ["item", L::KIND.name])?;
        Ok(LinkSource { item, key, of: PhantomData, table })
    }

    fn table(&self) -> &Table {
        &self.table
    }
}

impl<L: Linked> LinkSource<L> {
    /// A condition on the catalogue: an item is linked to one of the keys of $1, which are like those of the column.
    pub fn items_of(&self, catalog: &ItemSource) -> (String, &Table, &Column) {
        let (id, item) = match catalog.id.has_keys() {
            true => (catalog.id.as_id_like(&[&self.item]), self.item.as_id_like(&[&catalog.id])),
            false => (catalog.id.quoted(), self.item.quoted()),
        };
        let linked = format!("SELECT {item} FROM {} WHERE {}", self.table.rows(), self.key.is_any("$1"));
        (format!("WHERE {id} OPERATOR(pg_catalog.=) ANY ({linked})"), &self.table, &self.key)
    }

    /// Whether its keys are those of a column that was detected: so it seems by the name. Those of another name, such as
    /// `tag_id`, count in another way, and would be mixed up with them.
    fn adds_to_detected(&self) -> bool {
        L::KIND.roles.iter().any(|role| role.name == L::KIND.name && role.spellings.contains(&self.key.name.as_str()))
    }
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
    /// Without the column for a role that a link table fills in its place.
    pub(super) fn without_replaced<L: Linked>(mut self, links: &Usable<LinkSource<L>>) -> Self {
        let Ok(links) = links else { return self };
        if !self.table.configured && !links.adds_to_detected() {
            let column = match L::KIND.name == CATEGORY.name {
                true => self.category.take(),
                false => self.author.take(),
            };
            let why =
                |column: Column| format!("{} is not used: {} is in its place", column.quoted(), links.table.quoted());
            self.table.leave_out(L::KIND.name, column.map(why));
        }
        self
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

/// The sources as they were found.
pub struct Mapping {
    pub(super) ratings: Usable<RatingSource>,
    pub(super) favorites: Usable<FavoriteSource>,
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
        Err(Failure::new(code, format!("{} has no column for the category", items.table.name)).hint(format!(
            "Map it: SELECT reco_configure('{}', ...), with the role \"category\"; a table of pairs as the source \"{}\".",
            ITEM.name, CATEGORY.name
        )))
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
        let Mapping { ratings, favorites, items, users, categories, authors, .. } = self;
        let ratings = like(ratings, |source| &source.item, &items, |source| &source.id);
        let favorites = like(favorites, |source| &source.item, &items, |source| &source.id);
        let favorites = like(favorites, |source| &source.user, &ratings, |source| &source.user);
        let users = like(users, |source| &source.id, &ratings, |source| &source.user);
        let users = like(users, |source| &source.id, &favorites, |source| &source.user);
        let categories = like(categories, |source| &source.item, &items, |source| &source.id);
        let authors = like(authors, |source| &source.item, &items, |source| &source.id);
        Mapping { ratings, favorites, items, users, categories, authors, ..self }
    }

    /// The table of each source, or why it is not usable.
    pub fn tables(&self) -> Vec<(&'static SourceKind, Result<&Table, &str>)> {
        vec![
            table(&self.ratings),
            table(&self.favorites),
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
        [table(&self.ratings), table(&self.favorites)].into_iter().map(|(kind, table)| (kind, table.ok()))
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

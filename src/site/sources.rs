//! The sources of a site, typed: which table each is, and which columns it has.

use std::marker::PhantomData;

use super::fragment::{Column, Table};
use super::spellings::{AUTHOR, CATEGORY, EVENT, FAVORITE, ITEM, RATING, SourceKind, USER};
use super::weights;

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

/// What else users did with items, by type.
pub struct EventSource {
    table: Table,
    pub user: Column,
    pub item: Column,
    pub of: Column,
    pub at: Option<Column>,
    /// Multiplies the weight of a type that is for the item.
    pub value: Option<Column>,
}

/// The catalogue.
pub struct ItemSource {
    table: Table,
    pub id: Column,
    pub category: Option<Column>,
    pub author: Option<Column>,
    pub published: Option<Column>,
    pub title: Option<Column>,
    /// What the text of an item is made of.
    pub texts: Vec<Column>,
    pub embedding: Option<Column>,
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

impl Source for EventSource {
    const KIND: &'static SourceKind = &EVENT;

    fn from_table(table: Table) -> Usable<Self> {
        let [user, item, of] = required(&table, ["user", "item", "type"])?;
        let [at, value] = ["at", "value"].map(|role| table.column(role).cloned());
        Ok(EventSource { user, item, of, at, value, table })
    }

    fn table(&self) -> &Table {
        &self.table
    }
}

impl EventSource {
    /// The weight of a row's type, NULL of one without.
    pub fn weight(&self) -> String {
        weights::weight_of(&self.of, &self.table.weights)
    }

    /// The type of a row as text.
    pub fn type_name(&self) -> String {
        weights::text(&self.of)
    }
}

impl Source for ItemSource {
    const KIND: &'static SourceKind = &ITEM;

    fn from_table(table: Table) -> Usable<Self> {
        let [id] = required(&table, ["id"])?;
        let optional = |role| table.column(role).cloned();
        let [category, author, published, title] = ["category", "author", "published", "title"].map(optional);
        let (texts, embedding) = (table.texts().cloned().collect(), optional("embedding"));
        Ok(ItemSource { id, category, author, published, title, texts, embedding, table })
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
    /// Whether items have more than the catalogue's ids and dates.
    pub fn has_descriptions(&self) -> bool {
        !self.texts.is_empty() || self.embedding.is_some()
    }

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

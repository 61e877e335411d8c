//! All sources at once, for a training: under one snapshot, into flat columns.

use reco_models::{
    Accounts, Catalog, Favorites, ItemInfo, Links, NONE, Ratings, Result, Signals, Size, Sources, more_room,
};

use super::record::{Account, Described, Favorite, Link, Rating, Record, STARS, Signal, statement};
use super::skipped::{NotEmbedded, Skipped};
use crate::failure::Outcome;
use crate::pg::keys::{self, Keys};
use crate::pg::notice;
use crate::pg::subtransaction::without_locks;
use crate::site::{Site, Source};

/// Rows of one look at the cursor.
const BATCH: i64 = 10_000;

/// Columns that rows of one kind are appended to.
trait Columns<R> {
    fn make_room(&mut self, rows: usize) -> Result<()>;

    fn push(&mut self, row: R, size: &mut Size) -> Result<()>;
}

/// Everything that a training reads.
#[derive(Default)]
pub struct Read {
    pub sources: Sources,
    pub size: Size,
    /// Reviews that are not among the sources.
    pub skipped: Skipped,
    /// Embeddings that are not usable.
    pub not_embedded: NotEmbedded,
    /// Of users with an interaction, and of items, categories and authors, where the sources have keys.
    pub keys: Keys,
    /// Events that are not among them.
    pub unknown: Unknown,
}

/// Events, and how many of them have a type without a weight.
#[derive(Default)]
struct Events {
    signals: Signals,
    rows: u64,
    unknown: u64,
}

/// Texts and embeddings, and those of them that are not usable.
#[derive(Default)]
struct Descriptions {
    read: reco_models::Descriptions,
    not_embedded: NotEmbedded,
}

/// Reviews, and those of them that have to be skipped.
#[derive(Default)]
struct Reviews {
    ratings: Ratings,
    skipped: Skipped,
}

impl Site<'_> {
    /// Reads everything, and leaves no locks on the sources. `progress` is told the table and the rows of it so far;
    /// `check` what was read so far, and can refuse to read on.
    pub fn read_all(
        &self,
        mut progress: impl FnMut(&str, usize),
        mut check: impl FnMut(&Size) -> Outcome<()>,
    ) -> Outcome<Read> {
        self.mapping.check()?;
        let mut watch = |table: &str, rows: usize, size: &Size| {
            progress(table, rows);
            check(size)
        };
        let (mut all, mut reviews, mut size) = (Sources::default(), Reviews::default(), Size::default());
        let (mut events, mut unknown) = (Events::default(), Unknown::default());
        let mut descriptions = Descriptions::default();
        let keys = without_locks(|| {
            let ((), keys) = keys::collect(|| {
                self.read_source::<(i64, ItemInfo)>(self.mapping.items(), &mut all.catalog, &mut size, &mut watch)?;
                let described = self.mapping.items().filter(|source| source.has_descriptions());
                self.read_source::<Described>(described, &mut descriptions, &mut size, &mut watch)?;
                let Catalog { more_categories, more_authors, .. } = &mut all.catalog;
                self.read_source::<Link<_>>(self.mapping.categories(), more_categories, &mut size, &mut watch)?;
                self.read_source::<Link<_>>(self.mapping.authors(), more_authors, &mut size, &mut watch)?;
                self.read_source::<Rating>(self.mapping.ratings(), &mut reviews, &mut size, &mut watch)?;
                self.read_source::<Favorite>(self.mapping.favorites(), &mut all.favorites, &mut size, &mut watch)?;
                self.read_source::<Signal>(self.mapping.events(), &mut events, &mut size, &mut watch)
            })?;
            unknown = Unknown::count(self, &events)?;
            self.read_source::<Account>(self.mapping.users(), &mut all.accounts, &mut size, &mut watch)?;
            Outcome::Ok(keys)
        })?;
        (all.ratings, all.signals) = (reviews.ratings, events.signals);
        let Descriptions { read, mut not_embedded } = descriptions;
        not_embedded.add_other_dimensions(&read);
        all.catalog.descriptions = read;
        Ok(Read { sources: all, size, skipped: reviews.skipped, not_embedded, unknown, keys })
    }

    fn read_source<R: Record>(
        &self,
        source: Option<&R::Of>,
        columns: &mut impl Columns<R>,
        size: &mut Size,
        watch: &mut impl FnMut(&str, usize, &Size) -> Outcome<()>,
    ) -> Outcome<()> {
        let Some(source) = source else { return Ok(()) };
        let name = &source.table().name;
        let mut count = 0;
        watch(name, count, size)?;
        self.connection.read_batches(&statement::<R>(source, ""), &[], BATCH, |rows| {
            columns.make_room(rows.len())?;
            for mut row in rows.iter() {
                if let Some(row) = R::read(&mut row)? {
                    columns.push(row, size)?;
                }
            }
            count += rows.len();
            watch(name, count, size)
        })
    }
}

impl Columns<(i64, ItemInfo)> for Catalog {
    fn make_room(&mut self, rows: usize) -> Result<()> {
        [&mut self.id, &mut self.category, &mut self.author, &mut self.published]
            .into_iter()
            .try_for_each(|column| more_room(column, rows))
    }

    fn push(&mut self, (id, info): (i64, ItemInfo), size: &mut Size) -> Result<()> {
        size.item(id);
        let (mut categories, mut authors) = (info.categories(), info.authors());
        self.id.push(id);
        self.category.push(categories.next().unwrap_or(NONE));
        self.author.push(authors.next().unwrap_or(NONE));
        self.published.push(info.published);
        push_all(&mut self.more_categories, id, categories, size);
        push_all(&mut self.more_authors, id, authors, size);
        Ok(())
    }
}

fn push_all(links: &mut Links, item: i64, keys: impl Iterator<Item = i64>, size: &mut Size) {
    for key in keys {
        size.link();
        links.item.push(item);
        links.key.push(key);
    }
}

impl Columns<Described> for Descriptions {
    /// Asked for row by row, because rows differ in what they need.
    fn make_room(&mut self, _rows: usize) -> Result<()> {
        Ok(())
    }

    fn push(&mut self, row: Described, size: &mut Size) -> Result<()> {
        if row.has_embedding {
            self.not_embedded.count(row.item, row.is_usable);
        }
        if row.description.is_empty() {
            return Ok(());
        }
        size.description(&row.description);
        self.read.push(row.item, &row.description)
    }
}

impl<L> Columns<Link<L>> for Links {
    fn make_room(&mut self, rows: usize) -> Result<()> {
        more_room(&mut self.item, rows)?;
        more_room(&mut self.key, rows)
    }

    fn push(&mut self, link: Link<L>, size: &mut Size) -> Result<()> {
        size.link();
        self.item.push(link.item);
        self.key.push(link.key);
        Ok(())
    }
}

impl Columns<Rating> for Reviews {
    fn make_room(&mut self, rows: usize) -> Result<()> {
        let Ratings { user, item, stars, at, key } = &mut self.ratings;
        more_room(stars, rows)?;
        [user, item, at, key].into_iter().try_for_each(|column| more_room(column, rows))
    }

    fn push(&mut self, rating: Rating, size: &mut Size) -> Result<()> {
        let Some(stars) = rating.stars else { return Ok(()) };
        self.skipped.rows += 1;
        if !STARS.contains(&stars) {
            self.skipped.add(rating.user, rating.item, stars);
            return Ok(());
        }
        size.interaction(rating.user, rating.item);
        rating.append(stars, &mut self.ratings);
        Ok(())
    }
}

impl Columns<Favorite> for Favorites {
    fn make_room(&mut self, rows: usize) -> Result<()> {
        [&mut self.user, &mut self.item, &mut self.at].into_iter().try_for_each(|column| more_room(column, rows))
    }

    fn push(&mut self, favorite: Favorite, size: &mut Size) -> Result<()> {
        size.interaction(favorite.user, favorite.item);
        favorite.append(self);
        Ok(())
    }
}

impl Columns<Signal> for Events {
    fn make_room(&mut self, rows: usize) -> Result<()> {
        let Signals { user, item, weight, at } = &mut self.signals;
        more_room(weight, rows)?;
        [user, item, at].into_iter().try_for_each(|column| more_room(column, rows))
    }

    fn push(&mut self, signal: Signal, size: &mut Size) -> Result<()> {
        self.rows += 1;
        let Some(weight) = signal.weight else {
            self.unknown += 1;
            return Ok(());
        };
        size.interaction(signal.user, signal.item);
        signal.append(weight, &mut self.signals);
        Ok(())
    }
}

/// Events of types without a weight, which are left out.
#[derive(Default)]
pub struct Unknown(Option<String>);

impl Unknown {
    /// Types that are named.
    const NAMED: i64 = 5;

    fn count(site: &Site<'_>, events: &Events) -> Outcome<Unknown> {
        let Some(source) = site.mapping.events().filter(|_| events.unknown > 0) else { return Ok(Unknown(None)) };
        // A type may be as long as a page.
        let sql = format!(
            "SELECT COALESCE(pg_catalog.left({}, 100), 'NULL'::pg_catalog.text), pg_catalog.count(*) FROM {}
             WHERE {} IS NULL GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {}",
            source.type_name(),
            source.table().rows(),
            source.weight(),
            Self::NAMED
        );
        let mut types = Vec::new();
        for mut row in site.connection.read(&sql, &[])?.iter() {
            let (name, count): (Option<String>, Option<i64>) = (row.take()?, row.take()?);
            types.push(format!("{} {}", count.unwrap_or(0), name.unwrap_or_default()));
        }
        let (unknown, rows, table) = (events.unknown, events.rows, source.table().quoted());
        Ok(Unknown(Some(format!(
            "{unknown} of {rows} events of {table} are left out, because their types have no weight: {}",
            types.join(", ")
        ))))
    }

    pub fn tell(&self) {
        self.0.iter().for_each(|sentence| notice::say(sentence));
    }
}

impl Columns<Account> for Accounts {
    fn make_room(&mut self, rows: usize) -> Result<()> {
        more_room(&mut self.id, rows)?;
        more_room(&mut self.since, rows)
    }

    fn push(&mut self, account: Account, size: &mut Size) -> Result<()> {
        size.account();
        self.id.push(account.user);
        self.since.push(account.since);
        Ok(())
    }
}

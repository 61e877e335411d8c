//! When users made favourites of items, and when they reviewed them.

use pgrx::pg_sys;
use reco_models::more_room;

use crate::failure::Outcome;
use crate::pg::spi::arg;
use crate::site::{Column, InteractionSource, Site};

/// Rows of one look at the cursor.
const BATCH: i64 = 10_000;
/// Seconds from the begin of a day to its last moment.
const REST_OF_A_DAY: f64 = 86_399.0;

/// What a user did with an item where the site keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    Favorite,
    Review,
}

/// One of them.
#[derive(Debug, Clone, Copy)]
pub struct Done {
    pub user: i64,
    pub item: i64,
    /// Seconds since 1970; of a date the end of the day.
    pub at: f64,
    pub deed: Deed,
}

/// All of a time, by user and item, of each pair the latest first.
#[derive(Default)]
pub struct Deeds {
    all: Vec<Done>,
    /// Whether the site has such a source, with times.
    pub has_favorites: bool,
    pub has_reviews: bool,
}

impl Deeds {
    /// The places of those of one pair.
    pub fn of(&self, user: i64, item: i64) -> std::ops::Range<usize> {
        let key = |done: &Done| (done.user, done.item);
        let start = self.all.partition_point(|done| key(done) < (user, item));
        let count = self.all[start..].iter().take_while(|done| key(done) == (user, item)).count();
        start..start + count
    }

    pub fn get(&self, place: usize) -> Done {
        self.all[place]
    }

    pub fn len(&self) -> usize {
        self.all.len()
    }
}

impl Site<'_> {
    /// Favourites and reviews between two moments, in seconds since 1970, as the caller sees them.
    pub fn deeds(&self, since: f64, until: f64) -> Outcome<Deeds> {
        let mut deeds = Deeds::default();
        for source in self.mapping.interactions().filter(|source| source.weight.is_none()) {
            let deed = if source.stars.is_some() { Deed::Review } else { Deed::Favorite };
            let Some(at) = source.at else { continue };
            match deed {
                Deed::Favorite => deeds.has_favorites = true,
                Deed::Review => deeds.has_reviews = true,
            }
            self.read_deeds(&source, at, deed, (since, until), &mut deeds.all)?;
        }
        deeds.all.sort_unstable_by(|a, b| {
            (a.user, a.item)
                .cmp(&(b.user, b.item))
                .then(b.at.total_cmp(&a.at))
                .then((a.deed as u8).cmp(&(b.deed as u8)))
        });
        Ok(deeds)
    }

    fn read_deeds(
        &self,
        source: &InteractionSource<'_>,
        at: &Column,
        deed: Deed,
        (since, until): (f64, f64),
        to: &mut Vec<Done>,
    ) -> Outcome<()> {
        // A date is compared as the begin of its day.
        let rest = if at.type_oid == pg_sys::DATEOID { REST_OF_A_DAY } else { 0.0 };
        let sql = format!(
            "SELECT {}, {}, {} FROM {} WHERE {} AND {}",
            source.user.as_id(),
            source.item.as_id(),
            at.as_seconds(),
            source.table.rows(),
            at.since("$1"),
            at.until("$2"),
        );
        self.connection.read_batches(&sql, &[arg(since), arg(until)], BATCH, |rows| {
            more_room(to, rows.len())?;
            for mut row in rows.iter() {
                let (user, item, at): (_, _, Option<f64>) = (row.take_id()?, row.take_id()?, row.take()?);
                if let (Some(user), Some(item), Some(at)) = (user, item, at) {
                    to.push(Done { user, item, at: at + rest, deed });
                }
            }
            Ok(())
        })
    }
}

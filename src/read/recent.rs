//! Reviews, favourites and events since a moment.

use super::record::STARS;
use crate::failure::Outcome;
use crate::pg::catalog;
use crate::pg::session;
use crate::pg::spi::{Row, arg};
use crate::site::{Column, InteractionSource, Site, number_or_null};

/// Rows of one look at the cursor.
const BATCH: i64 = 10_000;

/// One review, favourite or event.
pub struct Event {
    pub user: i64,
    pub item: i64,
    /// None for a favourite, an event, and for a review without stars that a model could learn from.
    pub stars: Option<f32>,
}

impl Event {
    /// None without a time.
    fn select(source: &InteractionSource<'_>, others: &[InteractionSource<'_>]) -> Option<String> {
        let users: Vec<&Column> = others.iter().map(|other| other.user).collect();
        let items: Vec<&Column> = others.iter().map(|other| other.item).collect();
        let (user, item) = (source.user.as_id_like(&users), source.item.as_id_like(&items));
        let stars = number_or_null(source.stars);
        let (table, at) = (source.table.rows(), source.at?);
        let (since, until) = (at.since("$1"), at.until("$3"));
        let counts = source.weight.as_ref().map_or(String::new(), |weight| format!("AND {weight} IS NOT NULL"));
        Some(format!("SELECT {user}, {item}, {stars} FROM {table} WHERE {since} AND {until} {counts}"))
    }

    fn read(row: &mut Row<'_>) -> Outcome<Option<Event>> {
        let (user, item) = (row.take_id()?, row.take_id()?);
        let stars = row.take()?.filter(|stars| STARS.contains(stars));
        Ok(user.zip(item).map(|(user, item)| Event { user, item, stars }))
    }
}

impl Site<'_> {
    /// Those from `since` (seconds since 1970) on, and not of the future, which would be new after every training; where there are more than `most`, any `most` of them. None where no
    /// source has a time, or where the caller may not read one.
    pub fn events(&self, since: f64, most: i64) -> Outcome<Option<Vec<Event>>> {
        let mut parts = Vec::new();
        let sources: Vec<_> = self.mapping.interactions().collect();
        for source in &sources {
            if !catalog::may_read(source.table.oid) {
                return Ok(None);
            }
            parts.extend(Event::select(source, &sources));
        }
        if parts.is_empty() {
            return Ok(None);
        }
        let mut events = Vec::new();
        let sql = format!("{} LIMIT $2", parts.join(" UNION ALL "));
        self.connection.read_batches(
            &sql,
            &[arg(since), arg(most), arg((session::clock() + 1) as f64)],
            BATCH,
            |rows| {
                for mut row in rows.iter() {
                    events.extend(Event::read(&mut row)?);
                }
                Ok(())
            },
        )?;
        Ok(Some(events))
    }
}

//! What is too old leaves: whole weeks at once where possible.

use super::request::{RequestId, SLOTS, period_seconds};
use crate::failure::Outcome;
use crate::pg::lock;
use crate::pg::notice;
use crate::pg::owner::as_owner;
use crate::pg::session::{self, pause};
use crate::pg::spi::{Connection, arg};
use crate::settings;

/// Rows that are deleted at once.
const BATCH: i64 = 10_000;
/// A dismissal hides an item for this long: tastes change, and the table must not grow for ever.
const DISMISSED_DAYS: i64 = 365;

/// Rows that left.
#[derive(Debug, Default, Clone, Copy)]
pub struct Expired {
    pub impressions: i64,
    pub feedback: i64,
    pub dismissals: i64,
    pub shadows: i64,
}

impl Expired {
    pub fn rows(&self) -> i64 {
        self.impressions + self.feedback + self.dismissals + self.shadows
    }
}

/// Removes what is older than `reco.keep_impressions`, and dismissals of more than a year ago. The locks of what it empties
/// last until the transaction ends, so it comes last in one, or in one of its own.
pub fn apply(connection: &Connection) -> Outcome<Expired> {
    let now = session::now();
    let cutoff = RequestId::lowest_at((now - settings::keep_impressions()) as f64);
    let older_lap = RequestId::lowest_at((now - settings::keep_impressions() - period_seconds()) as f64);
    as_owner(|| {
        let mut expired = Expired {
            shadows: older(connection, "shadow", now - settings::keep_impressions())?,
            dismissals: older(connection, "dismissal", now - DISMISSED_DAYS * 86_400)?,
            ..Expired::default()
        };
        for slot in 0..SLOTS {
            pause();
            let Some((oldest, newest)) = ends(connection, slot)? else { continue };
            if newest < cutoff {
                empty(connection, slot, &mut expired)?;
            } else if oldest < older_lap {
                expired.impressions += delete(connection, "impression", slot, older_lap)?;
                expired.feedback += delete(connection, "feedback", slot, older_lap)?;
            }
        }
        Ok(expired)
    })
}

/// Deletes the rows of a table that is no ring from before a moment, in seconds since 1970; gives how many.
fn older(connection: &Connection, table: &str, before: i64) -> Outcome<i64> {
    let sql = format!(
        "WITH gone AS (DELETE FROM reco.{table} WHERE at OPERATOR(pg_catalog.<) pg_catalog.to_timestamp($1) RETURNING 1)
         SELECT pg_catalog.count(*) FROM gone"
    );
    Ok(connection.write(&sql, &[arg(before as f64)])?.single()?.unwrap_or_default())
}

/// The first and the last request of a partition.
fn ends(connection: &Connection, slot: i64) -> Outcome<Option<(RequestId, RequestId)>> {
    let end = |direction: &str| -> Outcome<Option<RequestId>> {
        let sql = format!(
            "SELECT request_id FROM reco.impression_{slot} WHERE slot OPERATOR(pg_catalog.=) '{slot}'::pg_catalog.int2
             ORDER BY slot {direction}, request_id {direction} LIMIT 1"
        );
        Ok(connection.read(&sql, &[])?.single::<pgrx::Uuid>()?.map(RequestId::from_uuid))
    };
    Ok(end("ASC")?.zip(end("DESC")?))
}

/// Truncates a partition of which everything has expired. Nothing that scores reads it: `reco_serve` reads the latest weeks, and
/// cannot run on a standby, where truncating would cancel it. Who reads it, a report or a dump, is not waited for: the ring
/// has room for the next night, and the week after.
fn empty(connection: &Connection, slot: i64, expired: &mut Expired) -> Outcome<()> {
    let tables = [format!("impression_{slot}"), format!("feedback_{slot}")];
    for table in &tables {
        if !lock::try_table_alone(table)? {
            notice::say(&format!("reco.{table} has expired, and is being read: it is emptied next time"));
            return Ok(());
        }
    }
    let count = |table: &str| -> Outcome<i64> {
        // Of now: what committed while the lock was waited for is emptied too.
        let sql = format!("SELECT pg_catalog.count(*) FROM reco.{table}");
        Ok(connection.write(&sql, &[])?.single()?.unwrap_or_default())
    };
    expired.impressions += count(&tables[0])?;
    expired.feedback += count(&tables[1])?;
    connection.write(&format!("TRUNCATE reco.{}, reco.{}", tables[0], tables[1]), &[])?;
    Ok(())
}

/// Deletes what is from before a request. Needed where the ring is too short for what is kept, or nothing expired for a whole
/// round of it: then a partition holds two weeks that are far apart.
fn delete(connection: &Connection, table: &str, slot: i64, before: RequestId) -> Outcome<i64> {
    let sql = format!(
        "DELETE FROM reco.{table}_{slot} WHERE ctid OPERATOR(pg_catalog.=) ANY (ARRAY(
             SELECT ctid FROM reco.{table}_{slot} WHERE slot OPERATOR(pg_catalog.=) '{slot}'::pg_catalog.int2
               AND request_id OPERATOR(pg_catalog.<) $1 ORDER BY slot, request_id LIMIT {BATCH}))
         RETURNING 1"
    );
    let mut deleted = 0;
    loop {
        pause();
        let rows = connection.write(&sql, &[arg(before.uuid())])?.len() as i64;
        deleted += rows;
        if rows < BATCH {
            return Ok(deleted);
        }
    }
}

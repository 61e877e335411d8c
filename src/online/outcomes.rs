//! What came of each impression: clicked, dismissed, made a favourite, reviewed.
//!
//! Favourites and reviews are those that the site has now, with the caller's rights. Each is credited to one impression: the
//! last one of that item to that user before it, if that was not longer ago than `reco.attribution_window`. A click and a
//! dismissal have named theirs.
//!
//! Impressions are read from the latest to the earliest. So the first one that may have the credit for a favourite is the one
//! that gets it, and memory grows with favourites and reviews only, and with the feedback of a week.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use pgrx::datum::TimestampWithTimeZone;
use reco_models::more_entries;

use super::feedback::Event;
use super::request::{Period, RequestId};
use crate::failure::{Failure, Outcome};
use crate::pg::notice;
use crate::pg::owner::as_owner;
use crate::pg::session;
use crate::pg::spi::{Connection, Row, arg};
use crate::read::{Deed, Deeds};
use crate::settings;
use crate::site::Site;

/// Rows of one look at the cursor.
const BATCH: i64 = 10_000;
/// A favourite may be this much before its impression, in seconds: sites keep times in whole seconds.
const EARLY: f64 = -1.0;
/// Nothing is kept for longer: the highest value of `reco.keep_impressions`, and a week.
const LONGEST: f64 = 3657.0 * 86_400.0;

/// An item that was shown.
pub struct Impression {
    pub request: RequestId,
    pub user: i64,
    pub item: i64,
    /// Seconds since 1970.
    pub at: f64,
    /// In the time zone of the session: days since 2000.
    pub day: i32,
    pub rank: i32,
    pub propensity: Option<f32>,
    pub version: Option<i64>,
    pub source: String,
    pub surface: String,
    pub experiment: Option<String>,
    pub variant: Option<String>,
}

/// What came of it: the time of each, in seconds since 1970; of several the first.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Came {
    pub clicked: Option<f64>,
    pub dismissed: Option<f64>,
    /// Made a favourite.
    pub converted: Option<f64>,
    /// Reviewed.
    pub engaged: Option<f64>,
}

/// Impressions from a moment on, and before another, in seconds since 1970.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    pub since: f64,
    pub until: f64,
}

impl Span {
    /// # Errors
    /// 22023 where it ends before it begins.
    pub fn new(since: Option<TimestampWithTimeZone>, until: Option<TimestampWithTimeZone>) -> Outcome<Span> {
        let now = session::now() as f64;
        let since = since.map_or(f64::NEG_INFINITY, seconds).max(now - LONGEST);
        let until = until.map_or(f64::INFINITY, seconds).min(now + 1.0);
        if since > until {
            return Err(Failure::invalid("since must not be later than until")
                .detail("And nothing was shown in the future, nor longer ago than reco.keep_impressions can say."));
        }
        Ok(Span { since, until })
    }
}

fn seconds(at: TimestampWithTimeZone) -> f64 {
    session::seconds_since_1970(at.into_inner())
}

/// Whether the site says when its favourites and reviews were made. Where it does not, nobody knows what came of what.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    pub conversions: bool,
    pub engagements: bool,
}

/// Hands each impression of the span, the latest first, with what came of it to `each`, which must not read the site: it runs
/// as the extension's owner.
pub fn each(site: &Site<'_>, span: Span, mut each: impl FnMut(&Impression, Came) -> Outcome<()>) -> Outcome<Known> {
    let window = settings::attribution_window() as f64;
    // What is shown after the span may have the credit for what came after it too.
    let last = (span.until + window).min(session::now() as f64 + 1.0);
    let deeds = site.deeds(span.since, last)?;
    let known = Known { conversions: deeds.has_favorites, engagements: deeds.has_reviews };
    let mut progress = Progress::new();
    let mut credits = Credits { deeds: &deeds, is_taken: vec![false; deeds.len()], window };
    as_owner(|| {
        let mut period = Period::at(last);
        while period >= Period::at(span.since) {
            let feedback = feedback(site.connection, period)?;
            each_of(site.connection, period, last, |impression| {
                progress.count();
                if impression.at < span.since {
                    return Ok(());
                }
                let mut came = feedback.get(&(impression.request, impression.item)).copied().unwrap_or_default();
                credits.give(impression, &mut came);
                if impression.at < span.until { each(impression, came) } else { Ok(()) }
            })?;
            period = period.before();
        }
        Ok(())
    })?;
    Ok(known)
}

/// Tells every two seconds how far it is.
struct Progress {
    told: Instant,
    read: u64,
}

impl Progress {
    fn new() -> Self {
        Progress { told: Instant::now(), read: 0 }
    }

    fn count(&mut self) {
        self.read += 1;
        if self.read.is_multiple_of(BATCH as u64) && self.told.elapsed() > Duration::from_secs(2) {
            self.told = Instant::now();
            notice::say(&format!("{} impressions read", self.read));
        }
    }
}

/// Which impressions favourites and reviews are credited to.
struct Credits<'d> {
    deeds: &'d Deeds,
    is_taken: Vec<bool>,
    /// Seconds.
    window: f64,
}

impl Credits<'_> {
    fn give(&mut self, impression: &Impression, came: &mut Came) {
        for place in self.deeds.of(impression.user, impression.item) {
            let done = self.deeds.get(place);
            let age = done.at - impression.at;
            if self.is_taken[place] || !(EARLY..=self.window).contains(&age) {
                continue;
            }
            self.is_taken[place] = true;
            let to = match done.deed {
                Deed::Favorite => &mut came.converted,
                Deed::Review => &mut came.engaged,
            };
            *to = Some(to.map_or(done.at, |at| at.min(done.at)));
        }
    }
}

/// The feedback of a period, by request and item.
fn feedback(connection: &Connection, period: Period) -> Outcome<HashMap<(RequestId, i64), Came>> {
    let slot = period.slot();
    let sql = format!(
        "SELECT request_id, item_id, event, pg_catalog.date_part('epoch'::pg_catalog.text, at) FROM reco.feedback_{slot}
         WHERE slot OPERATOR(pg_catalog.=) $1 AND request_id OPERATOR(pg_catalog.>=) $2
           AND request_id OPERATOR(pg_catalog.<) $3"
    );
    let args = [arg(slot), arg(period.first().uuid()), arg(period.after().first().uuid())];
    let mut all: HashMap<(RequestId, i64), Came> = HashMap::new();
    connection.read_batches(&sql, &args, BATCH, |rows| {
        more_entries(&mut all, rows.len())?;
        for mut row in rows.iter() {
            let (request, item): (Option<pgrx::Uuid>, Option<i64>) = (row.take()?, row.take()?);
            let (event, at): (Option<String>, Option<f64>) = (row.take()?, row.take()?);
            let Some((request, item)) = request.zip(item) else { continue };
            let came = all.entry((RequestId::from_uuid(request), item)).or_default();
            match event.as_deref() {
                Some(event) if event == Event::Click.name() => came.clicked = at,
                _ => came.dismissed = at,
            }
        }
        Ok(())
    })?;
    Ok(all)
}

/// Impressions of a period that were shown before a moment, the latest first.
fn each_of(
    connection: &Connection,
    period: Period,
    last: f64,
    mut each: impl FnMut(&Impression) -> Outcome<()>,
) -> Outcome<()> {
    let slot = period.slot();
    let end = RequestId::lowest_at(last).min(period.after().first());
    let sql = format!(
        "SELECT request_id, user_id, item_id, pg_catalog.date_part('epoch'::pg_catalog.text, at),
                at::pg_catalog.date OPERATOR(pg_catalog.-) '2000-01-01'::pg_catalog.date, rank, propensity,
                model_version, source, surface, experiment, variant
         FROM reco.impression_{slot}
         WHERE slot OPERATOR(pg_catalog.=) $1 AND request_id OPERATOR(pg_catalog.>=) $2
           AND request_id OPERATOR(pg_catalog.<) $3 AND model_name OPERATOR(pg_catalog.=) $4
         ORDER BY slot DESC, request_id DESC"
    );
    let args = [arg(slot), arg(period.first().uuid()), arg(end.uuid()), arg(settings::model_name())];
    connection.read_batches(&sql, &args, BATCH, |rows| {
        for mut row in rows.iter() {
            if let Some(impression) = read(&mut row)? {
                each(&impression)?;
            }
        }
        Ok(())
    })
}

fn read(row: &mut Row<'_>) -> Outcome<Option<Impression>> {
    let (request, user, item): (Option<pgrx::Uuid>, _, _) = (row.take()?, row.take()?, row.take()?);
    let (at, day, rank): (Option<f64>, Option<i32>, Option<i32>) = (row.take()?, row.take()?, row.take()?);
    let (propensity, version) = (row.take()?, row.take()?);
    let (source, surface): (Option<String>, Option<String>) = (row.take()?, row.take()?);
    let (experiment, variant) = (row.take()?, row.take()?);
    let (Some(request), Some(user), Some(item), Some(at)) = (request, user, item, at) else { return Ok(None) };
    Ok(Some(Impression {
        request: RequestId::from_uuid(request),
        user,
        item,
        at,
        day: day.unwrap_or_default(),
        rank: rank.unwrap_or_default(),
        propensity,
        version,
        source: source.unwrap_or_default(),
        surface: surface.unwrap_or_default(),
        experiment,
        variant,
    }))
}

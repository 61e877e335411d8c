//! How far the data has moved away from the active model: what `reco_health` reports, and what alerts are raised from.

use std::collections::HashSet;

use crate::failure::Outcome;
use crate::pg::owner::as_owner;
use crate::pg::spi::{Connection, arg};
use crate::read::Event;
use crate::settings;
use crate::site::{Served, Site};
use crate::store::{self, Run};

/// Interactions since the training that are looked at; more are not counted.
pub const MOST_EVENTS: i64 = 100_000;
/// A model is stale when more than this share of the interactions is newer than it.
pub const STALE: f64 = 0.1;
/// The catalogue has changed too much when more than this share of the new interactions is with items that the model
/// does not know.
pub const DRIFTED: f64 = 0.2;

/// What happened since the training.
pub struct Movement {
    /// Interactions that the model was trained on, and those that are newer, up to [`MOST_EVENTS`].
    pub seen: i64,
    pub new: usize,
    /// Of the new ones: with an item that the model does not know.
    pub unknown_items: usize,
    /// Users of the new ones, and those of them that the model does not know.
    pub users: usize,
    pub unknown_users: usize,
    pub mean_stars: Option<f64>,
}

impl Movement {
    /// None where the caller may not read all interactions, reads others than the model was trained on, or where none has a
    /// time.
    pub fn measure(site: &Site<'_>, served: &Served, run: Option<&Run>) -> Outcome<Option<Movement>> {
        // Other tables could be used to ask whether the model knows a user.
        if !site.reads_what_was_trained_on() {
            return Ok(None);
        }
        let since = run.map_or(0.0, |run| run.at);
        let Some(events) = site.events(since, MOST_EVENTS)? else { return Ok(None) };
        let seen = run.map_or(0, |run| run.interactions);
        Movement::of(site.connection, served, seen, &events).map(Some)
    }

    fn of(connection: &Connection, served: &Served, seen: i64, events: &[Event]) -> Outcome<Movement> {
        let items = served.model.items();
        let unknown_items = events.iter().filter(|e| items.index(e.item).is_none()).count();
        let users: HashSet<i64> = events.iter().map(|e| e.user).collect();
        let known = store::known_users(connection, served.version, users.iter().copied().collect())?;
        let stars: Vec<f64> = events.iter().filter_map(|e| e.stars).map(f64::from).collect();
        let mean_stars = (!stars.is_empty()).then(|| stars.iter().sum::<f64>() / stars.len() as f64);
        let unknown_users = users.len().saturating_sub(known);
        Ok(Movement { seen, new: events.len(), unknown_items, users: users.len(), unknown_users, mean_stars })
    }

    /// The share of the interactions that are newer than the model.
    pub fn staleness(&self) -> f64 {
        self.new as f64 / (self.new as f64 + self.seen as f64).max(1.0)
    }

    pub fn is_stale(&self) -> bool {
        self.staleness() > STALE
    }

    pub fn has_drifted(&self) -> bool {
        self.new > 0 && self.unknown_items as f64 > DRIFTED * self.new as f64
    }

    pub fn stale_sentence(&self) -> String {
        format!("{:.0} % of the interactions are newer than the model: train again", 100.0 * self.staleness())
    }

    pub fn drift_sentence(&self) -> String {
        let Movement { new, unknown_items, .. } = self;
        format!("{unknown_items} of {new} new interactions are with items that the model does not know")
    }

    pub fn unknown_item_share(&self) -> Option<f64> {
        share(self.unknown_items, self.new)
    }

    pub fn unknown_user_share(&self) -> Option<f64> {
        share(self.unknown_users, self.users)
    }
}

fn share(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// A figure that takes too long for each look of a monitor, as it was measured last.
pub struct Signal {
    pub model: String,
    pub name: String,
    pub value: f64,
    /// Seconds since it was measured.
    pub age: f64,
}

/// Keeps the figures of the name that `reco.model` sets; one without a value is forgotten.
pub fn keep(connection: &Connection, figures: &[(&str, Option<f64>)]) -> Outcome<()> {
    as_owner(|| {
        for (name, value) in figures {
            let of = || [arg(settings::model_name()), arg((*name).to_owned())];
            let Some(value) = value else {
                let sql = "DELETE FROM reco.signal WHERE model_name OPERATOR(pg_catalog.=) $1
                           AND name OPERATOR(pg_catalog.=) $2";
                connection.write(sql, &of())?;
                continue;
            };
            let [model, name] = of();
            connection.write(
                "INSERT INTO reco.signal (model_name, name, value, measured_at)
                 VALUES ($1, $2, $3, pg_catalog.clock_timestamp())
                 ON CONFLICT (model_name, name)
                 DO UPDATE SET value = excluded.value, measured_at = excluded.measured_at",
                &[model, name, arg(*value)],
            )?;
        }
        Ok(())
    })
}

/// Of all names.
pub fn kept(connection: &Connection) -> Outcome<Vec<Signal>> {
    as_owner(|| {
        let rows = connection.read(
            "SELECT model_name, name, value,
                 pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) measured_at)
             FROM reco.signal ORDER BY model_name, name",
            &[],
        )?;
        let signals = rows.iter().map(|mut row| {
            Ok(Signal {
                model: row.take()?.unwrap_or_default(),
                name: row.take()?.unwrap_or_default(),
                value: row.take()?.unwrap_or_default(),
                age: row.take()?.unwrap_or_default(),
            })
        });
        signals.collect()
    })
}

//! `reco_health`: what a monitor asks, in one object.

use std::collections::HashSet;

use pgrx::prelude::*;
use serde_json::{Map, Value, json};

use crate::cache::{self, Storage};
use crate::failure::{Outcome, or_raise};
use crate::pg::spi::{self, Connection};
use crate::read::Event;
use crate::settings;
use crate::site::{Served, Site};
use crate::store::{self, ModelKey, Run};

/// Interactions since the training that are looked at; more are not counted.
const MOST_EVENTS: i64 = 100_000;
/// A model is stale when more than this share of the interactions is newer than it.
const STALE: f64 = 0.1;
/// The catalogue has changed too much when more than this share of the new interactions is with items that the model
/// does not know.
const DRIFTED: f64 = 0.2;

/// The active model, how much the data has changed since, what is missing, and the last training.
#[pg_extern(stable, parallel_restricted)]
fn reco_health() -> pgrx::JsonB {
    pgrx::JsonB(or_raise(spi::connect(health)))
}

fn health(connection: &Connection) -> Outcome<Value> {
    let site = Site::open(connection)?;
    let mut report = Report::default();
    report.sources(&site)?;
    if let Err(failure) = site.check_name() {
        report.attend(failure.message());
    }
    report.add("enabled", json!(settings::enabled()));
    if !settings::enabled() {
        report.attend("reco.enabled is off: the rules answer");
    }
    match site.active {
        Some(key) => report.model(&site, key)?,
        None => {
            report.add("model", Value::Null);
            report.attend("there is no active model: SELECT * FROM reco_train();");
        }
    }
    report.add("last_run", summary(store::run(connection, None)?.as_ref()));
    Ok(report.finish())
}

fn summary(run: Option<&Run>) -> Value {
    run.map_or(Value::Null, |run| run.summary.clone())
}

#[derive(Default)]
struct Report {
    values: Map<String, Value>,
    attention: Vec<String>,
}

impl Report {
    fn add(&mut self, name: &str, value: Value) {
        self.values.insert(name.into(), value);
    }

    /// Reports something that needs to be acted on.
    fn attend(&mut self, to: &str) {
        self.attention.push(to.into());
    }

    fn finish(mut self) -> Value {
        let status = if self.attention.is_empty() { "ok" } else { "attention" };
        self.add("status", json!(status));
        let attention = std::mem::take(&mut self.attention);
        self.add("attention", json!(attention));
        Value::Object(self.values)
    }

    fn sources(&mut self, site: &Site<'_>) -> Outcome<()> {
        let (mut sources, mut indexes) = (Vec::new(), Vec::new());
        for (kind, table) in site.mapping.noteworthy() {
            match table {
                Ok(table) => {
                    indexes.extend(site.missing_indexes(table)?.into_iter().map(|missing| missing.statement));
                    // Of a detected table this is how the site is; of a configured one something broke.
                    if table.configured {
                        let unreadable = site.unreadable_times(table)?;
                        for problem in table.unusable.iter().chain(&unreadable) {
                            self.attend(&format!("{}: {problem}", kind.name));
                        }
                    }
                }
                Err(problem) => sources.push(format!("{}: {problem}", kind.name)),
            }
        }
        if let Err(failure) = site.mapping.check() {
            self.attend(failure.message());
        }
        site.lost().iter().for_each(|lost| self.attend(&lost.sentence()));
        indexes.iter().for_each(|statement| self.attend(&format!("every score reads a whole table: {statement}")));
        self.add("missing_sources", json!(sources));
        self.add("missing_indexes", json!(indexes));
        Ok(())
    }

    fn cache(&mut self, storage: Storage) {
        let described = match storage {
            Storage::Shared { path, bytes } => json!({"place": "shared file", "path": path, "bytes": bytes}),
            Storage::Private => {
                self.attend("the model is not shared, each connection holds a copy: see the server's log");
                json!({"place": "private memory"})
            }
        };
        self.add("cache", described);
    }

    fn model(&mut self, site: &Site<'_>, key: ModelKey) -> Outcome<()> {
        let run = store::run(site.connection, Some(key.version))?;
        self.add("model", summary(run.as_ref()));
        match site.active_model() {
            Ok(Some(served)) => {
                self.cache(cache::storage(key));
                self.movement(site, &served, run.as_ref())
            }
            Ok(None) => {
                self.attend(&site.is_foreign().unwrap_or_default());
                ["cache", "staleness", "drift"].into_iter().for_each(|name| self.add(name, Value::Null));
                Ok(())
            }
            Err(failure) => {
                self.attend(&format!("model {} cannot be served: {}", key.version, failure.message()));
                self.add("cache", Value::Null);
                Ok(())
            }
        }
    }

    /// What happened since the training.
    fn movement(&mut self, site: &Site<'_>, served: &Served, run: Option<&Run>) -> Outcome<()> {
        let since = run.map_or(0.0, |run| run.at);
        // Other tables could be used to ask whether the model knows a user.
        let comparable = site.reads_what_was_trained_on();
        let events = if comparable { site.events(since, MOST_EVENTS)? } else { None };
        let Some(events) = events else {
            self.add("staleness", Value::Null);
            self.add("drift", Value::Null);
            return Ok(());
        };
        self.staleness(events.len(), run.map_or(0, |run| run.interactions));
        self.drift(site, served, &events)
    }

    /// How many interactions the model has not seen.
    fn staleness(&mut self, new: usize, seen: i64) {
        let share = new as f64 / (new as f64 + seen as f64).max(1.0);
        if share > STALE {
            self.attend(&format!("{:.0} % of the interactions are newer than the model: train again", 100.0 * share));
        }
        self.add(
            "staleness",
            json!({"interactions_seen": seen, "interactions_since": new, "more": new as i64 >= MOST_EVENTS, "share": share}),
        );
    }

    /// Whether the new interactions are of the kind that the model has seen.
    fn drift(&mut self, site: &Site<'_>, served: &Served, events: &[Event]) -> Outcome<()> {
        let of = |count: usize, all: usize| if all == 0 { Value::Null } else { json!(count as f64 / all as f64) };
        let (new, items) = (events.len(), served.model.items());
        let unknown = events.iter().filter(|e| items.index(e.item).is_none()).count();
        let users: HashSet<i64> = events.iter().map(|e| e.user).collect();
        let known = store::known_users(site.connection, served.version, users.iter().copied().collect())?;
        let stars: Vec<f64> = events.iter().filter_map(|e| e.stars).map(f64::from).collect();
        let mean = (!stars.is_empty()).then(|| stars.iter().sum::<f64>() / stars.len() as f64);
        if new > 0 && unknown as f64 > DRIFTED * new as f64 {
            self.attend(&format!("{unknown} of {new} new interactions are with items that the model does not know"));
        }
        self.add(
            "drift",
            json!({
                "unknown_items": of(unknown, new),
                "unknown_users": of(users.len().saturating_sub(known), users.len()),
                "mean_stars": mean,
                "mean_stars_seen": items.mean_stars(),
            }),
        );
        Ok(())
    }
}

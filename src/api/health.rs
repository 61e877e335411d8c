//! `reco_health`: what a monitor asks, in one object.

use std::collections::HashSet;

use pgrx::prelude::*;
use serde_json::{Map, Value, json};

use super::reader::Served;
use crate::cache::{self, Place};
use crate::failure::{Outcome, or_raise};
use crate::pg::spi::{self, Connection};
use crate::read::mapping::{self, Mapping, SOURCES};
use crate::read::{index, recent};
use crate::settings;
use crate::store::{self, Run};

/// Interactions since the training that are looked at; more are not counted.
const MOST_EVENTS: i64 = 100_000;
/// A model that has not seen so large a share of the interactions should be trained again.
const STALE: f64 = 0.1;
/// So large a share of the new interactions with items that the model does not know means that the catalogue moved on.
const DRIFTED: f64 = 0.2;

/// The active model, how far the data has moved on since, what is missing, and the last training.
#[pg_extern(stable, parallel_restricted)]
fn reco_health() -> pgrx::JsonB {
    pgrx::JsonB(or_raise(spi::connect(health)))
}

fn health(connection: &Connection) -> Outcome<Value> {
    let active = store::active(connection)?;
    let mapping = mapping::resolve(connection, active.revision)?;
    let mut report = Report::default();
    report.sources(connection, &mapping)?;
    report.add("enabled", json!(settings::enabled()));
    if !settings::enabled() {
        report.attend("reco.enabled is off: the rules answer");
    }
    match active.model {
        Some(key) => {
            let run = store::run(connection, Some(key.0))?;
            report.add("model", summary(run.as_ref()));
            match cache::model(connection, key) {
                Ok(model) => {
                    report.cache(cache::place(key));
                    let served = Served { version: key.0, model };
                    report.movement(connection, &mapping, &served, run.as_ref())?;
                }
                Err(failure) => {
                    report.attend(&format!("model {} cannot be served: {}", key.0, failure.message()));
                    report.add("cache", Value::Null);
                }
            }
        }
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

    /// Something that somebody should do something about.
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

    fn sources(&mut self, connection: &Connection, mapping: &Mapping) -> Outcome<()> {
        let (mut sources, mut indexes) = (Vec::new(), Vec::new());
        for (source, kind) in SOURCES.iter().enumerate() {
            sources.extend(mapping.problem(source).map(|problem| format!("{}: {problem}", kind.name)));
            indexes.extend(index::missing(connection, mapping, source)?);
        }
        if let Err(failure) = mapping.check() {
            self.attend(failure.message());
        }
        indexes.iter().for_each(|statement| self.attend(&format!("every score reads a whole table: {statement}")));
        self.add("missing_sources", json!(sources));
        self.add("missing_indexes", json!(indexes));
        Ok(())
    }

    fn cache(&mut self, place: Place) {
        let described = match place {
            Place::Shared { path, bytes } => json!({"place": "shared file", "path": path, "bytes": bytes}),
            Place::Private => {
                self.attend("the model is not shared, each connection holds a copy: see the server's log");
                json!({"place": "private memory"})
            }
        };
        self.add("cache", described);
    }

    /// How many interactions the model has not seen, and whether they are of the kind that it has.
    fn movement(
        &mut self,
        connection: &Connection,
        mapping: &Mapping,
        served: &Served,
        run: Option<&Run>,
    ) -> Outcome<()> {
        let since = run.map_or(0.0, |run| run.at);
        let seen = run.map_or(0, |run| run.interactions);
        let Some(events) = recent::events(connection, mapping, since, MOST_EVENTS)? else {
            self.add("staleness", Value::Null);
            self.add("drift", Value::Null);
            return Ok(());
        };
        let new = events.len();
        let share = new as f64 / (new as f64 + seen as f64).max(1.0);
        if share > STALE {
            self.attend(&format!("{:.0} % of the interactions are newer than the model: train again", 100.0 * share));
        }
        self.add(
            "staleness",
            json!({"interactions_seen": seen, "interactions_since": new, "more": new as i64 >= MOST_EVENTS, "share": share}),
        );
        let of = |count: usize, all: usize| if all == 0 { Value::Null } else { json!(count as f64 / all as f64) };
        let items = &served.model.items();
        let unknown = events.iter().filter(|e| items.index(e.item).is_none()).count();
        let readers: HashSet<i64> = events.iter().map(|e| e.user).collect();
        let known = store::known_users(connection, served.version, readers.iter().copied().collect())?;
        let stars: Vec<f64> = events.iter().filter_map(|e| e.stars).map(f64::from).collect();
        let mean = (!stars.is_empty()).then(|| stars.iter().sum::<f64>() / stars.len() as f64);
        if new > 0 && unknown as f64 > DRIFTED * new as f64 {
            self.attend(&format!("{unknown} of {new} new interactions are with items that the model does not know"));
        }
        self.add(
            "drift",
            json!({
                "unknown_items": of(unknown, new),
                "unknown_users": of(readers.len().saturating_sub(known), readers.len()),
                "mean_stars": mean,
                "mean_stars_seen": items.mean_stars(),
            }),
        );
        Ok(())
    }
}

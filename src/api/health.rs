//! `reco_health`: what a monitor asks, in one object.

use pgrx::prelude::*;
use serde_json::{Map, Value, json};

use crate::cache::{self, Storage};
use crate::failure::{Outcome, or_raise};
use crate::online::alert::{self, Kind};
use crate::online::experiment;
use crate::online::signals::{MOST_EVENTS, Movement};
use crate::pg::spi::{self, Connection};
use crate::settings;
use crate::site::{Served, Site};
use crate::store::{self, ModelKey, Run};

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
    experiment::outliving(connection)?.iter().for_each(|text| report.attend(text));
    report.alerts(connection)?;
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
        let Some(movement) = Movement::measure(site, served, run)? else {
            self.add("staleness", Value::Null);
            self.add("drift", Value::Null);
            return Ok(());
        };
        if movement.is_stale() {
            self.attend(&movement.stale_sentence());
        }
        let Movement { seen, new, mean_stars, .. } = movement;
        self.add(
            "staleness",
            json!({"interactions_seen": seen, "interactions_since": new, "more": new as i64 >= MOST_EVENTS, "share": movement.staleness()}),
        );
        if movement.has_drifted() {
            self.attend(&movement.drift_sentence());
        }
        self.add(
            "drift",
            json!({
                "unknown_items": movement.unknown_item_share(),
                "unknown_users": movement.unknown_user_share(),
                "mean_stars": mean_stars,
                "mean_stars_seen": served.model.items().mean_stars(),
            }),
        );
        Ok(())
    }

    /// What was found when somebody looked last; what the report itself looks at it has said already.
    fn alerts(&mut self, connection: &Connection) -> Outcome<()> {
        let open = alert::open(connection)?;
        let told = [Kind::StaleModel.name(), Kind::Drift.name()];
        open.iter().filter(|alert| !told.contains(&alert.kind.as_str())).for_each(|alert| self.attend(&alert.message));
        let shown = |alert: alert::Open| {
            json!({"kind": alert.kind, "subject": alert.subject, "message": alert.message,
            "detail": alert.detail, "raised_at": alert.raised_at})
        };
        self.add("alerts", open.into_iter().map(shown).collect());
        Ok(())
    }
}

//! The look at everything that alerts are raised for.

use serde_json::json;

use super::alert::{self, Finding, Kind};
use super::counters::{self, Day};
use super::experiment;
use super::signals::{self, Movement};
use super::training;
use crate::failure::Outcome;
use crate::pg::session;
use crate::pg::spi::Connection;
use crate::settings;
use crate::site::Site;
use crate::store;

/// The rules answer too often when they answer more than this share of a day's calls.
const TOO_OFTEN: f64 = 0.05;
/// Fewer calls say nothing of a share.
const ENOUGH_CALLS: u64 = 100;

/// Measures, keeps the figures, and raises and closes alerts.
pub fn check(connection: &Connection) -> Outcome<()> {
    let mut found = Vec::new();
    let site = Site::open(connection)?;
    let movement = match site.active {
        None => {
            found.push(finding(
                Kind::StaleModel,
                "there is no active model: SELECT * FROM reco_train();".into(),
                json!({}),
            ));
            None
        }
        Some(key) => match site.active_model()? {
            Some(served) => {
                let known = served.model.items().id.len();
                let size = site.catalogue_size()?.filter(|size| *size > 0);
                let coverage = size.map(|size| (known as f64 / size as f64).min(1.0));
                signals::keep(connection, &[("catalogue_coverage", coverage)])?;
                Movement::measure(&site, &served, store::run(connection, Some(key.version))?.as_ref())?
            }
            None => {
                found.push(finding(Kind::StaleModel, site.is_foreign().unwrap_or_default(), json!({})));
                None
            }
        },
    };
    let of = |figure: fn(&Movement) -> Option<f64>| movement.as_ref().and_then(figure);
    signals::keep(
        connection,
        &[
            ("stale_interactions", of(|m| Some(m.staleness()))),
            ("unknown_items", of(Movement::unknown_item_share)),
            ("unknown_users", of(Movement::unknown_user_share)),
        ],
    )?;
    if let Some(movement) = &movement {
        let detail = json!({"interactions_seen": movement.seen, "interactions_since": movement.new});
        if movement.is_stale() {
            found.push(finding(Kind::StaleModel, movement.stale_sentence(), detail.clone()));
        }
        if movement.has_drifted() {
            found.push(finding(Kind::Drift, movement.drift_sentence(), detail));
        }
    }
    found.extend(fallbacks());
    found.extend(training::trouble(connection)?);
    found.extend(experiment::check(connection)?);
    alert::settle(connection, &Kind::ALL, &found)
}

fn finding(kind: Kind, message: String, detail: serde_json::Value) -> Finding {
    Finding { kind, subject: String::new(), message, detail }
}

/// Of all names, because calls are counted together.
fn fallbacks() -> Option<Finding> {
    let (database, _) = counters::counted()?;
    let Day { calls, by_rules, .. } = database.day(session::clock());
    let share = by_rules as f64 / calls.max(1) as f64;
    (calls >= ENOUGH_CALLS && share > TOO_OFTEN).then(|| {
        let why = if settings::enabled() { "" } else { ", and reco.enabled is off here" };
        let message = format!("the rules answered {by_rules} of the {calls} calls of the last 24 hours{why}");
        finding(Kind::FallbackRate, message, json!({"calls": calls, "by_rules": by_rules, "share": share}))
    })
}

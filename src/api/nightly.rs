//! `reco_nightly`: what a site does once a day, in one call. And `reco_check`, its look at what needs attention, which may be
//! taken more often.

use std::time::Instant;

use pgrx::AnyElement;
use pgrx::prelude::*;
use reco_models::Params;
use serde_json::Value;

use super::names;
use super::train::{given, train_named};
use crate::failure::{Failure, Outcome, or_raise};
use crate::online::{alert, check, fingerprint, retention};
use crate::pg::notice;
use crate::pg::session::{self, refuse_read_only};
use crate::pg::spi::{self, Connection};
use crate::pg::subtransaction::attempt;
use crate::settings;
use crate::store;
use crate::store::journal::{self, Begun, Ended};

/// The option that trains though nothing has changed.
const ALWAYS: &str = "always";

/// The outcome of a run that had nothing to do.
const SKIPPED: &str = "skipped";

/// Outcome, reason, version, whether it is served, seconds.
type Night = (String, String, Option<i64>, Option<bool>, f32);

/// Trains if something has changed, keeps the tables small, and looks at what needs attention.
// By hand, because pgrx declares what it reads as jsonb: see `json`.
#[pg_extern(sql = r#"
CREATE FUNCTION reco_nightly(options jsonb DEFAULT '{}') RETURNS TABLE (
    outcome text, reason text, model_version bigint, promoted boolean, seconds real)
LANGUAGE c AS 'MODULE_PATHNAME', '@FUNCTION_NAME@';
"#)]
#[allow(clippy::type_complexity)]
fn reco_nightly(
    options: Option<AnyElement>,
) -> TableIterator<
    'static,
    (
        name!(outcome, String),
        name!(reason, String),
        name!(model_version, Option<i64>),
        name!(promoted, Option<bool>),
        name!(seconds, f32),
    ),
> {
    TableIterator::once(or_raise(given(options).and_then(nightly)))
}

/// Options of a night, checked: the model's name, those of its training, and whether to train in any case.
pub fn checked(options: &Value) -> Outcome<(String, Value, bool)> {
    let (name, mut others) = names::of_training(options)?;
    let always = match others.as_object_mut().and_then(|map| map.remove(ALWAYS)) {
        None => false,
        Some(Value::Bool(always)) => always,
        Some(other) => return Err(Failure::invalid(format!("option \"{ALWAYS}\" must be true or false, not {other}"))),
    };
    Params::from_json(&others)?.validate()?;
    Ok((name, others, always))
}

fn nightly(options: Value) -> Outcome<Night> {
    refuse_read_only(c"reco_nightly()");
    let (name, others, always) = checked(&options)?;
    session::with_setting(settings::MODEL_NAME, &name, || {
        let begun = Instant::now();
        let (outcome, reason, version, promoted) = train_if_changed(options, &others, always)?;
        session::seeing_own_writes(|| {
            spi::connect(|connection| {
                check::check(connection)?;
                let expired = retention::apply(connection)?.rows();
                if expired > 0 {
                    notice::say(&format!("{expired} rows of what was shown, and of what came of it, have expired"));
                }
                Outcome::Ok(())
            })
        })?;
        Ok((outcome, reason, version, promoted, begun.elapsed().as_secs_f64() as f32))
    })
}

fn train_if_changed(
    options: Value,
    others: &Value,
    always: bool,
) -> Outcome<(String, String, Option<i64>, Option<bool>)> {
    // Before anything is read: what is written meanwhile is a change of the next night.
    let now = attempt(|| spi::connect(fingerprint::take)).unwrap_or_else(|failure| {
        notice::say(&format!("what has changed cannot be told: {}", failure.message()));
        None
    });
    if !always && let Some(unchanged) = spi::connect(|connection| unchanged(connection, others, now.as_ref()))? {
        spi::connect(|connection| note_skipped(connection, &options, &unchanged))?;
        return Ok((SKIPPED.into(), unchanged, None, None));
    }
    // A training that fails must not take the rest of the night with it.
    match attempt(|| train_named("nightly", options, others)) {
        Ok((version, promoted, reason, ..)) => {
            if let Some(now) = now {
                spi::connect(|connection| fingerprint::keep(connection, others, &now, version))?;
            }
            let outcome = if promoted { "trained" } else { "kept" };
            Ok((outcome.into(), reason, Some(version), Some(promoted)))
        }
        Err(failure) => {
            let ended = Ended::failed(&failure);
            if ended.outcome == "cancelled" {
                return Err(failure);
            }
            notice::warn(failure.message(), "The rest of the night went on: see reco_runs() and reco_health().");
            Ok((ended.outcome.into(), failure.text(), None, None))
        }
    }
}

/// Why there is nothing to train on; None where there is.
fn unchanged(connection: &Connection, options: &Value, now: Option<&Value>) -> Outcome<Option<String>> {
    let (Some(now), Some(before)) = (now, fingerprint::before(connection, options)?) else { return Ok(None) };
    if store::active(connection)?.model.is_none() {
        return Ok(None);
    }
    let changes = before.changes(now);
    if changes.is_empty() {
        return Ok(Some(format!("nothing has changed since model {} was trained at {}", before.version, before.at)));
    }
    notice::say(&format!("changed since model {}: {}", before.version, changes.join(", ")));
    Ok(None)
}

fn note_skipped(connection: &Connection, options: &Value, why: &str) -> Outcome<()> {
    let (user, role) = (session::session_user(), session::role_name(session::user()));
    let begun = Begun {
        id: journal::next_run(connection)?,
        kind: "nightly",
        background: false,
        model: &settings::model_name(),
        started_by: &user,
        role: &role,
        options,
        pid: session::pid(),
        handle: 0,
    };
    journal::skip(connection, &begun, why)
}

/// Looks at everything that alerts are raised for, and gives those that are open.
#[pg_extern]
#[allow(clippy::type_complexity)]
fn reco_check() -> TableIterator<
    'static,
    (
        name!(kind, String),
        name!(subject, String),
        name!(message, String),
        name!(detail, pgrx::JsonB),
        name!(raised_at, Option<TimestampWithTimeZone>),
    ),
> {
    refuse_read_only(c"reco_check()");
    let open = or_raise(spi::connect(|connection| {
        check::check(connection)?;
        alert::open_now(connection)
    }));
    let rows = open
        .into_iter()
        .map(|alert| (alert.kind, alert.subject, alert.message, pgrx::JsonB(alert.detail), alert.raised_at));
    TableIterator::new(rows.collect::<Vec<_>>())
}

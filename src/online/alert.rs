//! What needs somebody's attention, as rows of `reco.alert`: raised once, closed when it is gone, and announced both times.

use pgrx::JsonB;
use serde_json::{Value, json};

use super::announce::announce;
use crate::failure::Outcome;
use crate::pg::owner::as_owner;
use crate::pg::spi::{Connection, Rows, arg};
use crate::settings;

/// What an alert is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The latest training failed, or was refused.
    Training,
    /// Too much of the data is newer than the model, or there is no model.
    StaleModel,
    /// The rules answer too often.
    FallbackRate,
    /// The data is no longer of the kind that the model has seen.
    Drift,
    /// Users did not fall on the variants of an experiment as they should have.
    SampleRatio,
    /// A variant did harm, and its experiment was ended.
    Guardrail,
}

impl Kind {
    pub const ALL: [Kind; 6] =
        [Kind::Training, Kind::StaleModel, Kind::FallbackRate, Kind::Drift, Kind::SampleRatio, Kind::Guardrail];

    pub fn name(self) -> &'static str {
        match self {
            Kind::Training => "training",
            Kind::StaleModel => "stale_model",
            Kind::FallbackRate => "fallback_rate",
            Kind::Drift => "drift",
            Kind::SampleRatio => "sample_ratio",
            Kind::Guardrail => "guardrail",
        }
    }
}

/// Something that was found. The message is shown to everybody: it holds no data of the sources.
pub struct Finding {
    pub kind: Kind,
    /// What of its kind it is about; empty where there can be only one.
    pub subject: String,
    pub message: String,
    pub detail: Value,
}

/// Days that a closed alert is kept.
const KEPT_DAYS: i32 = 90;

/// Raises what was found of the kinds that were looked at and is not open yet, and closes what is open of them and was not
/// found, all under the name that `reco.model` sets.
pub fn settle(connection: &Connection, looked_at: &[Kind], found: &[Finding]) -> Outcome<()> {
    let name = settings::model_name();
    let closed = as_owner(|| close(connection, &name, looked_at, found))?;
    for (kind, subject, message) in closed {
        announce_one(connection, "closed", (&name, &kind, &subject, &message))?;
    }
    for finding in found {
        if as_owner(|| raise(connection, &name, finding))? {
            let Finding { kind, subject, message, .. } = finding;
            announce_one(connection, "raised", (&name, kind.name(), subject, message))?;
        }
    }
    Ok(())
}

fn announce_one(
    connection: &Connection,
    state: &str,
    (name, kind, subject, message): (&str, &str, &str, &str),
) -> Outcome<()> {
    let event = json!({
        "event": "alert", "state": state, "model": name, "kind": kind, "subject": subject, "message": message,
    });
    announce(connection, event)
}

fn close(
    connection: &Connection,
    name: &str,
    looked_at: &[Kind],
    found: &[Finding],
) -> Outcome<Vec<(String, String, String)>> {
    let kinds: Vec<String> = looked_at.iter().map(|kind| kind.name().to_owned()).collect();
    let still: Vec<String> =
        found.iter().map(|finding| format!("{} {}", finding.kind.name(), finding.subject)).collect();
    let rows = connection.write(
        "UPDATE reco.alert SET closed_at = pg_catalog.clock_timestamp()
         WHERE model_name OPERATOR(pg_catalog.=) $1 AND closed_at IS NULL AND kind OPERATOR(pg_catalog.=) ANY ($2)
           AND pg_catalog.concat(kind, ' ', subject) OPERATOR(pg_catalog.<>) ALL ($3)
         RETURNING kind, subject, message",
        &[arg(name.to_owned()), arg(kinds), arg(still)],
    )?;
    let closed = rows
        .iter()
        .map(|mut row| {
            Ok((row.take()?.unwrap_or_default(), row.take()?.unwrap_or_default(), row.take()?.unwrap_or_default()))
        })
        .collect::<Outcome<_>>()?;
    connection.write(
        "DELETE FROM reco.alert WHERE closed_at OPERATOR(pg_catalog.<)
             (pg_catalog.now() OPERATOR(pg_catalog.-) pg_catalog.make_interval(days => $1))",
        &[arg(KEPT_DAYS)],
    )?;
    Ok(closed)
}

/// Whether it is new; else the open one is brought up to date.
fn raise(connection: &Connection, name: &str, finding: &Finding) -> Outcome<bool> {
    let Finding { kind, subject, message, detail } = finding;
    let args = || {
        let [name, kind, subject, message] = [name, kind.name(), subject, message].map(|text| arg(text.to_owned()));
        [name, kind, subject, message, arg(JsonB(detail.clone()))]
    };
    let known = connection.write(
        "UPDATE reco.alert SET message = $4, detail = $5, seen_at = pg_catalog.clock_timestamp()
         WHERE model_name OPERATOR(pg_catalog.=) $1 AND kind OPERATOR(pg_catalog.=) $2
           AND subject OPERATOR(pg_catalog.=) $3 AND closed_at IS NULL
         RETURNING true",
        &args(),
    )?;
    if !known.is_empty() {
        return Ok(false);
    }
    // Another session may raise it at the same moment.
    let raised = connection.write(
        "INSERT INTO reco.alert (model_name, kind, subject, message, detail, raised_at, seen_at)
         VALUES ($1, $2, $3, $4, $5, pg_catalog.clock_timestamp(), pg_catalog.clock_timestamp())
         ON CONFLICT DO NOTHING RETURNING true",
        &args(),
    )?;
    Ok(!raised.is_empty())
}

/// An alert that is open.
pub struct Open {
    pub kind: String,
    pub subject: String,
    pub message: String,
    pub detail: Value,
    pub raised_at: Option<pgrx::datum::TimestampWithTimeZone>,
}

/// Those of the name that `reco.model` sets, the oldest first.
pub fn open(connection: &Connection) -> Outcome<Vec<Open>> {
    as_owner(|| read(&connection.read(OPEN, &[arg(settings::model_name())])?))
}

/// As [`open`], with what this statement has changed.
pub fn open_now(connection: &Connection) -> Outcome<Vec<Open>> {
    as_owner(|| read(&connection.write(OPEN, &[arg(settings::model_name())])?))
}

const OPEN: &str = "
    SELECT kind, subject, message, detail, raised_at FROM reco.alert
    WHERE model_name OPERATOR(pg_catalog.=) $1 AND closed_at IS NULL ORDER BY raised_at, kind, subject";

fn read(rows: &Rows<'_>) -> Outcome<Vec<Open>> {
    let open = rows.iter().map(|mut row| {
        Ok(Open {
            kind: row.take()?.unwrap_or_default(),
            subject: row.take()?.unwrap_or_default(),
            message: row.take()?.unwrap_or_default(),
            detail: row.take::<JsonB>()?.map_or(Value::Null, |JsonB(detail)| detail),
            raised_at: row.take()?,
        })
    });
    open.collect()
}

//! The records of past trainings, for a report.

use serde_json::Value;

use crate::failure::Outcome;
use crate::pg::owner::as_owner;
use crate::pg::spi::{Connection, arg};
use crate::settings;

/// A training that ended with a model.
pub struct Run {
    /// When the model was stored, in seconds since 1970.
    pub at: f64,
    pub interactions: i64,
    /// As the report shows it: version, time, age, decision and figures.
    pub summary: Value,
}

/// The training of a model; without a version, the latest one of the name that `reco.model` sets.
pub fn run(connection: &Connection, version: Option<i64>) -> Outcome<Option<Run>> {
    let sql = "SELECT pg_catalog.date_part('epoch', created_at), interactions, pg_catalog.jsonb_build_object(
                   'version', version, 'name', name, 'trained_at', created_at, 'trained_by', created_by,
                   'age_seconds', pg_catalog.date_part('epoch', pg_catalog.now() OPERATOR(pg_catalog.-) created_at),
                   'promoted', promoted, 'reason', reason, 'ndcg_at_10', ndcg_at_10, 'seconds', seconds,
                   'skipped', skipped)
               FROM reco.model
               WHERE $1 IS NULL AND name OPERATOR(pg_catalog.=) $2 OR version OPERATOR(pg_catalog.=) $1
               ORDER BY version DESC LIMIT 1";
    as_owner(|| {
        let rows = connection.read(sql, &[arg(version), arg(settings::model_name())])?;
        let Some(mut row) = rows.first() else { return Ok(None) };
        let (at, interactions) = (row.take()?, row.take()?);
        let summary = row.take::<pgrx::JsonB>()?.map_or(Value::Null, |json| json.0);
        Ok(at.zip(interactions).map(|(at, interactions)| Run { at, interactions, summary }))
    })
}

/// How many of the users have a vector in a model.
pub fn known_users(connection: &Connection, version: i64, users: Vec<i64>) -> Outcome<usize> {
    let sql = "SELECT pg_catalog.count(*) FROM reco.user_factor
               WHERE model_version OPERATOR(pg_catalog.=) $1 AND user_id OPERATOR(pg_catalog.=) ANY ($2)";
    let known: Option<i64> = as_owner(|| connection.read(sql, &[arg(version), arg(users)])?.single())?;
    Ok(known.unwrap_or(0) as usize)
}

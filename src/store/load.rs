//! Reading models. Everything here runs as the extension's owner, under the caller's snapshot.

use pgrx::prelude::*;
use std::collections::HashMap;
use std::sync::Arc;

use reco_models::{Bytes, Champion, HeldOut, Key, Model, room};
use serde_json::Value;

use crate::failure::{Failure, Outcome};
use crate::pg::memory::scoped;
use crate::pg::owner::as_owner;
use crate::pg::spi::{Connection, arg};
use crate::settings;
use crate::store::registry::no_model;

/// Names a model: no two have the same version and hash of the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModelKey {
    pub version: i64,
    pub hash: i64,
}

/// What the caller's snapshot says is to be served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Active {
    pub model: Option<ModelKey>,
    /// The relation that each source was when the model was trained.
    pub trained_on: Option<Value>,
    /// Of each configured source; no two of all that ever were have the same.
    pub revisions: Vec<i64>,
}

/// Of the name that `reco.model` sets. In one look-up, so that model and mapping are of one snapshot.
pub fn active(connection: &Connection) -> Outcome<Active> {
    as_owner(|| {
        let rows = connection.read(
            "SELECT m.version, m.content_hash, m.sources, r.revisions
             FROM (SELECT pg_catalog.array_agg(revision) AS revisions FROM reco.source
                   WHERE model_name OPERATOR(pg_catalog.=) $1) r
             LEFT JOIN (SELECT version FROM reco.activation
                        WHERE model_name OPERATOR(pg_catalog.=) $1 AND rolled_back_at IS NULL
                        ORDER BY id DESC LIMIT 1) a ON true
             LEFT JOIN reco.model m ON m.version OPERATOR(pg_catalog.=) a.version",
            &[arg(settings::model_name())],
        )?;
        let Some(mut row) = rows.first() else {
            return Ok(Active { model: None, trained_on: None, revisions: Vec::new() });
        };
        let (version, hash, sources, revisions) = (row.take()?, row.take()?, row.take()?, row.take()?);
        let model = version.zip(hash).map(|(version, hash)| ModelKey { version, hash });
        let trained_on = sources.map(|pgrx::JsonB(sources)| sources);
        Ok(Active { model, trained_on, revisions: revisions.unwrap_or_default() })
    })
}

/// The bytes of a stored model.
pub fn served(connection: &Connection, version: i64) -> Outcome<Bytes> {
    let bytes = blob(connection, version, "served")?.ok_or_else(|| {
        Failure::new(PgSqlErrorCode::ERRCODE_DATA_CORRUPTED, format!("model {version} has no content"))
    })?;
    Ok(Arc::new(bytes))
}

/// What a challenger is compared with; None where it was deleted, or has another format.
pub fn load_champion(connection: &Connection, version: i64) -> Outcome<Option<Champion>> {
    let choice: Option<pgrx::JsonB> = as_owner(|| {
        let sql = "SELECT choice FROM reco.model WHERE version OPERATOR(pg_catalog.=) $1";
        connection.read(sql, &[arg(version)])?.single()
    })?;
    let held = choice.and_then(|pgrx::JsonB(choice)| HeldOut::from_report(&choice));
    let twin = blob(connection, version, "twin")?.and_then(|bytes| {
        let bytes: Bytes = Arc::new(bytes);
        reco_models::decode(&bytes).ok()
    });
    Ok(twin.zip(held).map(|(twin, held)| Champion { twin, held }))
}

/// A stored model as its training left it, beside its bytes.
pub struct StoredModel {
    pub key: ModelKey,
    pub name: String,
    /// The relation that each source was.
    pub trained_on: Option<Value>,
    pub options: Value,
    pub choice: Value,
}

/// # Errors
/// 42704 where there is no such model.
pub fn stored(connection: &Connection, version: i64) -> Outcome<StoredModel> {
    as_owner(|| {
        let sql = "SELECT content_hash, name, sources, options, choice FROM reco.model
            WHERE version OPERATOR(pg_catalog.=) $1";
        let rows = connection.read(sql, &[arg(version)])?;
        let mut row = rows.first().ok_or_else(|| no_model(version))?;
        let (hash, name) = (row.take()?.unwrap_or_default(), row.take()?.unwrap_or_default());
        let mut json = || Outcome::Ok(row.take::<pgrx::JsonB>()?.map(|pgrx::JsonB(value)| value));
        let (trained_on, options, choice) = (json()?, json()?.unwrap_or_default(), json()?.unwrap_or_default());
        Ok(StoredModel { key: ModelKey { version, hash }, name, trained_on, options, choice })
    })
}

/// The model without its hold-out.
///
/// # Errors
/// XX001 where it is gone, damaged or of another format.
pub fn twin(connection: &Connection, version: i64) -> Outcome<Model> {
    let bytes = blob(connection, version, "twin")?.ok_or_else(|| {
        let message = format!("model {version} has no content without its hold-out");
        Failure::new(PgSqlErrorCode::ERRCODE_DATA_CORRUPTED, message).hint("SELECT * FROM reco_train();")
    })?;
    let bytes: Bytes = Arc::new(bytes);
    Ok(reco_models::decode(&bytes)?)
}

fn blob(connection: &Connection, version: i64, kind: &str) -> Outcome<Option<Vec<u8>>> {
    as_owner(|| {
        let chunks = "FROM reco.model_blob
            WHERE version OPERATOR(pg_catalog.=) $1 AND kind OPERATOR(pg_catalog.=) $2";
        let args = [arg(version), arg(kind.to_owned())];
        let sql = format!("SELECT pg_catalog.sum(pg_catalog.octet_length(data)) {chunks}");
        let Some(length) = connection.read(&sql, &args)?.single::<i64>()? else { return Ok(None) };
        let mut bytes = room(usize::try_from(length).unwrap_or(0))?;
        // One by one: together they would take as much memory again, twice.
        connection.read_batches(&format!("SELECT data {chunks} ORDER BY chunk"), &args, 1, |rows| {
            let chunk: Option<Vec<u8>> = scoped(|| rows.single())?;
            bytes.extend_from_slice(&chunk.unwrap_or_default());
            Ok(())
        })?;
        Ok(Some(bytes))
    })
}

/// A user's vector as it was trained, and the fingerprint of the interactions that it was trained on.
pub struct UserFactor {
    pub fingerprint: i64,
    pub factor: Vec<f32>,
}

pub fn user_factor(connection: &Connection, version: i64, user: i64) -> Outcome<Option<UserFactor>> {
    as_owner(|| {
        let rows = connection.read(
            "SELECT fingerprint, factor FROM reco.user_factor
             WHERE model_version OPERATOR(pg_catalog.=) $1 AND user_id OPERATOR(pg_catalog.=) $2",
            &[arg(version), arg(user)],
        )?;
        let Some(mut row) = rows.first() else { return Ok(None) };
        let (fingerprint, factor) = (row.take()?, row.take()?);
        Ok(fingerprint.zip(factor).map(|(fingerprint, factor)| UserFactor { fingerprint, factor }))
    })
}

/// The keys of those of the ids that a model knows.
pub fn keys(connection: &Connection, version: i64, ids: Vec<i64>) -> Outcome<Vec<Key>> {
    as_owner(|| {
        let rows = connection.read(
            "SELECT key FROM reco.key
             WHERE model_version OPERATOR(pg_catalog.=) $1 AND id OPERATOR(pg_catalog.=) ANY ($2)",
            &[arg(version), arg(ids)],
        )?;
        rows.iter().filter_map(|mut row| row.take_key().transpose()).collect()
    })
}

/// The trained vectors of some users, by user.
pub fn user_factors(connection: &Connection, version: i64, users: Vec<i64>) -> Outcome<HashMap<i64, UserFactor>> {
    as_owner(|| {
        let rows = connection.read(
            "SELECT user_id, fingerprint, factor FROM reco.user_factor
             WHERE model_version OPERATOR(pg_catalog.=) $1 AND user_id OPERATOR(pg_catalog.=) ANY ($2)",
            &[arg(version), arg(users)],
        )?;
        let mut factors = HashMap::with_capacity(rows.len());
        for mut row in rows.iter() {
            let (user, fingerprint, factor) = (row.take()?, row.take()?, row.take()?);
            if let (Some(user), Some(fingerprint), Some(factor)) = (user, fingerprint, factor) {
                factors.insert(user, UserFactor { fingerprint, factor });
            }
        }
        Ok(factors)
    })
}

/// Vectors that are read at once: some hundred kilobytes.
const VECTORS: i64 = 1000;

/// Hands the trained vector of every user to `each`, by ascending user.
pub fn each_user_factor(connection: &Connection, version: i64, mut each: impl FnMut(i64, &[f32])) -> Outcome<()> {
    as_owner(|| {
        let sql = "SELECT user_id, factor FROM reco.user_factor WHERE model_version OPERATOR(pg_catalog.=) $1
            ORDER BY user_id";
        connection.read_batches(sql, &[arg(version)], VECTORS, |rows| {
            scoped(|| {
                for mut row in rows.iter() {
                    let (user, factor) = (row.take()?, row.take::<Vec<f32>>()?);
                    if let Some((user, factor)) = user.zip(factor) {
                        each(user, &factor);
                    }
                }
                Ok(())
            })
        })
    })
}

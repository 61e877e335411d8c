//! Reading models. Everything here runs as the extension's owner, under the caller's snapshot.

use pgrx::prelude::*;
use std::sync::Arc;

use reco_models::{Bytes, Champion, SplitKind, room};

use crate::failure::{Failure, Outcome};
use crate::pg::memory::scoped;
use crate::pg::owner::as_owner;
use crate::pg::spi::{Connection, arg};

/// Names a model: no two have the same version and hash of the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModelKey {
    pub version: i64,
    pub hash: i64,
}

/// What the caller's snapshot says is to be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Active {
    pub model: Option<ModelKey>,
    /// Of the mapping: a sum over the configured sources, so that it changes too when one is reset.
    pub revision: i64,
}

/// In one look-up, so that model and mapping are of one snapshot.
pub fn active(connection: &Connection) -> Outcome<Active> {
    as_owner(|| {
        let rows = connection.read(
            "SELECT m.version, m.content_hash, r.revision
             FROM (SELECT COALESCE(pg_catalog.sum(revision), 0::pg_catalog.numeric)::pg_catalog.int8 AS revision FROM reco.source) r
             LEFT JOIN (SELECT version FROM reco.activation WHERE rolled_back_at IS NULL ORDER BY id DESC LIMIT 1) a ON true
             LEFT JOIN reco.model m ON m.version OPERATOR(pg_catalog.=) a.version",
            &[],
        )?;
        let Some(mut row) = rows.first() else { return Ok(Active { model: None, revision: 0 }) };
        let (version, hash, revision) = (row.take()?, row.take()?, row.take()?);
        let model = version.zip(hash).map(|(version, hash)| ModelKey { version, hash });
        Ok(Active { model, revision: revision.unwrap_or(0) })
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
    let split: Option<String> = as_owner(|| {
        let sql =
            "SELECT choice OPERATOR(pg_catalog.->>) 'split' FROM reco.model WHERE version OPERATOR(pg_catalog.=) $1";
        connection.read(sql, &[arg(version)])?.single()
    })?;
    let split = split.as_deref().and_then(SplitKind::from_name);
    let twin = blob(connection, version, "twin")?.and_then(|bytes| {
        let bytes: Bytes = Arc::new(bytes);
        reco_models::decode(&bytes).ok()
    });
    Ok(twin.zip(split).map(|(twin, split)| Champion { twin, split }))
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

//! Reading models. Everything here runs as the extension's owner, under the caller's snapshot.

use pgrx::prelude::*;
use std::sync::Arc;

use reco_models::{Bytes, Champion, SplitKind};

use crate::failure::{Failure, Outcome};
use crate::pg::owner::as_owner;
use crate::pg::spi::{Connection, arg};

/// What the caller's snapshot says is to be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Active {
    /// Version and hash of the content: together they never name two models.
    pub model: Option<(i64, i64)>,
    /// Of the mapping: a sum, so that a source that is forgotten changes it too.
    pub revision: i64,
}

/// One look-up, so that model and mapping are of one snapshot.
pub fn active(connection: &Connection) -> Outcome<Active> {
    as_owner(|| {
        let rows = connection.read(
            "SELECT m.version, m.content_hash, r.revision
             FROM (SELECT COALESCE(pg_catalog.sum(revision), 0::pg_catalog.numeric)::pg_catalog.int8 AS revision FROM reco.source) r
             LEFT JOIN (SELECT version FROM reco.activation WHERE rolled_back_at IS NULL ORDER BY id DESC LIMIT 1) a ON true
             LEFT JOIN reco.model m ON m.version OPERATOR(pg_catalog.=) a.version",
            &[],
        )?;
        let model = rows.get(0, 0).zip(rows.get(0, 1));
        Ok(Active { model, revision: rows.get(0, 2).unwrap_or(0) })
    })
}

/// A stored model, not yet decoded.
pub fn served(connection: &Connection, version: i64) -> Outcome<Bytes> {
    let bytes = blob(connection, version, "served")?.ok_or_else(|| {
        Failure::new(PgSqlErrorCode::ERRCODE_DATA_CORRUPTED, format!("model {version} has no content"))
    })?;
    Ok(Arc::new(bytes))
}

/// What a challenger is compared with, or None where it is gone or of another format.
pub fn load_champion(connection: &Connection, version: i64) -> Outcome<Option<Champion>> {
    let split = as_owner(|| {
        let sql =
            "SELECT choice OPERATOR(pg_catalog.->>) 'split' FROM reco.model WHERE version OPERATOR(pg_catalog.=) $1";
        let rows = connection.read(sql, &[arg(version)])?;
        Ok(if rows.len() == 0 { None } else { rows.get::<String>(0, 0) })
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
        let rows = connection.read(
            "SELECT data FROM reco.model_blob
             WHERE version OPERATOR(pg_catalog.=) $1 AND kind OPERATOR(pg_catalog.=) $2 ORDER BY chunk",
            &[arg(version), arg(kind.to_owned())],
        )?;
        let mut bytes = Vec::new();
        for row in 0..rows.len() {
            let chunk: Option<&[u8]> = rows.get(row, 0);
            bytes.extend_from_slice(chunk.unwrap_or_default());
        }
        Ok((rows.len() > 0).then_some(bytes))
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
        if rows.len() == 0 {
            return Ok(None);
        }
        Ok(rows.get(0, 0).zip(rows.get(0, 1)).map(|(fingerprint, factor)| UserFactor { fingerprint, factor }))
    })
}

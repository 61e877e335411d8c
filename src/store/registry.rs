//! Which model is active: a stack of activations.

use pgrx::prelude::*;

use crate::failure::{Failure, Outcome};
use crate::pg::owner::as_owner;
use crate::pg::spi::{Connection, arg};

/// Waits until no other transaction is changing the registry or the mapping, and makes all others wait until this one
/// ends. Every function that writes begins with it: what it reads afterwards stays true until it has written.
///
/// A row is updated, rather than a table locked: a transaction that reads an older snapshot (REPEATABLE READ) then gets a
/// serialization failure, and does not decide by what was true before it waited.
pub fn lock(connection: &Connection) -> Outcome<()> {
    as_owner(|| {
        connection.write(
            "INSERT INTO reco.registry AS r (id, changes) VALUES (1, 1)
             ON CONFLICT (id) DO UPDATE SET changes = r.changes OPERATOR(pg_catalog.+) 1::pg_catalog.int8",
            &[],
        )
    })?;
    Ok(())
}

/// The version that is active now, whatever was when the caller's transaction began.
pub fn active_now(connection: &Connection) -> Outcome<Option<i64>> {
    as_owner(|| current(connection))
}

/// Of each source that is configured now, ascending.
pub fn revisions_now(connection: &Connection) -> Outcome<Vec<i64>> {
    let sql = "SELECT pg_catalog.array_agg(revision ORDER BY revision) FROM reco.source";
    Ok(as_owner(|| connection.write(sql, &[])?.single())?.unwrap_or_default())
}

/// Puts a model on top of the stack. The caller has switched to the owner.
pub fn push(connection: &Connection, version: i64, by: &str) -> Outcome<()> {
    connection.write(
        "INSERT INTO reco.activation (id, version, activated_by)
         VALUES (pg_catalog.nextval('reco.activation_id_seq'::pg_catalog.regclass), $1, $2::pg_catalog.name)",
        &[arg(version), arg(by.to_owned())],
    )?;
    Ok(())
}

/// Removes every row of a model. The caller has switched to the owner.
pub fn delete(connection: &Connection, version: i64) -> Outcome<()> {
    for (table, key) in [
        ("model_blob", "version"),
        ("metric", "model_version"),
        ("user_factor", "model_version"),
        ("item_factor", "model_version"),
        ("user_feature", "model_version"),
        ("item_feature", "model_version"),
        ("key", "model_version"),
        ("model", "version"),
    ] {
        let sql = format!("DELETE FROM reco.{table} WHERE {key} OPERATOR(pg_catalog.=) $1");
        connection.write(&sql, &[arg(version)])?;
    }
    Ok(())
}

/// Serves a stored model from now on.
pub fn activate(connection: &Connection, version: i64, by: &str) -> Outcome<()> {
    lock(connection)?;
    as_owner(|| {
        exists(connection, version)?;
        if current(connection)? == Some(version) {
            return Ok(());
        }
        push(connection, version, by)
    })
}

/// Serves the model that was active before, and gives its version; None where there was none. Rolling back again goes
/// further back.
pub fn rollback(connection: &Connection) -> Outcome<Option<i64>> {
    lock(connection)?;
    as_owner(|| {
        let top = connection.write(
            "UPDATE reco.activation SET rolled_back_at = pg_catalog.now()
             WHERE id OPERATOR(pg_catalog.=)
                 (SELECT id FROM reco.activation WHERE rolled_back_at IS NULL ORDER BY id DESC LIMIT 1)
             RETURNING id",
            &[],
        )?;
        if top.is_empty() {
            return Err(Failure::new(
                PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                "there is no active model to roll back",
            ));
        }
        // Models that retention deleted cannot come back.
        connection.write(
            "UPDATE reco.activation SET rolled_back_at = pg_catalog.now()
             WHERE rolled_back_at IS NULL AND version OPERATOR(pg_catalog.<>) ALL (ARRAY(SELECT version FROM reco.model))",
            &[],
        )?;
        current(connection)
    })
}

/// Deletes a stored model that is not active.
pub fn drop_model(connection: &Connection, version: i64) -> Outcome<()> {
    lock(connection)?;
    as_owner(|| {
        exists(connection, version)?;
        if current(connection)? == Some(version) {
            return Err(Failure::new(PgSqlErrorCode::ERRCODE_OBJECT_IN_USE, format!("model {version} is active"))
                .hint("Serve another one first: reco_activate(version) or reco_rollback()."));
        }
        connection.write(
            "UPDATE reco.activation SET rolled_back_at = pg_catalog.now()
             WHERE rolled_back_at IS NULL AND version OPERATOR(pg_catalog.=) $1",
            &[arg(version)],
        )?;
        delete(connection, version)
    })
}

fn current(connection: &Connection) -> Outcome<Option<i64>> {
    connection
        .write("SELECT version FROM reco.activation WHERE rolled_back_at IS NULL ORDER BY id DESC LIMIT 1", &[])?
        .single()
}

fn exists(connection: &Connection, version: i64) -> Outcome<()> {
    let rows = connection.write("SELECT FROM reco.model WHERE version OPERATOR(pg_catalog.=) $1", &[arg(version)])?;
    if !rows.is_empty() {
        return Ok(());
    }
    Err(Failure::new(PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT, format!("there is no model {version}"))
        .hint("SELECT version, active, ndcg_at_10 FROM reco_models();"))
}

//! Which model is active: a stack of activations for each name.

use pgrx::prelude::*;

use crate::failure::{Failure, Outcome};
use crate::pg::owner::as_owner;
use crate::pg::spi::{Connection, arg};
use crate::settings;
use crate::store::subscriber::refuse_on_subscriber;

/// Waits until no other transaction is changing the registry or the mapping, and makes all others wait until this one
/// ends. Every function that writes begins with it: what it reads afterwards stays true until it has written.
///
/// # Errors
/// 55000 on a subscriber.
pub fn lock(connection: &Connection) -> Outcome<()> {
    refuse_on_subscriber(connection, "model")?;
    change(connection)
}

/// The same for whoever writes the mapping only.
///
/// # Errors
/// 55000 on a subscriber.
pub fn lock_mapping(connection: &Connection) -> Outcome<()> {
    refuse_on_subscriber(connection, "source")?;
    change(connection)
}

/// A row is updated, rather than a table locked: a transaction that reads an older snapshot (REPEATABLE READ) then gets a
/// serialization failure, and does not decide by what was true before it waited.
fn change(connection: &Connection) -> Outcome<()> {
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
    as_owner(|| current(connection, &settings::model_name()))
}

/// Of each source that is configured now under the name that `reco.model` sets, ascending.
pub fn revisions_now(connection: &Connection) -> Outcome<Vec<i64>> {
    let sql = "SELECT pg_catalog.array_agg(revision ORDER BY revision) FROM reco.source
               WHERE model_name OPERATOR(pg_catalog.=) $1";
    Ok(as_owner(|| connection.write(sql, &[arg(settings::model_name())])?.single())?.unwrap_or_default())
}

/// The next value of a sequence for a column, above all that is there: what a subscription brought did not move the
/// sequence. The caller has switched to the owner.
pub fn next_id(connection: &Connection, sequence: &str, column: &str, table: &str) -> Outcome<i64> {
    let sql = format!(
        "SELECT CASE WHEN next OPERATOR(pg_catalog.>) latest THEN next
                     ELSE pg_catalog.setval('reco.{sequence}'::pg_catalog.regclass,
                                            latest OPERATOR(pg_catalog.+) 1::pg_catalog.int8) END
         FROM (SELECT pg_catalog.nextval('reco.{sequence}'::pg_catalog.regclass) AS next,
                      COALESCE((SELECT pg_catalog.max({column}) FROM reco.{table}), 0::pg_catalog.int8) AS latest) t"
    );
    Ok(connection.write(&sql, &[])?.single()?.unwrap_or_default())
}

/// Puts a model on top of the stack of its name. The caller has switched to the owner.
pub fn push(connection: &Connection, name: &str, version: i64, by: &str) -> Outcome<()> {
    let id = next_id(connection, "activation_id_seq", "id", "activation")?;
    connection.write(
        "INSERT INTO reco.activation (id, model_name, version, activated_by) VALUES ($1, $2, $3, $4::pg_catalog.name)",
        &[arg(id), arg(name.to_owned()), arg(version), arg(by.to_owned())],
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

/// Serves a stored model from now on, under its name, which it gives; None where it is served already.
pub fn activate(connection: &Connection, version: i64, by: &str) -> Outcome<Option<String>> {
    lock(connection)?;
    as_owner(|| {
        let name = name_of(connection, version)?;
        if current(connection, &name)? == Some(version) {
            return Ok(None);
        }
        push(connection, &name, version, by)?;
        Ok(Some(name))
    })
}

/// Serves the model that was active before under the name that `reco.model` sets, and gives its version; None where there
/// was none. Rolling back again goes further back.
pub fn rollback(connection: &Connection) -> Outcome<Option<i64>> {
    let name = settings::model_name();
    lock(connection)?;
    as_owner(|| {
        let top = connection.write(
            "UPDATE reco.activation SET rolled_back_at = pg_catalog.now()
             WHERE id OPERATOR(pg_catalog.=)
                 (SELECT id FROM reco.activation
                  WHERE model_name OPERATOR(pg_catalog.=) $1 AND rolled_back_at IS NULL ORDER BY id DESC LIMIT 1)
             RETURNING id",
            &[arg(name.clone())],
        )?;
        if top.is_empty() {
            let named = if name.is_empty() { String::new() } else { format!(" \"{name}\"") };
            return Err(Failure::new(
                PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!("there is no active model{named} to roll back"),
            ));
        }
        // Models that retention deleted cannot come back.
        connection.write(
            "UPDATE reco.activation SET rolled_back_at = pg_catalog.now()
             WHERE rolled_back_at IS NULL AND version OPERATOR(pg_catalog.<>) ALL (ARRAY(SELECT version FROM reco.model))",
            &[],
        )?;
        current(connection, &name)
    })
}

/// Deletes a stored model that is not active.
pub fn drop_model(connection: &Connection, version: i64) -> Outcome<()> {
    lock(connection)?;
    as_owner(|| {
        let name = name_of(connection, version)?;
        if current(connection, &name)? == Some(version) {
            return Err(Failure::new(PgSqlErrorCode::ERRCODE_OBJECT_IN_USE, format!("model {version} is active"))
                .hint("Serve another one first: reco_activate(version) or reco_rollback()."));
        }
        let experiment = "SELECT name FROM reco.experiment e
             WHERE stopped_at IS NULL AND EXISTS (
                 SELECT FROM pg_catalog.jsonb_array_elements(e.variants) v
                 WHERE (v.value OPERATOR(pg_catalog.->>) 'model'::pg_catalog.text)::pg_catalog.numeric
                       OPERATOR(pg_catalog.=) $1::pg_catalog.numeric)";
        if let Some(experiment) = connection.write(experiment, &[arg(version)])?.single::<String>()? {
            let message = format!("model {version} is a variant of the experiment \"{experiment}\"");
            return Err(Failure::new(PgSqlErrorCode::ERRCODE_OBJECT_IN_USE, message)
                .hint(format!("SELECT reco_experiment_stop('{experiment}');")));
        }
        connection.write(
            "UPDATE reco.activation SET rolled_back_at = pg_catalog.now()
             WHERE rolled_back_at IS NULL AND version OPERATOR(pg_catalog.=) $1",
            &[arg(version)],
        )?;
        delete(connection, version)
    })
}

fn current(connection: &Connection, name: &str) -> Outcome<Option<i64>> {
    let sql = "SELECT version FROM reco.activation
               WHERE model_name OPERATOR(pg_catalog.=) $1 AND rolled_back_at IS NULL ORDER BY id DESC LIMIT 1";
    connection.write(sql, &[arg(name.to_owned())])?.single()
}

/// The name of a stored model; empty for one without.
///
/// # Errors
/// 42704 where there is no such model.
fn name_of(connection: &Connection, version: i64) -> Outcome<String> {
    let rows =
        connection.write("SELECT name FROM reco.model WHERE version OPERATOR(pg_catalog.=) $1", &[arg(version)])?;
    rows.single()?.ok_or_else(|| no_model(version))
}

pub(super) fn no_model(version: i64) -> Failure {
    Failure::new(PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT, format!("there is no model {version}"))
        .hint("SELECT version, name, active, ndcg_at_10 FROM reco_models();")
}

/// All names that have a model or a mapping, but for the empty one, in their order.
pub fn names(connection: &Connection) -> Outcome<Vec<String>> {
    as_owner(|| {
        let rows = connection.read(
            "SELECT name FROM reco.model WHERE name OPERATOR(pg_catalog.<>) ''::pg_catalog.text
             UNION SELECT model_name FROM reco.source WHERE model_name OPERATOR(pg_catalog.<>) ''::pg_catalog.text
             ORDER BY 1",
            &[],
        )?;
        rows.iter().filter_map(|mut row| row.take().transpose()).collect()
    })
}

//! A subscriber of logical replication serves what its publisher trains, and writes none of it: a row of its own with the
//! version of one that arrives would stop the replication.

use pgrx::prelude::*;

use crate::failure::{Failure, Outcome};
use crate::pg::owner::as_owner;
use crate::pg::spi::{Connection, arg};

/// The tables of the schema `reco` that arrive by a subscription.
pub fn subscribed(connection: &Connection) -> Outcome<Vec<String>> {
    let sql = "SELECT DISTINCT c.relname::pg_catalog.text FROM pg_catalog.pg_subscription_rel r
               JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) r.srrelid
               JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
               WHERE n.nspname OPERATOR(pg_catalog.=) 'reco'::pg_catalog.name";
    as_owner(|| connection.read(sql, &[])?.iter().filter_map(|mut row| row.take().transpose()).collect())
}

/// # Errors
/// 55000 where a table of the schema `reco` arrives by a subscription.
pub fn refuse_on_subscriber(connection: &Connection, table: &str) -> Outcome<()> {
    let sql = "SELECT s.subname::pg_catalog.text FROM pg_catalog.pg_subscription_rel r
               JOIN pg_catalog.pg_subscription s ON s.oid OPERATOR(pg_catalog.=) r.srsubid
               WHERE r.srrelid OPERATOR(pg_catalog.=) pg_catalog.to_regclass($1)::pg_catalog.oid";
    let found: Option<String> = as_owner(|| connection.read(sql, &[arg(format!("reco.{table}"))])?.single())?;
    let Some(subscription) = found else { return Ok(()) };
    let code = PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE;
    Err(Failure::new(code, format!("reco.{table} is written by the subscription \"{subscription}\""))
        .hint("Do it on the publisher; or drop the subscription, and this database trains on its own."))
}

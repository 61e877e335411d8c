//! `reco_activate`, `reco_rollback` and `reco_drop_model`.

use pgrx::prelude::*;

use serde_json::json;

use crate::failure::{Outcome, or_raise};
use crate::online::announce::announce;
use crate::pg::session::session_user;
use crate::pg::spi::{self, Connection};
use crate::settings;
use crate::store;

/// Serves a stored model from now on.
#[pg_extern]
fn reco_activate(version: i64) {
    let by = session_user();
    or_raise(spi::connect(|connection| match store::activate(connection, version, &by)? {
        Some(name) => tell(connection, "activate", &name, Some(version)),
        None => Ok(()),
    }));
}

/// Serves what was active before, and gives its version; NULL (and rules) where nothing was.
#[pg_extern]
fn reco_rollback() -> Option<i64> {
    or_raise(spi::connect(|connection| {
        let version = store::rollback(connection)?;
        tell(connection, "rollback", &settings::model_name(), version)?;
        Ok(version)
    }))
}

/// `version` is what is served from now on.
fn tell(connection: &Connection, event: &str, name: &str, version: Option<i64>) -> Outcome<()> {
    announce(connection, json!({"event": event, "model": name, "model_version": version, "by": session_user()}))
}

/// Deletes a stored model that is not active.
#[pg_extern]
fn reco_drop_model(version: i64) {
    or_raise(spi::connect(|connection| store::drop_model(connection, version)));
}

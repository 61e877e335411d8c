//! `reco_activate`, `reco_rollback` and `reco_drop_model`.

use pgrx::prelude::*;

use crate::failure::or_raise;
use crate::pg::session::session_user;
use crate::pg::spi;
use crate::store;

/// Serves a stored model from now on.
#[pg_extern]
fn reco_activate(version: i64) {
    let by = session_user();
    or_raise(spi::connect(|connection| store::activate(connection, version, &by)));
}

/// Serves what was active before, and gives its version; NULL (and rules) where nothing was.
#[pg_extern]
fn reco_rollback() -> Option<i64> {
    or_raise(spi::connect(store::rollback))
}

/// Deletes a stored model that is not active.
#[pg_extern]
fn reco_drop_model(version: i64) {
    or_raise(spi::connect(|connection| store::drop_model(connection, version)));
}

//! `reco_id` and `reco_key`: from keys that are not integers to ids, and back.

use pgrx::prelude::*;
use reco_models::Key;

use crate::failure::or_raise;
use crate::pg::keys;
use crate::pg::spi;
use crate::site::Site;

// Parallel restricted, because what a worker remembers is lost with it. Stable and not immutable, because a constant would
// be remembered once, when the statement is planned.

/// The id that stands for a key in every function that takes one.
#[pg_extern(stable, parallel_restricted, name = "reco_id")]
fn reco_id_of_text(key: &str) -> i64 {
    or_raise(keys::remember(Key::of_text(key)))
}

#[pg_extern(stable, parallel_restricted, name = "reco_id")]
fn reco_id_of_uuid(key: pgrx::Uuid) -> i64 {
    or_raise(keys::remember(Key::Uuid(*key.as_bytes())))
}

/// The key that an id stands for, if the caller reads a row that has it.
#[pg_extern(stable, parallel_safe)]
fn reco_key(id: i64) -> Option<String> {
    or_raise(spi::connect(|connection| Site::open(connection)?.key(id))).map(|key| key.to_string())
}

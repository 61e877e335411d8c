//! `reco_version`.

use pgrx::prelude::*;

use crate::failure::or_raise;
use crate::pg::{release, spi};

/// The releases of the library and of the SQL objects; they should be the same.
#[pg_extern(stable, parallel_safe)]
fn reco_version() -> TableIterator<'static, (name!(library, String), name!(sql, Option<String>))> {
    let objects = or_raise(spi::connect(release::of_objects));
    TableIterator::once((release::LIBRARY.to_owned(), objects))
}

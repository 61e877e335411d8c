//! What a monitor collects, named as Prometheus wants it. What is here costs a millisecond or two: what takes longer is measured by
//! [`check`](super::check), and shown as it was then.

mod calls;
mod family;
mod models;

use crate::failure::Outcome;
use crate::pg::release;
use crate::pg::spi::Connection;

pub use family::{Family, Sample, text};

/// All of them, of this database.
pub fn collect(connection: &Connection) -> Outcome<Vec<Family>> {
    let mut families = vec![family::gauge(
        "reco_build_info",
        "The release of the library; always 1.",
        vec![(vec![("version", release::LIBRARY.into())], 1.0)],
    )];
    families.extend(calls::families());
    families.extend(models::families(connection)?);
    Ok(families)
}

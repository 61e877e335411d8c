//! The release of this library, and that of the SQL objects in the database. They differ after a package was upgraded, until
//! ALTER EXTENSION brings the objects to the same release.

use std::cell::Cell;

use pgrx::{PgSqlErrorCode, pg_sys};

use crate::failure::{Failure, Outcome};
use crate::pg::spi::{self, Connection};

/// Of this library.
pub const LIBRARY: &str = env!("CARGO_PKG_VERSION");

thread_local! {
    /// The table of reco whose extension was found to be of the same release. A new CREATE EXTENSION has another table, and
    /// from the same release ALTER EXTENSION leads nowhere while this library is loaded.
    static CHECKED: Cell<pg_sys::Oid> = const { Cell::new(pg_sys::InvalidOid) };
}

/// Asked with each use of reco's tables; what was found is kept, because looking takes a query.
///
/// # Errors
/// 55000 where the tables are of another release.
pub fn check(table: pg_sys::Oid) -> Outcome<()> {
    if CHECKED.get() == table {
        return Ok(());
    }
    if let Some(objects) = spi::connect(of_objects)?
        && objects != LIBRARY
    {
        let code = PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE;
        return Err(Failure::new(code, format!("reco's library is {LIBRARY}, and its SQL objects are {objects}")).hint(
            "As the extension's owner: ALTER EXTENSION reco UPDATE; if that does not help, reconnect, and install the \
             package of the later release.",
        ));
    }
    CHECKED.set(table);
    Ok(())
}

/// None where the objects belong to no extension, as while CREATE EXTENSION makes them.
pub fn of_objects(connection: &Connection) -> Outcome<Option<String>> {
    let sql = "SELECT extversion FROM pg_catalog.pg_extension WHERE extname OPERATOR(pg_catalog.=) 'reco'";
    connection.read(sql, &[])?.single()
}

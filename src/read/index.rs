//! Whether what is looked up by a key has an index for it.

use std::cell::RefCell;
use std::collections::HashSet;

use pgrx::pg_sys;

use super::mapping::{FAVORITE, ITEM, Mapping, RATING, SOURCES, USER};
use crate::failure::Outcome;
use crate::pg::notice;
use crate::pg::session;
use crate::pg::spi::{Connection, arg};

/// A scan of less is over before an index would be opened.
const SMALL_BYTES: i64 = 512 * 1024;

/// The index that a look-up in a source lacks, as a statement to run.
pub fn missing(connection: &Connection, mapping: &Mapping, source: usize) -> Outcome<Option<String>> {
    let Some(relation) = mapping.get(source) else { return Ok(None) };
    let role = if source == ITEM || source == USER { "id" } else { "user" };
    let Some(column) = relation.column(&SOURCES[source], role) else { return Ok(None) };
    let rows = connection.read(
        "SELECT EXISTS (
             SELECT FROM pg_catalog.pg_index i
             JOIN pg_catalog.pg_attribute a
               ON a.attrelid OPERATOR(pg_catalog.=) i.indrelid AND a.attnum OPERATOR(pg_catalog.=) i.indkey[0]
             WHERE i.indrelid OPERATOR(pg_catalog.=) $1 AND i.indisvalid AND i.indpred IS NULL
               AND a.attname OPERATOR(pg_catalog.=) $2::pg_catalog.name)
             OR (SELECT relkind OPERATOR(pg_catalog.=) ANY ('{v,f}'::pg_catalog.\"char\"[])
                 FROM pg_catalog.pg_class WHERE oid OPERATOR(pg_catalog.=) $1)",
        &[arg(relation.oid), arg(column.name.clone())],
    )?;
    let covered: Option<bool> = rows.get(0, 0);
    let advice = format!("CREATE INDEX ON {} ({});", relation.quoted(), column.quoted());
    Ok((covered == Some(false)).then_some(advice))
}

thread_local! {
    /// What this session was already asked about.
    static CHECKED: RefCell<HashSet<(usize, pg_sys::Oid)>> = RefCell::new(HashSet::new());
}

/// Warns, once in a session, where every call reads a whole table to find one reader.
pub fn warn(connection: &Connection, mapping: &Mapping) -> Outcome<()> {
    // A parallel worker lives for one query, and would warn in each.
    if session::is_parallel_worker() {
        return Ok(());
    }
    for source in [RATING, FAVORITE] {
        let Some(relation) = mapping.get(source) else { continue };
        if !CHECKED.with_borrow_mut(|checked| checked.insert((source, relation.oid))) {
            continue;
        }
        let size =
            connection.read("SELECT pg_catalog.pg_relation_size($1::pg_catalog.regclass)", &[arg(relation.oid)])?;
        if size.get(0, 0).unwrap_or(0) < SMALL_BYTES {
            continue;
        }
        if let Some(statement) = missing(connection, mapping, source)? {
            notice::warn(&format!("finding a reader's rows reads all of {}", relation.quoted()), &statement);
        }
    }
    Ok(())
}

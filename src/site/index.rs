//! Whether look-ups by a key can use an index.

use std::cell::RefCell;
use std::collections::HashSet;

use pgrx::pg_sys;

use super::Site;
use super::fragment::Table;
use crate::failure::Outcome;
use crate::pg::notice;
use crate::pg::session;
use crate::pg::spi::{Connection, arg};

/// Reading less than this from end to end is as quick as opening an index.
const SMALL_BYTES: i64 = 512 * 1024;

thread_local! {
    /// Sources and tables that were checked in this session.
    static CHECKED: RefCell<HashSet<(&'static str, pg_sys::Oid)>> = RefCell::new(HashSet::new());
}

/// The bytes of a table, or of all partitions of one.
pub fn bytes(connection: &Connection, table: pg_sys::Oid) -> Outcome<i64> {
    let sql = "SELECT COALESCE((SELECT pg_catalog.sum(pg_catalog.pg_relation_size(relid))
                                FROM pg_catalog.pg_partition_tree($1::pg_catalog.regclass)),
                               pg_catalog.pg_relation_size($1::pg_catalog.regclass))::pg_catalog.int8";
    Ok(connection.read(sql, &[arg(table)])?.single()?.unwrap_or(0))
}

impl Site<'_> {
    /// The index that look-ups in a source lack, as a statement to run.
    pub fn missing_index(&self, table: &Table) -> Outcome<Option<String>> {
        let Some(column) = table.column(table.kind.key) else { return Ok(None) };
        let covered: Option<bool> = self
            .connection
            .read(
                "SELECT EXISTS (
                     SELECT FROM pg_catalog.pg_index i
                     JOIN pg_catalog.pg_attribute a
                       ON a.attrelid OPERATOR(pg_catalog.=) i.indrelid AND a.attnum OPERATOR(pg_catalog.=) i.indkey[0]
                     WHERE i.indrelid OPERATOR(pg_catalog.=) $1 AND i.indisvalid AND i.indpred IS NULL
                       AND a.attname OPERATOR(pg_catalog.=) $2::pg_catalog.name)
                     OR (SELECT relkind OPERATOR(pg_catalog.=) ANY ('{v,f}'::pg_catalog.\"char\"[])
                         FROM pg_catalog.pg_class WHERE oid OPERATOR(pg_catalog.=) $1)",
                &[arg(table.oid), arg(column.name.clone())],
            )?
            .single()?;
        let statement = format!("CREATE INDEX ON {} ({});", table.quoted(), column.quoted());
        Ok((covered == Some(false)).then_some(statement))
    }

    /// Warns, once in a session, where every call reads a whole table to find one user's rows.
    pub(super) fn warn_of_missing_indexes(&self) -> Outcome<()> {
        // A parallel worker lives for one query, and would warn in each.
        if session::is_parallel_worker() {
            return Ok(());
        }
        for table in self.mapping.interactions().map(|source| source.table) {
            if !CHECKED.with_borrow_mut(|checked| checked.insert((table.kind.name, table.oid))) {
                continue;
            }
            if bytes(self.connection, table.oid)? < SMALL_BYTES {
                continue;
            }
            if let Some(statement) = self.missing_index(table)? {
                notice::warn(&format!("finding a reader's rows reads all of {}", table.quoted()), &statement);
            }
        }
        Ok(())
    }
}

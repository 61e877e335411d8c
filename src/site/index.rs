//! Whether look-ups by a key can use an index.

use std::cell::RefCell;
use std::collections::HashSet;

use pgrx::pg_sys;

use super::Site;
use super::fragment::Table;
use crate::failure::Outcome;
use crate::pg::catalog;
use crate::pg::notice;
use crate::pg::session;
use crate::pg::spi::{Connection, Row, arg};

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

/// The columns behind a column: of a view those that it shows, through views of views. `PostgreSQL` keeps the origin of
/// each column in the tree of a view's query, and nowhere else; a name with a space is escaped there.
const BEHIND: &str = r#"WITH RECURSIVE behind (relation, name) AS (
        SELECT $1::pg_catalog.oid, $2::pg_catalog.name COLLATE pg_catalog."C"
    UNION
        SELECT origin.attrelid, origin.attname
        FROM behind b
        JOIN pg_catalog.pg_class v ON v.oid OPERATOR(pg_catalog.=) b.relation
            AND v.relkind OPERATOR(pg_catalog.=) 'v'::pg_catalog."char"
        JOIN pg_catalog.pg_attribute shown ON shown.attrelid OPERATOR(pg_catalog.=) v.oid
            AND shown.attname OPERATOR(pg_catalog.=) b.name
        JOIN pg_catalog.pg_rewrite r ON r.ev_class OPERATOR(pg_catalog.=) v.oid
            AND r.rulename OPERATOR(pg_catalog.=) '_RETURN'::pg_catalog.name
        CROSS JOIN LATERAL pg_catalog.regexp_matches(r.ev_action::pg_catalog.text,
            E':resno (\\d+) :resname ((?:\\\\.|[^ ])+) :ressortgroupref \\d+ :resorigtbl (\\d+) :resorigcol (\\d+)', 'g')
            AS entry (found)
        JOIN pg_catalog.pg_attribute origin ON origin.attrelid OPERATOR(pg_catalog.=) found[3]::pg_catalog.oid
            AND origin.attnum OPERATOR(pg_catalog.=) found[4]::pg_catalog.int2
        WHERE found[1]::pg_catalog.int2 OPERATOR(pg_catalog.=) shown.attnum
            AND pg_catalog.regexp_replace(found[2], E'\\\\(.)', E'\\1', 'g')
                OPERATOR(pg_catalog.=) shown.attname::pg_catalog.text
    )"#;

/// Those of them that no index begins with. A foreign table has none here.
const UNINDEXED: &str =
    "SELECT c.oid::pg_catalog.int8, pg_catalog.format('%I.%I', n.nspname, c.relname), pg_catalog.quote_ident(b.name)
    FROM behind b
    JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) b.relation
        AND c.relkind OPERATOR(pg_catalog.=) ANY ('{r,p,m}'::pg_catalog.\"char\"[])
    JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
    WHERE NOT EXISTS (
        SELECT FROM pg_catalog.pg_index i
        JOIN pg_catalog.pg_attribute a
          ON a.attrelid OPERATOR(pg_catalog.=) i.indrelid AND a.attnum OPERATOR(pg_catalog.=) i.indkey[0]
        WHERE i.indrelid OPERATOR(pg_catalog.=) c.oid AND i.indisvalid AND i.indpred IS NULL
          AND a.attname OPERATOR(pg_catalog.=) b.name)
    ORDER BY 2, 3";

/// A table that look-ups read from end to end.
pub struct Unindexed {
    oid: pg_sys::Oid,
    table: String,
    /// The statement that creates the index.
    pub statement: String,
}

impl Site<'_> {
    /// The tables that a look-up in a source reads from end to end: its own, or those behind a view.
    pub fn missing_indexes(&self, table: &Table) -> Outcome<Vec<Unindexed>> {
        let Some(column) = table.column(table.kind.key) else { return Ok(Vec::new()) };
        let rows =
            self.connection.read(&format!("{BEHIND} {UNINDEXED}"), &[arg(table.oid), arg(column.name.clone())])?;
        let read = |mut row: Row<'_>| {
            let (oid, table, column): (Option<i64>, Option<String>, Option<String>) =
                (row.take()?, row.take()?, row.take()?);
            let (table, column) = (table.unwrap_or_default(), column.unwrap_or_default());
            let statement = format!("CREATE INDEX ON {table} ({column});");
            Ok(Unindexed { oid: pg_sys::Oid::from(oid.unwrap_or(0) as u32), table, statement })
        };
        rows.iter().map(read).collect()
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
            if !catalog::is_view(table.oid) && bytes(self.connection, table.oid)? < SMALL_BYTES {
                continue;
            }
            for missing in self.missing_indexes(table)? {
                if bytes(self.connection, missing.oid)? >= SMALL_BYTES {
                    notice::warn(
                        &format!("finding a reader's rows reads all of {}", missing.table),
                        &missing.statement,
                    );
                }
            }
        }
        Ok(())
    }
}

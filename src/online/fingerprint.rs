//! Whether the sources have changed since a training, without reading them.
//!
//! PostgreSQL counts the rows that are inserted, updated and deleted in each table. The counts, with the file that the rows are
//! in, change with whatever is written, and cost microseconds; a count of rows or the newest time would cost a scan, and miss
//! what was deleted or changed. What they do not see: what a view's own functions or its `now()` make of the same rows. What they
//! cannot tell is taken for a change: foreign tables, `track_counts` off, and counts that a crash or a reset has lost.

use pgrx::JsonB;
use serde_json::{Map, Value, json};

use crate::failure::Outcome;
use crate::pg::owner::as_owner;
use crate::pg::release;
use crate::pg::spi::{Connection, arg};
use crate::settings;
use crate::site::Site;
use crate::store;

/// By the table's name: its relation, its file, the counts and the columns. Views are followed to the tables behind them, and tables to
/// their partitions. What this transaction has done counts too, though nobody else knows it yet.
const COUNTS: &str = "
    WITH RECURSIVE base (oid) AS (
        SELECT pg_catalog.unnest($1)::pg_catalog.oid
        UNION
        SELECT next.oid FROM base CROSS JOIN LATERAL (
            SELECT inhrelid FROM pg_catalog.pg_inherits WHERE inhparent OPERATOR(pg_catalog.=) base.oid
            UNION ALL
            SELECT d.refobjid FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_depend d
                ON d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_rewrite'::pg_catalog.regclass
                AND d.objid OPERATOR(pg_catalog.=) r.oid
                AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass
            WHERE r.ev_class OPERATOR(pg_catalog.=) base.oid
        ) AS next (oid)
    )
    SELECT pg_catalog.concat(n.nspname, '.', c.relname), c.relkind::pg_catalog.text, pg_catalog.jsonb_build_array(
        c.oid::pg_catalog.int8, c.relfilenode::pg_catalog.int8,
        pg_catalog.pg_stat_get_tuples_inserted(c.oid) OPERATOR(pg_catalog.+) pg_catalog.pg_stat_get_xact_tuples_inserted(c.oid),
        pg_catalog.pg_stat_get_tuples_updated(c.oid) OPERATOR(pg_catalog.+) pg_catalog.pg_stat_get_xact_tuples_updated(c.oid),
        pg_catalog.pg_stat_get_tuples_deleted(c.oid) OPERATOR(pg_catalog.+) pg_catalog.pg_stat_get_xact_tuples_deleted(c.oid),
        (SELECT pg_catalog.string_agg(a.attname, ' '::pg_catalog.text ORDER BY a.attnum) FROM pg_catalog.pg_attribute a
         WHERE a.attrelid OPERATOR(pg_catalog.=) c.oid AND a.attnum OPERATOR(pg_catalog.>) 0::pg_catalog.int2
           AND NOT a.attisdropped))
    FROM base JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) base.oid
    JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
    WHERE c.relkind OPERATOR(pg_catalog.<>) ALL ('{v,p,c,i,I}'::pg_catalog.\"char\"[])";

/// What the sources are now; None where that cannot be told.
pub fn take(connection: &Connection) -> Outcome<Option<Value>> {
    let counted = "SELECT pg_catalog.current_setting('track_counts') OPERATOR(pg_catalog.=) 'on'::pg_catalog.text";
    if connection.read(counted, &[])?.single()? != Some(true) {
        return Ok(None);
    }
    let site = Site::to_train(connection)?;
    site.mapping.check()?;
    let oids: Vec<i64> =
        site.mapping.tables().into_iter().filter_map(|(_, table)| Some(i64::from(table.ok()?.oid.to_u32()))).collect();
    let revisions = store::revisions_now(connection)?;
    let mut tables = Map::new();
    for mut row in connection.read(COUNTS, &[arg(oids)])?.iter() {
        let (name, kind) = (row.take::<String>()?.unwrap_or_default(), row.take::<String>()?);
        if kind.as_deref() == Some("f") {
            return Ok(None);
        }
        tables.insert(name, row.take::<JsonB>()?.map_or(Value::Null, |JsonB(counts)| counts));
    }
    Ok(Some(
        json!({"tables": tables, "mapping": site.relations(false), "revisions": revisions, "library": release::LIBRARY}),
    ))
}

/// What was there when a model was last trained with the same options, and when that was.
pub struct Before {
    pub version: i64,
    pub at: String,
    fingerprint: Value,
}

/// Under the name that `reco.model` sets; None where there was no such training.
pub fn before(connection: &Connection, options: &Value) -> Outcome<Option<Before>> {
    as_owner(|| {
        let rows = connection.read(
            "SELECT model_version, pg_catalog.to_char(taken_at, 'YYYY-MM-DD HH24:MI'), fingerprint FROM reco.fingerprint
             WHERE model_name OPERATOR(pg_catalog.=) $1 AND options OPERATOR(pg_catalog.=) $2",
            &[arg(settings::model_name()), arg(JsonB(options.clone()))],
        )?;
        let Some(mut row) = rows.first() else { return Ok(None) };
        Ok(Some(Before {
            version: row.take()?.unwrap_or_default(),
            at: row.take()?.unwrap_or_default(),
            fingerprint: row.take::<JsonB>()?.map_or(Value::Null, |JsonB(fingerprint)| fingerprint),
        }))
    })
}

impl Before {
    /// What of the sources is not as it was, as names; empty where all is.
    pub fn changes(&self, now: &Value) -> Vec<String> {
        if *now == self.fingerprint {
            return Vec::new();
        }
        let tables = |of: &Value| of["tables"].as_object().cloned().unwrap_or_default();
        let (then, now) = (tables(&self.fingerprint), tables(now));
        let mut names: Vec<String> =
            then.keys().chain(now.keys()).filter(|name| then.get(*name) != now.get(*name)).cloned().collect();
        names.sort_unstable();
        names.dedup();
        if names.is_empty() {
            names.push("the mapping, or reco itself".into());
        }
        names
    }
}

/// Notes what a model was trained on.
pub fn keep(connection: &Connection, options: &Value, fingerprint: &Value, version: i64) -> Outcome<()> {
    as_owner(|| {
        connection.write(
            "INSERT INTO reco.fingerprint (model_name, options, fingerprint, model_version, taken_at)
             VALUES ($1, $2, $3, $4, pg_catalog.now())
             ON CONFLICT (model_name) DO UPDATE SET options = excluded.options, fingerprint = excluded.fingerprint,
                 model_version = excluded.model_version, taken_at = excluded.taken_at",
            &[arg(settings::model_name()), arg(JsonB(options.clone())), arg(JsonB(fingerprint.clone())), arg(version)],
        )?;
        Ok(())
    })
}

//! Relations and their columns from the caches that PostgreSQL keeps of its catalogues, and the names of types.
//!
//! A fresh connection, and every connection after a table was changed, looks for all sources. Done by queries, that
//! took 3 ms, more than half of a connection's first answer.

use std::ffi::{CStr, CString, c_char};
use std::ptr;

use pgrx::{PgRelation, pg_sys};

pub struct Relation {
    pub oid: pg_sys::Oid,
    pub schema: String,
    pub name: String,
}

/// A table, view, materialized view, partitioned or foreign table; without a schema, the first of that name in the
/// caller's search_path.
pub fn find(schema: Option<&str>, name: &str) -> Option<Relation> {
    let (schema, name) = (schema.map(CString::new).transpose().ok()?, CString::new(name).ok()?);
    let schema = schema.as_ref().map_or(ptr::null_mut(), |s| s.as_ptr().cast_mut());
    // SAFETY: NUL-terminated names that outlive the call, which copies nothing of them into caches.
    unsafe {
        let range = pg_sys::makeRangeVar(schema, name.as_ptr().cast_mut(), -1);
        let flags = pg_sys::RVROption::RVR_MISSING_OK;
        let oid = pg_sys::RangeVarGetRelidExtended(range, pg_sys::NoLock as _, flags, None, ptr::null_mut());
        if oid == pg_sys::InvalidOid || !b"rpvmf".contains(&(pg_sys::get_rel_relkind(oid) as u8)) {
            return None;
        }
        let schema = text(pg_sys::get_namespace_name(pg_sys::get_rel_namespace(oid)))?;
        Some(Relation { oid, schema, name: text(pg_sys::get_rel_name(oid))? })
    }
}

/// Name and type of each column; of a domain, the type that it is over.
pub fn columns(relation: pg_sys::Oid) -> Vec<(String, pg_sys::Oid)> {
    // SAFETY: locked while it is read; an error, should it be gone, unwinds.
    let relation = unsafe { PgRelation::with_lock(relation, pg_sys::AccessShareLock as _) };
    let columns = relation.tuple_desc();
    // SAFETY: a look-up of a type that a column has.
    let type_of = |oid| unsafe { pg_sys::getBaseType(oid) };
    let there = columns.iter().filter(|column| !column.is_dropped());
    there.map(|column| (column.name().to_owned(), type_of(column.type_oid().value()))).collect()
}

pub fn database_exists(database: u32) -> bool {
    let (key, none) = (pg_sys::Oid::from(database).into(), pg_sys::Datum::from(0));
    // SAFETY: a look-up in the system cache of databases, by its one key.
    unsafe { pg_sys::SearchSysCacheExists(pg_sys::SysCacheIdentifier::DATABASEOID as i32, key, none, none, none) }
}

/// As SQL has it: `integer`, `timestamp with time zone`.
pub fn type_name(type_oid: pg_sys::Oid) -> String {
    // SAFETY: gives a palloc'ed NUL-terminated string for any oid.
    unsafe { CStr::from_ptr(pg_sys::format_type_be(type_oid)) }.to_string_lossy().into_owned()
}

/// # Safety
/// NULL, or NUL-terminated.
unsafe fn text(name: *const c_char) -> Option<String> {
    // SAFETY: as the caller says.
    (!name.is_null()).then(|| unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned())
}

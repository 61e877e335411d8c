//! Relations and their columns from the caches that PostgreSQL keeps of its catalogues, and the names of types.
//!
//! A fresh connection, and every connection after a table was changed, looks for all sources. Done by queries, that
//! took 3 ms, more than half of a connection's first answer.

use std::ffi::{CStr, CString, c_char};
use std::ptr;

use pgrx::{PgRelation, pg_sys};

/// A table, view, materialized view, partitioned or foreign table.
pub struct Relation {
    pub oid: pg_sys::Oid,
    pub schema: String,
    pub name: String,
    /// `pg_class.relkind`.
    kind: u8,
    temporary: bool,
    owner: pg_sys::Oid,
}

impl Relation {
    pub fn is_temporary(&self) -> bool {
        self.temporary
    }

    /// Why it is not read unless it is configured, None where it may be. Reading must not run what a stranger wrote: a
    /// view's functions and a policy's run with the rights of whoever reads.
    pub fn unsafe_to_detect(&self) -> Option<&'static str> {
        match self.kind {
            b'v' => Some("is a view"),
            b'm' => Some("is a materialized view"),
            b'f' => Some("is a foreign table"),
            _ if self.temporary => Some("is a temporary table"),
            _ if row_security_applies(self.oid) && !is_trusted(self.owner) => {
                Some("has row-security policies, and its owner is neither the owner of the database nor a superuser")
            }
            _ => None,
        }
    }
}

/// A relation by schema and name.
pub fn find(schema: &str, name: &str) -> Option<Relation> {
    let (schema, name) = (CString::new(schema).ok()?, CString::new(name).ok()?);
    // SAFETY: NUL-terminated names that outlive the call, which copies nothing of them into caches.
    let oid = unsafe {
        let range = pg_sys::makeRangeVar(schema.as_ptr().cast_mut(), name.as_ptr().cast_mut(), -1);
        let flags = pg_sys::RVROption::RVR_MISSING_OK;
        pg_sys::RangeVarGetRelidExtended(range, pg_sys::NoLock as _, flags, None, ptr::null_mut())
    };
    relation(oid)
}

/// All relations of that name in the caller's search_path, in its order. Temporary ones do not count.
pub fn in_search_path(name: &str) -> Vec<Relation> {
    let Ok(name) = CString::new(name) else { return Vec::new() };
    let of_schema = |schema: pg_sys::Oid| {
        // SAFETY: a NUL-terminated name, and a schema that the path has.
        relation(unsafe { pg_sys::get_relname_relid(name.as_ptr(), schema) })
    };
    search_path().into_iter().filter_map(of_schema).collect()
}

/// Whether the search_path leads to no schema of the site: where a dump is restored or a materialized view refreshed.
pub fn searches_nothing() -> bool {
    let own = pg_sys::Oid::from(pg_sys::PG_CATALOG_NAMESPACE);
    search_path().into_iter().all(|schema| schema == own)
}

/// The schemas that are searched, without the temporary one.
fn search_path() -> Vec<pg_sys::Oid> {
    let mut schemas = vec![pg_sys::InvalidOid; 16];
    loop {
        // SAFETY: writes at most as many elements as it is told that there are.
        let found = unsafe { pg_sys::fetch_search_path_array(schemas.as_mut_ptr(), schemas.len() as i32) } as usize;
        let fits = found <= schemas.len();
        schemas.resize(found, pg_sys::InvalidOid);
        if fits {
            return schemas;
        }
    }
}

/// None where there is no such relation, or none that has rows.
pub fn relation(oid: pg_sys::Oid) -> Option<Relation> {
    // SAFETY: a look-up in the system cache; the tuple is released after its values were copied.
    let (kind, persistence, owner) = unsafe {
        let tuple = pg_sys::SearchSysCache1(pg_sys::SysCacheIdentifier::RELOID as i32, oid.into());
        if tuple.is_null() {
            return None;
        }
        let class = pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_class>();
        let values = ((*class).relkind as u8, (*class).relpersistence as u8, (*class).relowner);
        pg_sys::ReleaseSysCache(tuple);
        values
    };
    if !b"rpvmf".contains(&kind) {
        return None;
    }
    // SAFETY: look-ups by an oid, which give NULL or a palloc'ed NUL-terminated string.
    let (schema, name) = unsafe {
        (text(pg_sys::get_namespace_name(pg_sys::get_rel_namespace(oid)))?, text(pg_sys::get_rel_name(oid))?)
    };
    let temporary = persistence == pg_sys::RELPERSISTENCE_TEMP;
    Some(Relation { oid, schema, name, kind, temporary, owner })
}

/// Whether policies decide which rows of a table the caller sees.
pub fn row_security_applies(relation: pg_sys::Oid) -> bool {
    // SAFETY: look-ups in the system caches; told not to raise an error.
    let applies = unsafe { pg_sys::check_enable_rls(relation, pg_sys::InvalidOid, true) };
    applies == pg_sys::CheckEnableRlsResult::RLS_ENABLED as i32
}

/// Whether the caller is known to see every row of a relation. Not where policies apply, nor through a view, which may
/// ask who reads, nor without the right to read the whole relation.
pub fn shows_all_rows(relation: pg_sys::Oid) -> bool {
    may_read(relation) && !is_view(relation) && !row_security_applies(relation)
}

/// Whether the caller has the right to read every column of a relation.
pub fn may_read(relation: pg_sys::Oid) -> bool {
    // SAFETY: a look-up in the system caches.
    let read = unsafe { pg_sys::pg_class_aclcheck(relation, pg_sys::GetUserId(), pg_sys::ACL_SELECT as _) };
    read == pg_sys::AclResult::ACLCHECK_OK
}

pub fn is_view(relation: pg_sys::Oid) -> bool {
    // SAFETY: a look-up in the system caches.
    unsafe { pg_sys::get_rel_relkind(relation) as u8 == b'v' }
}

/// Whether a role's policies may run with the caller's rights unasked.
fn is_trusted(owner: pg_sys::Oid) -> bool {
    // SAFETY: look-ups in the system caches; the tuple is released after its value was copied.
    unsafe {
        if owner == pg_sys::GetUserId() || pg_sys::superuser_arg(owner) {
            return true;
        }
        let tuple =
            pg_sys::SearchSysCache1(pg_sys::SysCacheIdentifier::DATABASEOID as i32, pg_sys::MyDatabaseId.into());
        if tuple.is_null() {
            return false;
        }
        let of_database = (*pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_database>()).datdba;
        pg_sys::ReleaseSysCache(tuple);
        owner == of_database
    }
}

/// Name, type and collation of each column; of a domain, the type that it is over.
pub fn columns(relation: pg_sys::Oid) -> Vec<(String, pg_sys::Oid, pg_sys::Oid)> {
    // SAFETY: locked while it is read; an error, should it be gone, unwinds.
    let relation = unsafe { PgRelation::with_lock(relation, pg_sys::AccessShareLock as _) };
    let columns = relation.tuple_desc();
    // SAFETY: a look-up of a type that a column has.
    let type_of = |oid| unsafe { pg_sys::getBaseType(oid) };
    let there = columns.iter().filter(|column| !column.is_dropped());
    there.map(|column| (column.name().to_owned(), type_of(column.type_oid().value()), column.attcollation)).collect()
}

pub fn is_enum(type_oid: pg_sys::Oid) -> bool {
    // SAFETY: a look-up in the system cache.
    unsafe { pg_sys::type_is_enum(type_oid) }
}

/// Whether it is one of pgvector's types, by its name: each installation of them has other oids.
pub fn is_vector(type_oid: pg_sys::Oid) -> bool {
    let name = type_name(type_oid);
    matches!(name.rsplit('.').next(), Some("vector" | "halfvec"))
}

/// Whether texts are equal only where their bytes are.
pub fn compares_bytes(collation: pg_sys::Oid) -> bool {
    // SAFETY: a look-up of a collation that a column has.
    collation == pg_sys::InvalidOid || unsafe { pg_sys::get_collation_isdeterministic(collation) }
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

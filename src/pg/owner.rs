//! Models are read and written with the rights of the extension's owner, so that the caller of a function needs no
//! rights on the tables behind it. The sources are always read with the caller's rights.

use pgrx::pg_sys;

use crate::failure::{Failure, Outcome};
use crate::pg::release;

struct Restore {
    user: pg_sys::Oid,
    context: i32,
}

impl Drop for Restore {
    fn drop(&mut self) {
        // SAFETY: what GetUserIdAndSecContext gave.
        unsafe { pg_sys::SetUserIdAndSecContext(self.user, self.context) };
    }
}

/// Runs `work` as the owner of the extension's tables. Its SQL must name every object and operator by schema: the
/// caller's search_path is in force.
///
/// # Errors
/// 42P01 without the extension, 55000 where its tables are of another release than this library.
pub fn as_owner<R>(work: impl FnOnce() -> Outcome<R>) -> Outcome<R> {
    let (table, owner) = table_and_owner()?;
    release::check(table)?;
    let mut restore = Restore { user: pg_sys::InvalidOid, context: 0 };
    // SAFETY: as the triggers of foreign keys do; the guard restores both, and so does the end of a failed transaction.
    unsafe {
        pg_sys::GetUserIdAndSecContext(&mut restore.user, &mut restore.context);
        pg_sys::SetUserIdAndSecContext(owner, restore.context | pg_sys::SECURITY_LOCAL_USERID_CHANGE as i32);
    }
    work()
}

/// The table stands for the extension, of which there is one in a database.
fn table_and_owner() -> Outcome<(pg_sys::Oid, pg_sys::Oid)> {
    // SAFETY: look-ups in the system caches; the tuple is released before its copy is used.
    unsafe {
        let schema = pg_sys::get_namespace_oid(c"reco".as_ptr(), true);
        let table = if schema == pg_sys::InvalidOid {
            pg_sys::InvalidOid
        } else {
            pg_sys::get_relname_relid(c"model".as_ptr(), schema)
        };
        let tuple = pg_sys::SearchSysCache1(pg_sys::SysCacheIdentifier::RELOID as i32, table.into());
        if tuple.is_null() {
            let code = pgrx::PgSqlErrorCode::ERRCODE_UNDEFINED_TABLE;
            return Err(Failure::new(code, "table reco.model does not exist").hint("CREATE EXTENSION reco;"));
        }
        let owner = (*pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_class>()).relowner;
        pg_sys::ReleaseSysCache(tuple);
        Ok((table, owner))
    }
}

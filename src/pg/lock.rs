//! Locks that only the extension can take.

use std::ffi::CStr;

use pgrx::pg_sys;

use crate::failure::{Failure, Outcome};

/// Locks a sequence of the schema `reco` until the transaction ends; false where another transaction has it. Nobody
/// without rights on the sequence can take it, and `nextval` does not conflict with it.
pub fn try_sequence(name: &CStr) -> Outcome<bool> {
    // SAFETY: look-ups in the system caches by NUL-terminated names; the lock is released with the transaction.
    unsafe {
        let schema = pg_sys::get_namespace_oid(c"reco".as_ptr(), true);
        let sequence = pg_sys::get_relname_relid(name.as_ptr(), schema);
        if schema == pg_sys::InvalidOid || sequence == pg_sys::InvalidOid {
            let code = pgrx::PgSqlErrorCode::ERRCODE_UNDEFINED_TABLE;
            let message = format!("sequence reco.{} does not exist", name.to_string_lossy());
            return Err(Failure::new(code, message).hint("CREATE EXTENSION reco;"));
        }
        Ok(pg_sys::ConditionalLockRelationOid(sequence, pg_sys::ShareUpdateExclusiveLock as _))
    }
}

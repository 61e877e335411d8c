//! Locks that only the extension can take.

use std::ffi::CStr;

use pgrx::pg_sys;

use crate::failure::{Failure, Outcome};

/// Who else may hold the lock.
#[derive(Clone, Copy)]
pub enum Mode {
    Alone,
    /// Others in the same mode.
    Shared,
}

impl Mode {
    fn number(self) -> pg_sys::LOCKMODE {
        match self {
            Mode::Alone => pg_sys::ShareUpdateExclusiveLock as _,
            Mode::Shared => pg_sys::ShareLock as _,
        }
    }

    /// As `pg_locks` has it.
    pub fn name(self) -> &'static str {
        match self {
            Mode::Alone => "ShareUpdateExclusiveLock",
            Mode::Shared => "ShareLock",
        }
    }
}

/// Locks a sequence of the schema `reco` until the transaction ends; false where another transaction has it. Nobody
/// without rights on the sequence can take it, and `nextval` does not conflict with [`Mode::Alone`].
pub fn try_sequence(name: &CStr, mode: Mode) -> Outcome<bool> {
    // SAFETY: look-ups in the system caches by NUL-terminated names; the lock is released with the transaction.
    unsafe {
        let schema = pg_sys::get_namespace_oid(c"reco".as_ptr(), true);
        let sequence = pg_sys::get_relname_relid(name.as_ptr(), schema);
        if schema == pg_sys::InvalidOid || sequence == pg_sys::InvalidOid {
            let code = pgrx::PgSqlErrorCode::ERRCODE_UNDEFINED_TABLE;
            let message = format!("sequence reco.{} does not exist", name.to_string_lossy());
            return Err(Failure::new(code, message).hint("CREATE EXTENSION reco;"));
        }
        Ok(pg_sys::ConditionalLockRelationOid(sequence, mode.number()))
    }
}

//! Locks that only the extension can take.

use std::ffi::CStr;

use pgrx::pg_sys;

use crate::failure::{Failure, Outcome};
use crate::pg::catalog;
use crate::pg::session;

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

/// Locks a sequence of the schema `reco` until the transaction ends; false where another process has it. Nobody without rights
/// on the sequence can take it, and `nextval` does not conflict with [`Mode::Alone`].
pub fn try_sequence(name: &CStr, mode: Mode) -> Outcome<bool> {
    let sequence = sequence(name)?;
    // SAFETY: the lock is released with the transaction.
    Ok(unsafe { pg_sys::ConditionalLockRelationOid(sequence, mode.number()) })
}

/// Locks a table of the schema `reco` against everybody else until the transaction ends; false, at once, where somebody uses it.
pub fn try_table_alone(name: &str) -> Outcome<bool> {
    let missing =
        || Failure::new(pgrx::PgSqlErrorCode::ERRCODE_UNDEFINED_TABLE, format!("table reco.{name} does not exist"));
    let table = catalog::find("reco", name).ok_or_else(missing)?;
    // SAFETY: the lock is released with the transaction.
    Ok(unsafe { pg_sys::ConditionalLockRelationOid(table.oid, pg_sys::AccessExclusiveLock as _) })
}

/// Releases the locks of the session. PostgreSQL does so itself where the end of a process aborts a transaction, but not where
/// it comes between two: then the lock would outlive the process.
unsafe extern "C-unwind" fn at_exit(_code: i32, _arg: pg_sys::Datum) {
    // SAFETY: a process that is about to end, and still has its place among the others.
    unsafe { pg_sys::LockReleaseSession(pg_sys::DEFAULT_LOCKMETHOD as _) };
}

/// As [`try_sequence`] alone, until the process ends or a transaction of it is aborted; to be called once in a process.
pub fn try_sequence_in_process(name: &CStr) -> Outcome<bool> {
    let tag = pg_sys::LOCKTAG {
        locktag_field1: session::database(),
        locktag_field2: sequence(name)?.to_u32(),
        locktag_field3: 0,
        locktag_field4: 0,
        locktag_type: pg_sys::LockTagType::LOCKTAG_RELATION as u8,
        locktag_lockmethodid: pg_sys::DEFAULT_LOCKMETHOD as u8,
    };
    // SAFETY: the tag of a relation, as PostgreSQL makes it for LockRelationIdForSession, which cannot be asked to not wait.
    // The hook only releases what the process holds.
    let result = unsafe {
        pg_sys::before_shmem_exit(Some(at_exit), pg_sys::Datum::from(0));
        pg_sys::LockAcquire(&tag, Mode::Alone.number(), true, true)
    };
    Ok(result != pg_sys::LockAcquireResult::LOCKACQUIRE_NOT_AVAIL)
}

/// Waits until a transaction has ended, a prepared one too.
pub fn wait_for_transaction(transaction: u32) {
    let nothing = std::ptr::null_mut();
    // SAFETY: in a transaction, which is another one.
    unsafe {
        let transaction = pg_sys::TransactionId::from_inner(transaction);
        pg_sys::XactLockTableWait(transaction, std::ptr::null_mut(), nothing, pg_sys::XLTW_Oper::XLTW_None);
    }
}

/// Whether a transaction, or a subtransaction and all around it, was committed.
pub fn was_committed(transaction: u32) -> bool {
    // SAFETY: a transaction that has ended a moment ago.
    unsafe { pg_sys::TransactionIdDidCommit(pg_sys::TransactionId::from_inner(transaction)) }
}

fn sequence(name: &CStr) -> Outcome<pg_sys::Oid> {
    // SAFETY: look-ups in the system caches by NUL-terminated names.
    unsafe {
        let schema = pg_sys::get_namespace_oid(c"reco".as_ptr(), true);
        let sequence = pg_sys::get_relname_relid(name.as_ptr(), schema);
        if schema == pg_sys::InvalidOid || sequence == pg_sys::InvalidOid {
            let code = pgrx::PgSqlErrorCode::ERRCODE_UNDEFINED_TABLE;
            let message = format!("sequence reco.{} does not exist", name.to_string_lossy());
            return Err(Failure::new(code, message).hint("CREATE EXTENSION reco;"));
        }
        Ok(sequence)
    }
}

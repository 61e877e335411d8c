//! The session and transaction that a function is called in.

use std::ffi::CStr;

use pgrx::pg_sys;

/// Lets a cancel or a termination of the backend act; to be called every few milliseconds.
pub fn pause() {
    pgrx::check_for_interrupts!();
}

/// The time of the transaction in seconds since 1970, so that a call is stable within it.
pub fn now() -> i64 {
    // PostgreSQL counts microseconds from 2000.
    const EPOCH_2000: i64 = 946_684_800;
    // SAFETY: no arguments.
    unsafe { pg_sys::GetCurrentTransactionStartTimestamp() }.div_euclid(1_000_000) + EPOCH_2000
}

/// The database of the session.
pub fn database() -> u32 {
    // SAFETY: set when the backend connected, and never changed.
    unsafe { pg_sys::MyDatabaseId }.to_u32()
}

/// Whose rights are in force.
pub fn user() -> pg_sys::Oid {
    // SAFETY: no arguments.
    unsafe { pg_sys::GetUserId() }
}

/// Who is logged in, also where a SECURITY DEFINER function changed whose rights are in force.
pub fn session_user() -> String {
    // SAFETY: a valid role; gives a palloc'ed NUL-terminated string.
    let name = unsafe { CStr::from_ptr(pg_sys::GetUserNameFromId(pg_sys::GetSessionUserId(), false)) };
    name.to_string_lossy().into_owned()
}

/// The setting `search_path`.
pub fn search_path() -> String {
    // SAFETY: a NUL-terminated string that the setting owns, copied at once.
    unsafe { CStr::from_ptr(pg_sys::namespace_search_path) }.to_string_lossy().into_owned()
}

/// Whether this process works for one query of another backend.
pub fn is_parallel_worker() -> bool {
    // SAFETY: a plain read.
    unsafe { pg_sys::ParallelWorkerNumber >= 0 }
}

/// Raises an error where the transaction is read-only or the server a standby; `command` is named in it.
pub fn refuse_read_only(command: &CStr) {
    // SAFETY: a NUL-terminated name that is only read.
    unsafe {
        pg_sys::PreventCommandIfReadOnly(command.as_ptr());
        pg_sys::PreventCommandDuringRecovery(command.as_ptr());
    }
}

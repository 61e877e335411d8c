//! The session and transaction that a function is called in.

use std::cell::Cell;
use std::ffi::{CStr, CString};
use std::time::{Duration, Instant};

use pgrx::pg_sys;

use crate::failure::{Failure, Outcome, or_raise};
use crate::pg::heap;

/// Lets a cancel, a termination of the backend or a lack of memory act; to be called every few milliseconds.
pub fn pause() {
    pgrx::check_for_interrupts!();
    or_raise(heap::check());
}

/// How often a client is looked for.
const CLIENT_CHECK: Duration = Duration::from_secs(1);

thread_local! {
    static CLIENT_SEEN: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Lets the next [`pause`] end a session whose client is gone, as `client_connection_check_interval` does; to be called
/// often by what takes minutes. By default PostgreSQL finds out when it sends something, and without messages that is after
/// the commit.
pub fn watch_client() {
    let is_fresh = CLIENT_SEEN.get().is_some_and(|seen| seen.elapsed() < CLIENT_CHECK);
    if is_fresh {
        return;
    }
    CLIENT_SEEN.set(Some(Instant::now()));
    look_for_client();
}

/// As [`watch_client`], at once.
#[expect(ffi_unwind_calls, reason = "the call is in pgrx's guard")]
pub fn look_for_client() {
    unsafe extern "C-unwind" {
        fn pq_check_connection() -> bool;
    }
    // SAFETY: the main thread, at a place where interrupts may act, where PostgreSQL makes the same call. A background
    // worker has no client.
    unsafe {
        if !pg_sys::MyProcPort.is_null() && !pg_sys::ffi::pg_guard_ffi_boundary(|| pq_check_connection()) {
            pg_sys::ClientConnectionLost = 1;
            pg_sys::InterruptPending = 1;
        }
    }
}

/// The time of the transaction in seconds since 1970, so that a call is stable within it.
pub fn now() -> i64 {
    // SAFETY: no arguments.
    since_1970(unsafe { pg_sys::GetCurrentTransactionStartTimestamp() })
}

/// The time of the clock in seconds since 1970.
pub fn clock() -> i64 {
    // SAFETY: no arguments.
    since_1970(unsafe { pg_sys::GetCurrentTimestamp() })
}

/// The time of the transaction in milliseconds since 1970.
pub fn now_milliseconds() -> i64 {
    // SAFETY: no arguments.
    unsafe { pg_sys::GetCurrentTransactionStartTimestamp() }.div_euclid(1000) + EPOCH_2000 * 1000
}

/// PostgreSQL counts microseconds from 2000; in seconds since 1970.
const EPOCH_2000: i64 = 946_684_800;

/// With its fraction; an infinite time is an infinite number.
pub fn seconds_since_1970(timestamp: pg_sys::TimestampTz) -> f64 {
    match timestamp {
        pg_sys::TimestampTz::MIN => f64::NEG_INFINITY,
        pg_sys::TimestampTz::MAX => f64::INFINITY,
        _ => timestamp as f64 / 1e6 + EPOCH_2000 as f64,
    }
}

/// A moment from seconds since 1970; None beyond PostgreSQL's range.
pub fn timestamp(seconds: f64) -> Option<pgrx::datum::TimestampWithTimeZone> {
    let microseconds = ((seconds - EPOCH_2000 as f64) * 1e6).round();
    pgrx::datum::TimestampWithTimeZone::try_from(microseconds as pg_sys::TimestampTz).ok()
}

fn since_1970(timestamp: pg_sys::TimestampTz) -> i64 {
    timestamp.div_euclid(1_000_000) + EPOCH_2000
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

/// Who is logged in.
pub fn session_user_oid() -> pg_sys::Oid {
    // SAFETY: no arguments.
    unsafe { pg_sys::GetSessionUserId() }
}

/// This process.
pub fn pid() -> i32 {
    // SAFETY: set when the process began, and never changed.
    unsafe { pg_sys::MyProcPid }
}

/// The transaction and the subtransaction that is open, as numbers, which both get here if they had none.
pub fn transaction() -> (u32, u32) {
    // SAFETY: inside a transaction that may write.
    unsafe { (pg_sys::GetTopTransactionId().into_inner(), pg_sys::GetCurrentTransactionId().into_inner()) }
}

/// Whether what runs is code of an object that somebody else maintains (an index that is built, a materialized view that is
/// refreshed), and must leave nothing behind.
pub fn is_sandboxed() -> bool {
    // SAFETY: no arguments.
    unsafe { pg_sys::InSecurityRestrictedOperation() }
}

/// Whether the server is a standby.
pub fn is_standby() -> bool {
    // SAFETY: no arguments.
    unsafe { pg_sys::RecoveryInProgress() }
}

/// Whether the transaction may write.
pub fn may_write() -> bool {
    // SAFETY: a plain read.
    unsafe { !pg_sys::XactReadOnly && !is_standby() }
}

/// The name of a role.
pub fn role_name(role: pg_sys::Oid) -> String {
    // SAFETY: a role that is there; gives a palloc'ed NUL-terminated string.
    unsafe { CStr::from_ptr(pg_sys::GetUserNameFromId(role, false)) }.to_string_lossy().into_owned()
}

/// Whether the caller may see what a role does, as in `pg_stat_activity`.
pub fn may_see(role: &str) -> bool {
    let Ok(role) = std::ffi::CString::new(role) else { return false };
    // SAFETY: look-ups of roles; 0 where there is none of that name.
    unsafe {
        let role = pg_sys::get_role_oid(role.as_ptr(), true);
        let caller = pg_sys::GetUserId();
        role != pg_sys::InvalidOid && pg_sys::has_privs_of_role(caller, role)
            || pg_sys::has_privs_of_role(caller, pg_sys::Oid::from(pg_sys::ROLE_PG_READ_ALL_STATS))
    }
}

/// Who is logged in, also where a SECURITY DEFINER function changed whose rights are in force.
pub fn session_user() -> String {
    role_name(session_user_oid())
}

/// The setting `search_path`.
pub fn search_path() -> String {
    // SAFETY: a NUL-terminated string that the setting owns, copied at once.
    unsafe { CStr::from_ptr(pg_sys::namespace_search_path) }.to_string_lossy().into_owned()
}

/// The setting `TimeZone`.
pub fn time_zone() -> String {
    // SAFETY: the name of a setting that is always there; its value is copied at once.
    let value = unsafe { pg_sys::GetConfigOption(c"TimeZone".as_ptr(), false, false) };
    if value.is_null() {
        return "UTC".into();
    }
    // SAFETY: NUL-terminated, as checked not NULL.
    unsafe { CStr::from_ptr(value) }.to_string_lossy().into_owned()
}

/// Runs `work` while a setting has another value, as a function with a SET clause does; an error ends that too.
pub fn with_setting<R>(setting: &CStr, value: &str, work: impl FnOnce() -> Outcome<R>) -> Outcome<R> {
    let text = CString::new(value).map_err(|_| Failure::invalid("a name must not contain a NUL character"))?;
    // SAFETY: a setting that anybody may change, inside a transaction, whose abort undoes it.
    let level = unsafe {
        let level = pg_sys::NewGUCNestLevel();
        pg_sys::set_config_option(
            setting.as_ptr(),
            text.as_ptr(),
            pg_sys::GucContext::PGC_USERSET,
            pg_sys::GucSource::PGC_S_SESSION,
            pg_sys::GucAction::GUC_ACTION_SAVE,
            true,
            0,
            false,
        );
        level
    };
    let result = work()?;
    // SAFETY: ends the level that was begun above.
    unsafe { pg_sys::AtEOXact_GUC(true, level) };
    Ok(result)
}

/// Runs `work` with a snapshot that has what this transaction has written so far. A function's own snapshot is that of the
/// statement that called it.
pub fn seeing_own_writes<R>(work: impl FnOnce() -> R) -> R {
    // SAFETY: inside a transaction; an error ends the snapshot with its transaction or subtransaction.
    unsafe {
        pg_sys::CommandCounterIncrement();
        pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot());
    }
    let result = work();
    // SAFETY: pushed above.
    unsafe { pg_sys::PopActiveSnapshot() };
    result
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

//! Processes beside the caller's: dynamic background workers, which need no preloaded library.

use std::ffi::{CStr, CString, c_int};
use std::panic::AssertUnwindSafe;
use std::ptr;

use pgrx::PgTryBuilder;
use pgrx::bgworkers::BackgroundWorkerBuilder;
use pgrx::pg_sys;

use crate::failure::{Failure, Outcome};
use crate::pg::session::{self, pause};

/// Between two looks at the other process, in milliseconds.
const POLL_MS: i64 = 10;

/// A process that was started.
pub struct Started(*mut pg_sys::BackgroundWorkerHandle);

/// Starts `function` of this library with an argument, in a process of its own.
///
/// # Errors
/// 53400 where no background worker is free.
pub fn start(function: &str, argument: u32) -> Outcome<Started> {
    let builder = BackgroundWorkerBuilder::new("reco training")
        .set_library("$libdir/reco")
        .set_function(function)
        .set_argument(Some(pg_sys::Datum::from(argument)))
        .set_notify_pid(session::pid())
        .enable_spi_access();
    let mut worker = pg_sys::BackgroundWorker::from(&builder);
    let mut handle = ptr::null_mut();
    // SAFETY: a complete description; the handle is set where it succeeds.
    if unsafe { pg_sys::RegisterDynamicBackgroundWorker(&mut worker, &mut handle) } {
        return Ok(Started(handle));
    }
    // SAFETY: a plain read of a setting that is fixed at the start.
    let most = unsafe { pg_sys::max_worker_processes };
    let code = pgrx::PgSqlErrorCode::ERRCODE_CONFIGURATION_LIMIT_EXCEEDED;
    Err(Failure::new(code, "no background worker is free")
        .detail(format!("All {most} of max_worker_processes are in use, parallel queries count too."))
        .hint(
            "Raise max_worker_processes, which takes a restart; or train in this session: SELECT * FROM reco_train();",
        ))
}

/// Ends the process where the wait for it is interrupted.
struct EndUnlessReady<'s>(Option<&'s Started>);

impl Drop for EndUnlessReady<'_> {
    fn drop(&mut self) {
        if let Some(Started(handle)) = self.0 {
            // SAFETY: a handle of this process.
            unsafe { pg_sys::TerminateBackgroundWorker(*handle) };
        }
    }
}

impl Started {
    /// Waits until `is_ready`; false where the process ended before it was.
    pub fn wait(&self, is_ready: impl Fn() -> bool) -> bool {
        let mut end = EndUnlessReady(Some(self));
        let mut lives = true;
        while lives && !is_ready() {
            let mut pid = 0;
            // SAFETY: a handle of this process.
            lives =
                unsafe { pg_sys::GetBackgroundWorkerPid(self.0, &mut pid) } != pg_sys::BgwHandleStatus::BGWH_STOPPED;
            sleep(POLL_MS);
        }
        end.0 = None;
        is_ready()
    }
}

/// Sleeps, and lets interrupts act.
pub fn sleep(milliseconds: i64) {
    // SAFETY: the latch of this process, in its main thread.
    unsafe {
        let events = pg_sys::WL_LATCH_SET | pg_sys::WL_TIMEOUT | pg_sys::WL_EXIT_ON_PM_DEATH;
        pg_sys::WaitLatch(pg_sys::MyLatch, events as i32, milliseconds as _, pg_sys::PG_WAIT_EXTENSION);
        pg_sys::ResetLatch(pg_sys::MyLatch);
    }
    pause();
}

unsafe extern "C-unwind" {
    // PostgreSQL's handlers as they are: a signal handler is no place for pgrx's wrappers.
    fn die(signal: c_int);
    fn StatementCancelHandler(signal: c_int);
}

/// Connects a process that was started to a database, as a user (without one: as the first superuser). SIGTERM ends it as it
/// ends a session, and SIGINT cancels what it does.
pub fn connect(database: pg_sys::Oid, user: Option<pg_sys::Oid>) {
    // SAFETY: the first thing that the process does. The handlers are PostgreSQL's, and are set before any signal can come.
    unsafe {
        #[cfg(not(feature = "pg18"))]
        {
            pg_sys::pqsignal(pg_sys::SIGTERM as i32, Some(die));
            pg_sys::pqsignal(pg_sys::SIGINT as i32, Some(StatementCancelHandler));
        }
        #[cfg(feature = "pg18")]
        {
            pg_sys::pqsignal_be(pg_sys::SIGTERM as i32, Some(die));
            pg_sys::pqsignal_be(pg_sys::SIGINT as i32, Some(StatementCancelHandler));
        }
        pg_sys::BackgroundWorkerUnblockSignals();
        pg_sys::BackgroundWorkerInitializeConnectionByOid(database, user.unwrap_or(pg_sys::InvalidOid), 0);
    }
}

/// Runs `work` in a transaction of this process, with the rights of `user` (without one: of the session's). What is an error
/// rolls it back.
pub fn transaction<T>(user: Option<pg_sys::Oid>, work: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
    // SAFETY: a process without a transaction. Rights that are switched so cannot be switched back by what `work` calls.
    let session_user = unsafe {
        pg_sys::SetCurrentStatementStartTimestamp();
        pg_sys::StartTransactionCommand();
        pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot());
        let session_user = pg_sys::GetUserId();
        if let Some(user) = user {
            pg_sys::SetUserIdAndSecContext(user, pg_sys::SECURITY_LOCAL_USERID_CHANGE as i32);
        }
        session_user
    };
    let outcome = work();
    // SAFETY: ends what was begun above; an abort restores the user and the snapshot itself.
    unsafe {
        if outcome.is_err() {
            pg_sys::AbortCurrentTransaction();
            return outcome;
        }
        pg_sys::SetUserIdAndSecContext(session_user, 0);
        pg_sys::PopActiveSnapshot();
        pg_sys::CommitTransactionCommand();
    }
    outcome
}

/// Runs `work`; an error that is raised in it, a panic too, becomes its result, and ends the transaction that it happened in.
pub fn caught<T>(work: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
    let outcome =
        PgTryBuilder::new(AssertUnwindSafe(work)).catch_others(|error| Err(Failure::caught(&error))).execute();
    if outcome.is_err() {
        // SAFETY: does nothing outside of a transaction.
        unsafe { pg_sys::AbortCurrentTransaction() };
    }
    outcome
}

/// Sets a setting of this process.
pub fn set(name: &CStr, value: &CStr) {
    // SAFETY: NUL-terminated texts, which are copied.
    unsafe {
        let (context, source) = (pg_sys::GucContext::PGC_SUSET, pg_sys::GucSource::PGC_S_SESSION);
        pg_sys::SetConfigOption(name.as_ptr(), value.as_ptr(), context, source);
    }
}

/// Shows in `pg_stat_activity` what the process does; None: nothing.
pub fn show(what: Option<&str>) {
    let text = what.and_then(|what| CString::new(what).ok());
    let (state, text) = match &text {
        Some(text) => (pg_sys::BackendState::STATE_RUNNING, text.as_ptr()),
        None => (pg_sys::BackendState::STATE_IDLE, ptr::null()),
    };
    // SAFETY: a NUL-terminated text that is copied, or none.
    unsafe { pg_sys::pgstat_report_activity(state, text) };
}

/// Whether a process of the server has this id.
pub fn lives(pid: i32) -> bool {
    // SAFETY: a look-up under a lock of its own.
    unsafe { !pg_sys::BackendPidGetProc(pid).is_null() }
}

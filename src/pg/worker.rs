//! One computation in one thread beside the backend's own, which keeps answering PostgreSQL.
//!
//! The thread starts with all signals blocked but that of its turns, and so do the threads it starts: a signal handler of
//! PostgreSQL must only ever run in the main thread. The main thread waits on its latch and checks for interrupts, which also absorbs
//! the barriers that DROP DATABASE waits for. However the wait ends (an error that unwinds, or the end of the process,
//! which does not), the thread is stopped and joined first.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Once};
use std::thread::JoinHandle;
use std::time::Duration;

use pgrx::pg_sys;
use reco_models::Control;

use crate::failure::{Failure, Outcome};
use crate::pg::heap;
use crate::pg::session;
use crate::pg::turns::{self, Turns, Waiter};
use crate::settings;

/// How long the main thread sleeps between two checks, in milliseconds.
const WAIT_MS: i64 = 20;

struct Job {
    control: Arc<Control>,
    thread: JoinHandle<()>,
}

/// The running job of this backend. At most one: whoever began it waits for it.
static JOB: Mutex<Option<Job>> = Mutex::new(None);
static EXIT_HOOK: Once = Once::new();

fn job() -> MutexGuard<'static, Option<Job>> {
    JOB.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Gives false where the thread cannot end, because it waits for the end of the process.
fn stop_and_join() -> bool {
    let running = job().take();
    if let Some(Job { control, thread }) = running {
        control.stop();
        while !thread.is_finished() {
            raise_group();
            if heap::is_lost() {
                // Its children see the stop flag meanwhile.
                std::thread::sleep(SETTLED);
                return false;
            }
            std::thread::sleep(POLL);
        }
        // A panic of the thread was caught in it and is reported by `run`.
        let _ = thread.join();
        return_memory();
        // The kernel changes ten groups a second, of all processes together.
        for _ in 0..TRIES {
            if raise_group() {
                break;
            }
            std::thread::sleep(Duration::from_millis(110));
        }
    }
    true
}

/// To give the group its priority back.
const TRIES: u32 = 5;
/// Between two looks whether the thread has ended.
const POLL: Duration = Duration::from_millis(1);
/// Longer than any thread takes to its next look at the stop flag.
const SETTLED: Duration = Duration::from_millis(500);

extern "C-unwind" fn at_exit(_code: i32, _arg: pg_sys::Datum) {
    stop_and_join();
}

struct Joined;

impl Drop for Joined {
    fn drop(&mut self) {
        if !stop_and_join() {
            heap::end_session();
        }
    }
}

/// Runs `work` in a thread and calls `watch` at every check until it is done.
pub fn run<T: Send + 'static>(
    control: &Arc<Control>,
    work: impl FnOnce() -> T + Send + 'static,
    mut watch: impl FnMut(),
) -> Outcome<T> {
    EXIT_HOOK.call_once(|| {
        // SAFETY: registered once per process; the hook only stops and joins.
        unsafe { pg_sys::before_shmem_exit(Some(at_exit), pg_sys::Datum::from(0)) };
    });
    heap::hold(heap::OF_A_TRAINING)?;
    let _new = heap::WithCpp::new();
    let slot = Arc::new(Mutex::new(None));
    let nice = settings::train_nice();
    let is_group_lower = lower_group(nice);
    let waiter = Arc::new(Waiter::default());
    let mut turns = Turns::begin(Arc::clone(&waiter));
    let thread = spawn({
        let slot = Arc::clone(&slot);
        move || {
            waiter.store(this_thread(), Ordering::Relaxed);
            // A group can be raised again, so that a training that is stopped ends soon. A thread cannot.
            if !is_group_lower {
                lower_this_thread(nice);
            }
            let result = catch_unwind(AssertUnwindSafe(work));
            *slot.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(result);
        }
    })
    .inspect_err(|_| _ = raise_group())?;
    *job() = Some(Job { control: Arc::clone(control), thread });
    let joined = Joined;
    while job().as_ref().is_some_and(|job| !job.thread.is_finished()) && !heap::is_lost() {
        wait();
        watch();
        turns.extend();
    }
    drop(joined);
    heap::check()?;
    let result = slot.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
    match result {
        Some(Ok(value)) => Ok(value),
        Some(Err(panic)) => Err(internal(&panic_text(panic.as_ref()))),
        None => Err(internal("the thread left no result")),
    }
}

/// Lowers the priority of the calling thread, and of those that it starts. The main thread keeps its own: it may hold locks of
/// PostgreSQL that sessions wait for. Where the thread is lower already, it stays so.
fn lower_this_thread(nice: i32) {
    // SAFETY: plain numbers; of Linux, 0 is the calling thread and not its process.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice) };
}

/// Where Linux groups processes by session (`kernel.sched_autogroup_enabled`), every process of PostgreSQL is a group of its own,
/// and niceness counts within a group only; so the group is lowered while the thread runs. See sched(7), "The autogroup feature".
const AUTOGROUP: &str = "/proc/self/autogroup";
static IS_LOWERED: AtomicBool = AtomicBool::new(false);

/// False where there are no such groups.
fn lower_group(nice: i32) -> bool {
    let is_lowered = nice > 0 && std::fs::write(AUTOGROUP, nice.to_string()).is_ok();
    IS_LOWERED.store(is_lowered, Ordering::Relaxed);
    is_lowered
}

/// Tries to give the group its priority back; true where it has it.
fn raise_group() -> bool {
    if IS_LOWERED.load(Ordering::Relaxed) && std::fs::write(AUTOGROUP, "0").is_ok() {
        IS_LOWERED.store(false, Ordering::Relaxed);
    }
    !IS_LOWERED.load(Ordering::Relaxed)
}

fn wait() {
    // SAFETY: the latch of this process, in its main thread.
    unsafe {
        let events = pg_sys::WL_LATCH_SET | pg_sys::WL_TIMEOUT | pg_sys::WL_EXIT_ON_PM_DEATH;
        pg_sys::WaitLatch(pg_sys::MyLatch, events as i32, WAIT_MS as _, pg_sys::PG_WAIT_EXTENSION);
        pg_sys::ResetLatch(pg_sys::MyLatch);
    }
    session::pause();
}

/// As the kernel numbers it.
fn this_thread() -> i32 {
    // SAFETY: no arguments.
    unsafe { libc::syscall(libc::SYS_gettid) as i32 }
}

/// Starts a thread that no signal is delivered to but that of its turns.
fn spawn(body: impl FnOnce() + Send + 'static) -> Outcome<JoinHandle<()>> {
    // SAFETY: both sets are initialised before they are used, and the mask is restored.
    unsafe {
        let mut all: libc::sigset_t = std::mem::zeroed();
        let mut before: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&mut all);
        turns::unblock(&mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut before);
        let thread = std::thread::Builder::new().name("reco training".into()).spawn(body);
        libc::pthread_sigmask(libc::SIG_SETMASK, &before, std::ptr::null_mut());
        thread.map_err(Failure::no_thread)
    }
}

/// Returns freed memory to the operating system: a pooled connection that trained once would stay large otherwise.
fn return_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: no arguments to get wrong.
    unsafe {
        libc::malloc_trim(0)
    };
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|s| s.to_string());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic without a message".into())
}

fn internal(what: &str) -> Failure {
    Failure::new(pgrx::PgSqlErrorCode::ERRCODE_INTERNAL_ERROR, format!("the computation failed: {what}"))
}

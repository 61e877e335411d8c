//! Turns: a thread that computes gives way to sessions four times in a millisecond, whatever it computes.
//!
//! Linux lets a running thread go on until the next tick, up to 4 ms, though it has the lowest priority and a session was woken.
//! So a timer of its own interrupts each thread, and the signal's handler yields. Measured with pgbench on two processors (AMD
//! EPYC, Linux 6.18), the longest time of 99 % of its transactions: 1.8 ms without a training; beside one, by phase, 3.2 to 4.4 ms
//! where the loops yielded of themselves as far as they are ours, and 2.6 to 3.0 ms with timers, also where LightGBM computes.
//! Where nobody waits a turn takes about a microsecond.

use std::sync::atomic::AtomicI32;

#[cfg(target_os = "linux")]
pub use linux::{Turns, unblock};

/// The thread that only waits for those that compute; 0 until it runs.
pub type Waiter = AtomicI32;

#[cfg(target_os = "linux")]
mod linux {
    use std::sync::Arc;
    use std::sync::atomic::Ordering;

    use super::Waiter;

    /// How long a thread computes until it gives way, in nanoseconds.
    const TURN: libc::c_long = 250_000;

    /// PostgreSQL uses no real-time signal, and libc takes the lowest.
    fn signal() -> libc::c_int {
        libc::SIGRTMAX() - 3
    }

    /// Takes the signal of the turns out of a set of blocked ones.
    pub fn unblock(blocked: &mut libc::sigset_t) {
        // SAFETY: an initialised set, and a signal that exists.
        unsafe { libc::sigdelset(blocked, signal()) };
    }

    /// The timer goes on while the thread waits for its turn, so its signal is there again when that comes. Taken out, the thread
    /// computes until the next one; otherwise it would give way at once, and for ever where others compute all the time.
    extern "C" fn give_way(_: libc::c_int) {
        let now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: system calls on plain data, of which all zeros is a value; a handler may make them. The signal is blocked in it.
        unsafe {
            let mut waiting: libc::sigset_t = std::mem::zeroed();
            libc::sigaddset(&mut waiting, signal());
            let error = *libc::__errno_location();
            libc::sched_yield();
            libc::sigtimedwait(&waiting, std::ptr::null_mut(), &now);
            *libc::__errno_location() = error;
        }
    }

    /// The timers of the threads of one computation; ends them when it is dropped.
    pub struct Turns {
        waiter: Arc<Waiter>,
        timers: Vec<(libc::pid_t, libc::timer_t)>,
        is_on: bool,
    }

    impl Turns {
        /// Without effect where another library of this process has taken the signal.
        pub fn begin(waiter: Arc<Waiter>) -> Self {
            Turns { waiter, timers: Vec::new(), is_on: handle() }
        }

        /// Gives a timer to each thread of this process that has none, but the main one and the waiter. LightGBM starts its threads when
        /// it needs them, so this is to be called again and again.
        pub fn extend(&mut self) {
            let waiter = self.waiter.load(Ordering::Relaxed);
            if !self.is_on || waiter == 0 {
                return;
            }
            // SAFETY: no arguments.
            let main = unsafe { libc::getpid() };
            let Ok(threads) = std::fs::read_dir("/proc/self/task") else { return };
            for thread in threads.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()) {
                if thread != main && thread != waiter && self.timers.iter().all(|&(known, _)| known != thread) {
                    self.timers.extend(timer(thread).map(|timer| (thread, timer)));
                }
            }
        }
    }

    impl Drop for Turns {
        fn drop(&mut self) {
            for (_, timer) in self.timers.drain(..) {
                // SAFETY: made by `timer`, and deleted once.
                unsafe { libc::timer_delete(timer) };
            }
        }
    }

    /// Installs the handler, unless the signal has another one; true where it is ours.
    fn handle() -> bool {
        let ours = give_way as *const () as libc::sighandler_t;
        // SAFETY: both are plain data, of which all zeros is a value; the handler may run in any thread.
        unsafe {
            let mut present: libc::sigaction = std::mem::zeroed();
            libc::sigaction(signal(), std::ptr::null(), &mut present);
            if present.sa_sigaction == libc::SIG_DFL {
                let mut wanted: libc::sigaction = std::mem::zeroed();
                wanted.sa_sigaction = ours;
                wanted.sa_flags = libc::SA_RESTART;
                libc::sigaction(signal(), &wanted, &mut present);
                return true;
            }
            present.sa_sigaction == ours
        }
    }

    /// None where the thread has ended meanwhile, or the process may have no more timers.
    fn timer(thread: libc::pid_t) -> Option<libc::timer_t> {
        // SAFETY: plain data; the kernel refuses a thread that is not of this process.
        unsafe {
            let mut event: libc::sigevent = std::mem::zeroed();
            event.sigev_notify = libc::SIGEV_THREAD_ID;
            event.sigev_signo = signal();
            event.sigev_notify_thread_id = thread;
            let mut timer: libc::timer_t = std::mem::zeroed();
            if libc::timer_create(libc::CLOCK_MONOTONIC, &mut event, &mut timer) != 0 {
                return None;
            }
            let turn = libc::timespec { tv_sec: 0, tv_nsec: TURN };
            libc::timer_settime(
                timer,
                0,
                &libc::itimerspec { it_interval: turn, it_value: turn },
                std::ptr::null_mut(),
            );
            Some(timer)
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod elsewhere {
    use std::sync::Arc;

    /// Other kernels are left to their own ways.
    pub struct Turns;

    impl Turns {
        pub fn begin(_: Arc<super::Waiter>) -> Self {
            Turns
        }

        pub fn extend(&mut self) {}
    }

    pub fn unblock(_: &mut libc::sigset_t) {}
}

#[cfg(not(target_os = "linux"))]
pub use elsewhere::{Turns, unblock};

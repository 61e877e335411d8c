//! Rust's memory in a server process, where a lack of it must be an error of one statement.
//!
//! A failed allocation of Rust aborts the process, and PostgreSQL then restarts the whole cluster. An allocator may not
//! unwind either. So there are three lines of defence:
//!
//! 1. What grows with the data is asked for beforehand, and a refusal is an ordinary error: `reco_models::room` and
//!    `reco_models::require`.
//! 2. A call holds a reserve: address space that is never touched. If another allocation fails, the reserve is given back to the
//!    system, the allocation is repeated, and the next check of the call ([`check`]) raises the error.
//! 3. Where that is not enough either, this session ends with FATAL, and the others go on. Nothing unwinds and no frame
//!    is jumped over: the process exits. A thread that is not the main one waits for that for ever.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ffi::{c_char, c_int};
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};

use pgrx::pg_sys;

use crate::failure::{Failure, Outcome};

/// The reserve of a call, in bytes: more than a block of items takes, between two checks.
pub const OF_A_CALL: usize = 4 << 20;
/// The reserve of a training: more than its threads take between two checks, apart from what was estimated.
pub const OF_A_TRAINING: usize = 64 << 20;

struct Heap;

#[global_allocator]
static HEAP: Heap = Heap;

static RESERVE: AtomicPtr<u8> = AtomicPtr::new(ptr::null_mut());
static RESERVED: AtomicUsize = AtomicUsize::new(0);
/// Bytes of the request that the reserve was given up for; 0: none.
static SHORT: AtomicUsize = AtomicUsize::new(0);
/// A thread waits for the end of the process.
static IS_LOST: AtomicBool = AtomicBool::new(false);
/// The main thread, as pthread_self gives it; 0 in a process that is not a server's.
static MAIN: AtomicUsize = AtomicUsize::new(0);
/// How the main thread ends. By a pointer, because a program that is not a server's has this allocator too, for tests.
static END: OnceLock<fn()> = OnceLock::new();

// SAFETY: the system's allocator, asked once more after the reserve was given back.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller says.
        or_again(layout.size(), || unsafe { System.alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller says.
        or_again(layout.size(), || unsafe { System.alloc_zeroed(layout) })
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as the caller says; a refusal leaves the old block as it is.
        or_again(size, || unsafe { System.realloc(old, layout, size) })
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as the caller says.
        unsafe { System.dealloc(block, layout) }
    }
}

#[inline]
fn or_again(bytes: usize, allocate: impl Fn() -> *mut u8) -> *mut u8 {
    let block = allocate();
    if block.is_null() { again(bytes, allocate) } else { block }
}

#[cold]
fn again(bytes: usize, allocate: impl Fn() -> *mut u8) -> *mut u8 {
    if reco_models::is_asking() {
        return ptr::null_mut();
    }
    SHORT.store(bytes, Ordering::Relaxed);
    give_back();
    let block = allocate();
    if block.is_null() { end_session() } else { block }
}

fn give_back() {
    let reserve = RESERVE.swap(ptr::null_mut(), Ordering::AcqRel);
    if !reserve.is_null() {
        // SAFETY: mapped by `hold` with this length, and taken out of its place once.
        unsafe { libc::munmap(reserve.cast(), RESERVED.load(Ordering::Acquire)) };
    }
}

/// Holds a reserve of that size from now on; to be called in the main thread at the beginning of a call.
///
/// # Errors
/// 53200 where there is not that much.
pub fn hold(bytes: usize) -> Outcome<()> {
    SHORT.store(0, Ordering::Relaxed);
    if RESERVED.load(Ordering::Acquire) == bytes && !RESERVE.load(Ordering::Acquire).is_null() {
        return Ok(());
    }
    give_back();
    let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: a new mapping that nothing else refers to.
    let reserve = unsafe { libc::mmap(ptr::null_mut(), bytes, access, kind, -1, 0) };
    if reserve == libc::MAP_FAILED {
        return Err(Failure::out_of_memory(bytes as u64));
    }
    RESERVED.store(bytes, Ordering::Release);
    RESERVE.store(reserve.cast(), Ordering::Release);
    Ok(())
}

/// Bytes of a request that only the reserve made possible; the call should end.
pub fn shortage() -> Option<u64> {
    Some(SHORT.load(Ordering::Relaxed) as u64).filter(|bytes| *bytes > 0)
}

/// # Errors
/// 53200 after a shortage, once.
pub fn check() -> Outcome<()> {
    let Some(bytes) = shortage() else { return Ok(()) };
    SHORT.store(0, Ordering::Relaxed);
    Err(Failure::out_of_memory(bytes))
}

/// Whether a thread waits for the end of the process.
pub fn is_lost() -> bool {
    IS_LOST.load(Ordering::Acquire)
}

/// Remembers the main thread and how it ends; to be called in it when the library is loaded.
pub fn start() {
    // SAFETY: no arguments.
    MAIN.store(unsafe { libc::pthread_self() } as usize, Ordering::Relaxed);
    let _ = END.set(exit);
}

unsafe extern "C" {
    // PostgreSQL's, without pgrx's wrappers: these set a handler, and here nothing comes back.
    fn errstart(level: c_int, domain: *const c_char) -> bool;
    fn errcode(code: c_int) -> c_int;
    fn errmsg_internal(format: *const c_char, ...) -> c_int;
    fn errfinish(file: *const c_char, line: c_int, function: *const c_char);
    /// Of C++: what `new` calls where it finds no memory.
    #[link_name = "_ZSt15set_new_handlerPFvvE"]
    fn set_new_handler(handler: Option<unsafe extern "C" fn()>) -> Option<unsafe extern "C" fn()>;
}

/// Ends the process with FATAL; in another thread than the main one, leaves that to the main one.
pub fn end_session() -> ! {
    // SAFETY: no arguments.
    let this = unsafe { libc::pthread_self() } as usize;
    if this == MAIN.load(Ordering::Relaxed)
        && let Some(exit) = END.get()
    {
        exit();
    }
    IS_LOST.store(true, Ordering::Release);
    loop {
        // SAFETY: no arguments. The thread has all signals blocked.
        unsafe { libc::sleep(1) };
    }
}

/// With PostgreSQL's own clean-up, in memory that it keeps for that.
fn exit() {
    // SAFETY: the main thread; FATAL exits the process.
    unsafe {
        if errstart(pg_sys::FATAL as c_int, ptr::null()) {
            errcode(pgrx::PgSqlErrorCode::ERRCODE_OUT_OF_MEMORY as c_int);
            errmsg_internal(c"out of memory in reco".as_ptr());
            errfinish(c"heap.rs".as_ptr(), 0, c"exit".as_ptr());
        }
    }
}

/// While it lives, memory that C++ cannot get is treated like Rust's: LightGBM would end the process.
pub struct WithCpp(Option<unsafe extern "C" fn()>);

impl WithCpp {
    pub fn new() -> Self {
        // SAFETY: the handler frees memory or does not return, as C++ demands.
        WithCpp(unsafe { set_new_handler(Some(cpp_is_short)) })
    }
}

impl Drop for WithCpp {
    fn drop(&mut self) {
        // SAFETY: what was set before.
        unsafe { set_new_handler(self.0) };
    }
}

/// `new` tries again after it.
unsafe extern "C" fn cpp_is_short() {
    if RESERVE.load(Ordering::Acquire).is_null() {
        end_session();
    }
    SHORT.store(1, Ordering::Relaxed);
    give_back();
}

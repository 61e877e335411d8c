//! One block of memory that all processes of the server share. Where `shared_preload_libraries` has reco it is a part of the
//! server's main shared memory; elsewhere the first process that wants it makes a dynamic segment, which stays until the server
//! stops, and leaves its handle in a file for the others. Neither needs a transaction id, so both work on a standby.

use std::fs::{self, File};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::panic::AssertUnwindSafe;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering};

use pgrx::PgTryBuilder;
use pgrx::prelude::*;

use crate::failure::{Failure, Outcome};
use crate::pg::subtransaction::without_locks;

/// Where the block lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Reserved when the server started.
    Preloaded,
    /// A segment that was made when it was first needed.
    Segment,
}

impl Place {
    pub fn name(self) -> &'static str {
        match self {
            Place::Preloaded => "preloaded",
            Place::Segment => "segment",
        }
    }
}

/// Set in the postmaster, whose children have it from then on.
static PRELOADED: AtomicPtr<u8> = AtomicPtr::new(ptr::null_mut());
static SIZE: AtomicUsize = AtomicUsize::new(0);
static mut PREVIOUS_REQUEST: pg_sys::shmem_request_hook_type = None;
static mut PREVIOUS_STARTUP: pg_sys::shmem_startup_hook_type = None;

/// Asks for the block while the server starts; does nothing in a process that loads the library later.
pub fn request(size: usize) {
    // SAFETY: the postmaster, before it has children. The hooks are chained as PostgreSQL wants it.
    unsafe {
        if !pg_sys::process_shared_preload_libraries_in_progress {
            return;
        }
        SIZE.store(size, Ordering::Relaxed);
        PREVIOUS_REQUEST = pg_sys::shmem_request_hook;
        pg_sys::shmem_request_hook = Some(reserve);
        PREVIOUS_STARTUP = pg_sys::shmem_startup_hook;
        pg_sys::shmem_startup_hook = Some(start);
    }
}

#[expect(ffi_unwind_calls, reason = "the call is in pgrx's guard")]
fn call(hook: Option<unsafe extern "C-unwind" fn()>) {
    if let Some(hook) = hook {
        // SAFETY: what another library set as a hook of this kind.
        unsafe { pg_sys::ffi::pg_guard_ffi_boundary(|| hook()) };
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn reserve() {
    // SAFETY: the one place where this may be asked for.
    unsafe {
        call(PREVIOUS_REQUEST);
        pg_sys::RequestAddinShmemSpace(SIZE.load(Ordering::Relaxed));
    }
}

/// Also after a crash, when the memory is made anew. The postmaster is alone, so no lock is needed.
#[pg_guard]
unsafe extern "C-unwind" fn start() {
    let size = SIZE.load(Ordering::Relaxed);
    // SAFETY: the block has that size, and nobody else has it yet.
    unsafe {
        call(PREVIOUS_STARTUP);
        let mut found = false;
        let block = pg_sys::ShmemInitStruct(c"reco".as_ptr(), size, &mut found).cast::<u8>();
        if !found {
            block.write_bytes(0, size);
        }
        PRELOADED.store(block, Ordering::Release);
    }
}

/// The block of `size` bytes, which were zero when it was made; aligned to eight, and there as long as this process. `layout`
/// names what it holds: another release of the library, which the server may load before the older one's sessions have ended,
/// gets a block of its own. None where none can be had now.
pub fn block(size: usize, layout: &str) -> Option<(*mut u8, Place)> {
    let preloaded = PRELOADED.load(Ordering::Acquire);
    if !preloaded.is_null() && SIZE.load(Ordering::Relaxed) >= size {
        return Some((preloaded, Place::Preloaded));
    }
    // What calls this must not fail because it cannot be counted.
    let found = PgTryBuilder::new(AssertUnwindSafe(|| segment(size, layout)))
        .catch_others(|error| Err(Failure::caught(&error)))
        .execute();
    match found {
        Ok(found) => found.map(|start| (start, Place::Segment)),
        Err(failure) => {
            pgrx::log!("reco: there is no shared memory: {}", failure.text());
            None
        }
    }
}

/// Before the block in a segment.
#[repr(C)]
struct Head {
    /// Not the first bytes of any segment of PostgreSQL's own, which a stale handle could lead to.
    magic: AtomicU64,
    size: AtomicU64,
}

const MAGIC: u64 = 0x7265_636f_2d62_6c6b;

fn segment(size: usize, layout: &str) -> Outcome<Option<*mut u8>> {
    let Some(mut file) = locked(layout) else { return Ok(None) };
    let mut text = String::new();
    let known = Read::by_ref(&mut file).take(16).read_to_string(&mut text).ok().and_then(|_| text.parse().ok());
    if let Some(start) = known.and_then(|handle| attach(handle, size)) {
        return Ok(Some(start));
    }
    // SAFETY: no arguments.
    if unsafe { pg_sys::IsInParallelMode() } {
        // A subtransaction is not allowed here; the next call of a session makes it.
        return Ok(None);
    }
    // If it fails, what was begun ends with the subtransaction.
    let Some((handle, start)) = without_locks(|| create(size)) else { return Ok(None) };
    let written = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| write!(file, "{handle}"));
    Ok(written.ok().map(|()| start))
}

/// The file with the handle, locked until it is closed. The server removes it when it starts, and leaves it out of base backups.
fn locked(layout: &str) -> Option<File> {
    let _ = fs::DirBuilder::new().mode(0o700).recursive(true).create("base/pgsql_tmp");
    let mut options = fs::OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_CLOEXEC);
    let file = options.open(format!("base/pgsql_tmp/pgsql_tmp_reco_counters.{layout}")).ok()?;
    // Held for microseconds.
    (file.metadata().ok()?.is_file() && file.lock().is_ok()).then_some(file)
}

/// None where the segment is gone, as after a crash, or another one has its handle now.
fn attach(handle: u32, size: usize) -> Option<*mut u8> {
    // SAFETY: gives a mapping or null; the mapping stays until the process ends.
    unsafe {
        let mapped = pg_sys::dsm_find_mapping(handle);
        let segment = if mapped.is_null() { pg_sys::dsm_attach(handle) } else { mapped };
        if segment.is_null() {
            return None;
        }
        let whole = size_of::<Head>() + size;
        let start = pg_sys::dsm_segment_address(segment).cast::<u8>();
        let head = &*start.cast::<Head>();
        let is_right = pg_sys::dsm_segment_map_length(segment) >= whole
            && head.magic.load(Ordering::Acquire) == MAGIC
            && head.size.load(Ordering::Relaxed) == size as u64;
        match is_right {
            true if mapped.is_null() => pg_sys::dsm_pin_mapping(segment),
            false if mapped.is_null() => pg_sys::dsm_detach(segment),
            _ => (),
        }
        is_right.then(|| start.add(size_of::<Head>()))
    }
}

/// A new segment, and the handle by which others attach it.
fn create(size: usize) -> Option<(u32, *mut u8)> {
    let whole = size_of::<Head>() + size;
    // SAFETY: a mapping of that size, or null, which nobody else has yet. Pinned twice: to outlive the transaction, and this
    // process.
    unsafe {
        let segment = pg_sys::dsm_create(whole, pg_sys::DSM_CREATE_NULL_IF_MAXSEGMENTS as _);
        if segment.is_null() {
            return None;
        }
        pg_sys::dsm_pin_mapping(segment);
        pg_sys::dsm_pin_segment(segment);
        let start = pg_sys::dsm_segment_address(segment).cast::<u8>();
        start.write_bytes(0, whole);
        let head = &*start.cast::<Head>();
        head.size.store(size as u64, Ordering::Relaxed);
        head.magic.store(MAGIC, Ordering::Release);
        Some((pg_sys::dsm_segment_handle(segment), start.add(size_of::<Head>())))
    }
}

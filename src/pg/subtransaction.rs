//! Parts of a transaction: reading that leaves no locks behind, and work that may fail without failing the rest.

use std::panic::AssertUnwindSafe;

use pgrx::PgTryBuilder;
use pgrx::pg_sys;

use crate::failure::{Failure, Outcome};

/// Ends the subtransaction, also where an error unwinds.
struct RollBack {
    context: pg_sys::MemoryContext,
    owner: pg_sys::ResourceOwner,
}

impl Drop for RollBack {
    fn drop(&mut self) {
        // SAFETY: ends what `without_locks` began, and restores what was in force then, as PL/pgSQL does.
        unsafe {
            pg_sys::RollbackAndReleaseCurrentSubTransaction();
            pg_sys::CurrentMemoryContext = self.context;
            pg_sys::CurrentResourceOwner = self.owner;
        }
    }
}

/// Runs `work`, which only reads, and releases the locks on tables that it took. Otherwise these last to the end of the
/// caller's transaction: an ALTER TABLE would wait for a whole training, and all queries behind it.
///
/// That is what a subtransaction does that is rolled back. Its snapshot is the caller's, and what SERIALIZABLE noted as
/// read stays noted. What functions of the site write while they are read is undone. What `work` gives must be Rust's.
pub fn without_locks<R>(work: impl FnOnce() -> R) -> R {
    // SAFETY: the main thread, inside a transaction. The memory context stays the caller's, as SPI's own must.
    let _end = unsafe {
        let end = RollBack { context: pg_sys::CurrentMemoryContext, owner: pg_sys::CurrentResourceOwner };
        pg_sys::BeginInternalSubTransaction(std::ptr::null());
        pg_sys::CurrentMemoryContext = end.context;
        end
    };
    work()
}

/// Runs `work`, which may write: what it wrote stays if it succeeds, and is undone if it fails, in whatever way.
pub fn attempt<T>(work: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
    // SAFETY: as above.
    let end = unsafe {
        let end = RollBack { context: pg_sys::CurrentMemoryContext, owner: pg_sys::CurrentResourceOwner };
        pg_sys::BeginInternalSubTransaction(std::ptr::null());
        pg_sys::CurrentMemoryContext = end.context;
        end
    };
    let outcome =
        PgTryBuilder::new(AssertUnwindSafe(work)).catch_others(|error| Err(Failure::caught(&error))).execute();
    if outcome.is_ok() {
        let RollBack { context, owner } = *std::mem::ManuallyDrop::new(end);
        // SAFETY: ends the subtransaction as one that succeeded, and restores what was in force before.
        unsafe {
            pg_sys::ReleaseCurrentSubTransaction();
            pg_sys::CurrentMemoryContext = context;
            pg_sys::CurrentResourceOwner = owner;
        }
    }
    outcome
}

//! Reading that leaves no locks behind.

use pgrx::pg_sys;

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

//! Memory of PostgreSQL that is given back before the transaction ends.

use pgrx::PgMemoryContexts;

/// Runs `work` in a memory context of its own, which is freed afterwards: the parameters of a statement live in the
/// current context, and those of a thousand statements would add up to the whole model. Nothing that PostgreSQL
/// allocated may be returned.
pub fn scoped<R>(work: impl FnOnce() -> R) -> R {
    let mut context = PgMemoryContexts::new("reco batch");
    // SAFETY: the context outlives the closure, and what is returned is Rust's.
    unsafe { context.switch_to(|_| work()) }
}

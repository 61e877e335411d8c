//! The PostgreSQL side of reco: SQL functions, reading, storing, caching, settings and interrupts. It does no
//! arithmetic on factors; that is `reco-models`, which in turn knows nothing of PostgreSQL.

// An error of PostgreSQL jumps over Rust's frames, unless pgrx's wrappers turn it into a panic. A call around them is a
// mistake.
#![deny(ffi_unwind_calls)]

use pgrx::prelude::*;

mod api;
mod cache;
mod failure;
mod online;
mod pg;
mod read;
mod settings;
mod site;
mod store;

::pgrx::pg_module_magic!(name, version);

extension_sql_file!("../sql/schema.sql", name = "schema", bootstrap);
extension_sql_file!("../sql/experiments.sql", name = "experiments", requires = ["schema"]);
extension_sql_file!("../sql/functions.sql", name = "functions", requires = ["schema"]);
extension_sql_file!("../sql/grants.sql", name = "grants", finalize);

/// Threads are never started here: the postmaster may load the library and fork.
#[pg_guard]
pub extern "C-unwind" fn _PG_init() {
    pg::heap::start();
    settings::define();
    pg::shared::request(online::counters::SIZE);
}

#[cfg(feature = "pg_test")]
#[pg_schema]
mod tests {
    // pg_schema wants the module's body in place; one file holds the tests of one property.
    use pgrx::prelude::*;

    include!("../pg_test/alerts.rs");
    include!("../pg_test/arguments.rs");
    include!("../pg_test/clicks.rs");
    include!("../pg_test/common.rs");
    include!("../pg_test/configure.rs");
    include!("../pg_test/counters.rs");
    include!("../pg_test/crowd.rs");
    include!("../pg_test/damage.rs");
    include!("../pg_test/evaluate.rs");
    include!("../pg_test/events.rs");
    include!("../pg_test/experiment.rs");
    include!("../pg_test/explain.rs");
    include!("../pg_test/feedback.rs");
    include!("../pg_test/forget.rs");
    include!("../pg_test/health.rs");
    include!("../pg_test/hostile.rs");
    include!("../pg_test/keys.rs");
    include!("../pg_test/lost.rs");
    include!("../pg_test/names.rs");
    include!("../pg_test/nightly.rs");
    include!("../pg_test/online.rs");
    include!("../pg_test/plans.rs");
    include!("../pg_test/predict.rs");
    include!("../pg_test/guests.rs");
    include!("../pg_test/reason.rs");
    include!("../pg_test/recommend.rs");
    include!("../pg_test/registry.rs");
    include!("../pg_test/repeated.rs");
    include!("../pg_test/rights.rs");
    include!("../pg_test/rotation.rs");
    include!("../pg_test/rows.rs");
    include!("../pg_test/score.rs");
    include!("../pg_test/seen.rs");
    include!("../pg_test/serve.rs");
    include!("../pg_test/settings.rs");
    include!("../pg_test/similar.rs");
    include!("../pg_test/tags.rs");
    include!("../pg_test/tenants.rs");
    include!("../pg_test/text.rs");
    include!("../pg_test/times.rs");
    include!("../pg_test/train.rs");
    include!("../pg_test/trending.rs");
    include!("../pg_test/variety.rs");
}

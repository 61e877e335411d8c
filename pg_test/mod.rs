//! What only a backend can tell.

use pgrx::prelude::*;

#[pg_test]
fn without_a_schema_the_error_says_how_to_configure() {
    let error = std::panic::catch_unwind(|| Spi::run("SELECT * FROM reco_score(1, '{1}')"));
    assert!(error.is_err());
}

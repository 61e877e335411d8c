//! Fuzzing of what reads bytes and options: nothing that is given may end in a panic, in an allocation that does not fit
//! the input, or in an answer that breaks the type's promise.
//!
//!     cargo test --release -p reco-models --test fuzz                     (in make test)
//!     FUZZ_RUNS=10000000 FUZZ_SEED=7 cargo test (as above) -- --nocapture  (in make prove)
//!
//! It runs on a stable compiler: inputs are mutated from a corpus, which grows by each input that gets an answer no other
//! one got. The corpus begins with models trained here, which are of the current format, and with options.txt. A failed
//! run names its seed and number, and keeps its input in the temporary directory.

#[path = "../common/mod.rs"]
mod common;

mod codec;
mod driver;
mod mutate;
mod options;
mod parts;

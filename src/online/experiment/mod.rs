//! Experiments: which variant serves a user, what the others would have shown, and what came of it. The mathematics are in
//! `reco-models`; here are its rows.

mod assign;
mod check;
mod offline;
mod options;
mod record;
mod report;
pub mod shadow;
mod variant;

pub use assign::{Answer, Assignment, Shadowing, assign, variant_of};
pub use check::{check, judge, outlives, outliving};
pub use offline::offline;
pub use record::{promote, start, stop};
pub use report::{Line, report};
pub use variant::Variant;

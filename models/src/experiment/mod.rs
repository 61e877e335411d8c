//! Experiments: who gets which variant, and what the outcomes tell. Nothing here knows of models or items' scores.
//!
//! Every interval and every test here may be looked at every day, and the experiment ended at the first look that tells: it
//! holds at all looks together what it promises. Except one: `tally` also has an interval for a single look, for figures that
//! decide nothing.

pub mod assign;
pub mod confidence;
pub mod interleave;
pub mod off_policy;
pub mod ratio;
pub mod size;
pub mod tally;
pub mod verdict;

#[cfg(test)]
mod simulation;

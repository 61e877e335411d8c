//! A run: split, choose, fit, evaluate, decide. [`train`] is the walk through it; each step has a file.

pub mod budget;
pub mod choose;
pub mod evaluate;
pub mod fit;
pub mod gate;
pub mod memory;
pub mod metrics;
pub mod params;
pub mod prepare;
pub mod reevaluate;
pub mod refit;
pub mod report;
pub mod train;
pub mod variety;
pub mod weights;

//! A run: split, choose, fit, evaluate, decide.

pub mod budget;
pub mod choose;
pub mod evaluate;
pub mod gate;
pub mod metrics;
pub mod params;
pub mod train;

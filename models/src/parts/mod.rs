//! The parts of the model. Each can be fitted and scored by itself, and knows neither the ensemble nor the run.

pub mod als;
pub mod collaborative;
pub mod content;
pub mod neighbours;
pub mod popularity;
pub mod ratings;
pub mod rules;

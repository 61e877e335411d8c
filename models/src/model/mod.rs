//! The model that is stored and scored: the parts on one scale, in one weighted mean.

pub mod calibration;
pub mod ensemble;
// A newcomer looks for the model in a file of that name.
#[allow(clippy::module_inception)]
pub mod model;
pub mod profile;
pub mod score;
pub mod uncalibrated;

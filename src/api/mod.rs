//! The SQL functions.

mod configure;
mod explain;
mod health;
mod predict;
mod reader;
// reco_recommend is what shows reasons.
#[allow(dead_code)]
mod reason;
mod registry;
mod score;
mod train;

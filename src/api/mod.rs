//! The SQL functions.

mod configure;
mod predict;
mod registry;
mod score;
mod train;

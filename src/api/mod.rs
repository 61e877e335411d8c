//! The SQL functions.

mod configure;
mod registry;
mod score;
mod train;

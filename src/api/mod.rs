//! The SQL functions.

mod configure;
mod reader;
mod registry;
mod score;
mod train;

//! The SQL functions.

mod arguments;
mod configure;
mod explain;
mod health;
mod key;
mod predict;
mod reason;
mod recommend;
mod registry;
mod score;
mod similar;
mod train;
mod trending;

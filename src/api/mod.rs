//! The SQL functions.

mod arguments;
mod audience;
mod configure;
mod evaluate;
mod experiment;
mod explain;
mod forget;
mod health;
mod key;
mod metrics;
mod names;
mod nightly;
mod online;
mod predict;
mod reason;
mod recommend;
mod registry;
mod runs;
mod schedule;
mod score;
mod serve;
mod similar;
mod similar_users;
mod train;
mod trending;
mod version;

#[cfg(feature = "pg_test")]
pub use reason::{liked, sentence};

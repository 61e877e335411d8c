//! Thin, safe wrappers of what PostgreSQL offers: catalogue look-ups, memory contexts, notices, rights, the session,
//! SPI, worker threads.

pub mod catalog;
pub mod memory;
pub mod notice;
pub mod owner;
pub mod session;
pub mod spi;
pub mod worker;

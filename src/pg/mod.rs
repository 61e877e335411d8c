//! Thin, safe wrappers of what PostgreSQL offers: notices, rights, SPI, worker threads.

pub mod notice;
pub mod owner;
pub mod spi;
pub mod worker;

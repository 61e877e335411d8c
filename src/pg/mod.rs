//! Thin, safe wrappers of what PostgreSQL offers: SPI, rights, worker threads.

pub mod owner;
pub mod spi;
pub mod worker;

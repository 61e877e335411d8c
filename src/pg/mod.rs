//! Thin, safe wrappers of what PostgreSQL offers: catalogue look-ups, memory contexts, notices, rights, the session,
//! SPI, subtransactions, worker threads, and memory: Rust's, and what the system has left.

pub mod catalog;
pub mod headroom;
pub mod heap;
pub mod keys;
pub mod lock;
pub mod memory;
pub mod notice;
pub mod owner;
pub mod session;
pub mod spi;
pub mod subtransaction;
pub mod worker;

//! Thin, safe wrappers of what PostgreSQL offers: catalogue look-ups, memory contexts, notices, rights, releases, the session,
//! SPI, subtransactions, lines in the log, shared memory, worker threads and their turns, background processes and what they tell, and memory: Rust's, and what the system has left.

pub mod background;
pub mod board;
pub mod catalog;
pub mod handover;
pub mod headroom;
pub mod heap;
pub mod keys;
pub mod lock;
pub mod log;
pub mod memory;
pub mod notice;
pub mod owner;
pub mod release;
pub mod session;
pub mod shared;
pub mod spi;
pub mod subtransaction;
pub mod turns;
pub mod worker;

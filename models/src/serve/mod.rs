//! Answers: which items, in which order and why, from the bytes of a model.

pub mod codec;
pub mod diversity;
pub mod explain;
pub mod explore;
pub mod reason;
pub mod recommend;
pub mod retrieve;
pub mod similar;

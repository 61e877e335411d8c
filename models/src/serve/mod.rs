//! Answers of a model: which items, in which order, and why; and a model as bytes.

pub mod codec;
pub mod crowd;
pub mod diversity;
pub mod explain;
pub mod explore;
pub mod reason;
pub mod recommend;
pub mod retrieve;
pub mod rotate;
pub mod similar;

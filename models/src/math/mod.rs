//! Loops over numbers, compiled for the instruction sets that processors have.

pub mod inverse;
pub mod isa;
pub mod kernel;
pub mod product;
pub mod simd;
pub mod topk;
pub mod vector;

//! Reading the sources: which relations they are, everything at once for a training, one user's rows for a score.

pub mod bulk;
pub mod index;
pub mod live;
pub mod mapping;
pub mod recent;

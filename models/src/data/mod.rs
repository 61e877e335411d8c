//! Users, items and their interactions, as every part of a model reads them.

pub mod clicks;
pub mod column;
pub mod cut;
pub mod dataset;
pub mod description;
pub mod feedback;
pub mod items;
pub mod key;
pub mod labels;
pub mod room;
pub mod split;
pub mod vectors;
pub mod words;

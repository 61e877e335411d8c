//! What is read of the sources: everything for a training, one user's rows and a few items for an answer. Each is a
//! method of the [`Site`](crate::site::Site), and reads in the caller's snapshot with the caller's rights.

mod bulk;
mod crowd;
mod interactions;
mod items;
mod keys;
mod outcomes;
mod reader;
mod recent;
mod record;
mod skipped;
mod trend;

pub use bulk::Read;
pub use items::each_once;
pub use outcomes::{Deed, Deeds};
pub use reader::{ModelReader, RulesReader};
pub use recent::Event;
pub use trend::Trend;

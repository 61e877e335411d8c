//! What was shown, what came of it, and what is shown next because of that; and how the functions and the models did. Tables of
//! the schema `reco` are read and written as the extension's owner, the site's favourites and reviews as the caller.

pub mod alert;
pub mod announce;
pub mod check;
pub mod counters;
pub mod experiment;
pub mod feedback;
pub mod fingerprint;
pub mod impression;
pub mod metrics;
pub mod outcomes;
pub mod report;
mod request;
pub mod retention;
pub mod rotation;
pub mod signals;
pub mod training;

pub use request::RequestId;

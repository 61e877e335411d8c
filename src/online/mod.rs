//! What was shown, what came of it, and what is shown next because of that. Tables of the schema `reco` are read and written
//! as the extension's owner, the site's favourites and reviews as the caller.

pub mod experiment;
pub mod feedback;
pub mod impression;
pub mod outcomes;
pub mod report;
mod request;
pub mod retention;
pub mod rotation;

pub use request::RequestId;

//! The model registry: writing a trained model in one transaction, reading it back, and which one is active.

mod features;
mod load;
mod registry;
mod runs;
mod save;

pub use load::{Active, ModelKey, active, keys, load_champion, served, user_factor};
pub use registry::{activate, active_now, drop_model, lock, rollback};
pub use runs::{Run, known_users, run};
pub use save::{Saved, register, save};

//! The model registry: writing a trained model in one transaction, reading it back, and which one is active.

mod clicks;
mod features;
mod forget;
pub mod journal;
mod load;
mod registry;
mod runs;
mod save;
mod subscriber;
mod trainer;

pub use clicks::clicks;
pub use forget::{Forgotten, forget};
pub use load::{
    Active, ModelKey, StoredModel, UserFactor, active, each_user_factor, keys, load_champion, served, stored, twin,
    user_factor, user_factors,
};
pub use registry::{activate, active_now, drop_model, lock, lock_mapping, names, revisions_now, rollback};
pub use runs::{Run, known_users, run};
pub use save::{Saved, register, save};
pub use subscriber::refuse_on_subscriber;
pub use trainer::{keep_others_from_training, keep_others_from_training_in_process};

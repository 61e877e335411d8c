//! The models of reco, with no PostgreSQL in them: data in, models out, and nothing read from an environment or a file.
//! Seeds and threads are arguments.
//!
//! Six layers; each uses only those below it, and `learn` and `serve` know nothing of each other:
//!
//! ```text
//! learn   a run: train, choose, evaluate, decide
//! serve   answers: find candidates, rank, explain, encode
//! model   what is stored and scored
//! parts   als, neighbours, content, popularity, ratings, rules
//! data    users, items and interactions
//! math    kernels that know of numbers only
//! ```

mod control;
mod data;
mod error;
mod learn;
mod math;
mod model;
mod parts;
mod serve;

pub use control::{Control, Phase};
pub use data::column::Bytes;
pub use data::dataset::{Accounts, Catalog, Dataset, Favorites, History, NONE, Ratings, Row, Sources};
pub use data::feedback::Feedback;
pub use data::items::{Exposure, ItemInfo, ItemTable};
pub use data::split::SplitKind;
pub use error::{Error, Result};
pub use learn::evaluate::Summary;
pub use learn::gate::Decision;
pub use learn::metrics::Metrics;
pub use learn::params::{NUMBERS, NumberOption, Params, ValidParams, WeightChoice};
pub use learn::train::{Champion, Choice, Trained, estimate_memory, train};
pub use model::ensemble::{PART_NAMES, Parts, Weights};
pub use model::model::Model;
pub use model::profile::{UserSummary, fingerprint, summarise};
pub use model::score::{Scored, Source, Target};
pub use model::uncalibrated::User;
pub use parts::ratings::{Rater, RatingEvidence, RatingModel, UserPrior};
pub use parts::rules::{MOST_POINTS, Taste};
pub use serve::codec::{decode, encode, hash, image, open_image, verify};
pub use serve::diversity::diversify;
pub use serve::explain::{Evidence, Term};
pub use serve::explore::{Explored, RARELY, explore, explore_seed};
pub use serve::reason::Reason;
pub use serve::recommend::Pick;
pub use serve::retrieve::{EXHAUSTIVE, ServedModel};
pub use serve::similar::{Kinship, Similar};

/// The single steps of a run, for whoever measures one by itself (tests/peers).
pub mod steps {
    pub use crate::data::feedback::Interactions;
    pub use crate::data::split::{Split, core, split};
    pub use crate::learn::evaluate::sample;
    pub use crate::learn::metrics::{judge, mean, paired_interval};
    pub use crate::learn::train::{HOLDOUT_SALT, VALIDATION_SALT};
    pub use crate::math::topk::top;
    pub use crate::parts::als::{AlsParams, Factorisation, factorise};
    pub use crate::parts::neighbours::{NeighbourParams, Neighbours};
}

/// The kernels by instruction set, for whoever measures them (tests/kernels).
#[doc(hidden)]
pub mod kernels {
    pub use crate::math::isa::Isa;
    pub use crate::math::kernel::{rank_update_on, solve_on};
    pub use crate::math::simd::{dot_on, dot_rows_of_bytes_on, dot_rows_on};
    pub use crate::math::topk::top_on;
    pub use crate::model::calibration::Calibration;
    pub use crate::parts::als::{Basis, Side, Solver};
    pub use crate::parts::content::{Forest, LANES, Splits};
}

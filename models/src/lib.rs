//! The models of reco, with no PostgreSQL in them: data in, models out, and nothing read from an environment,
//! a clock or a file. Seeds and threads are arguments.

mod als;
mod budget;
mod calibration;
mod choose;
mod codec;
mod collaborative;
mod column;
mod content;
mod control;
mod dataset;
mod diversity;
mod ensemble;
mod error;
mod evaluate;
mod explain;
mod explore;
mod feedback;
mod gate;
mod items;
mod kernel;
mod metrics;
mod model;
mod neighbours;
mod params;
mod popularity;
mod profile;
mod ratings;
mod reason;
mod recommend;
mod retrieve;
mod rules;
mod simd;
mod similar;
mod split;
mod topk;
mod train;

pub use codec::{decode, encode, hash, image, open_image, verify};
pub use column::Bytes;
pub use control::{Control, Phase};
pub use dataset::{Accounts, Catalog, Dataset, Favorites, History, NONE, Ratings, Row, Sources};
pub use diversity::diversify;
pub use ensemble::{PART_NAMES, Parts, Weights};
pub use error::{Error, Result};
pub use evaluate::Summary;
pub use explain::{Evidence, Term};
pub use explore::{Explored, Exposure, RARELY, explore, explore_seed};
pub use feedback::Feedback;
pub use gate::Decision;
pub use items::{ItemInfo, ItemTable};
pub use metrics::Metrics;
pub use model::{Model, Scored, Source, Target, User};
pub use params::{NUMBERS, NumberOption, Params, SplitKind, ValidParams, WeightChoice};
pub use profile::{UserSummary, fingerprint, summarise};
pub use ratings::{Rater, RatingEvidence, RatingModel, UserPrior};
pub use reason::Reason;
pub use recommend::Pick;
pub use retrieve::EXHAUSTIVE;
pub use rules::{MOST_POINTS, Taste};
pub use similar::{Kinship, Similar};
pub use train::{Champion, Choice, Trained, estimate_memory, train};

/// The single steps of a run, for whoever measures one by itself (tests/peers).
pub mod steps {
    pub use crate::als::{AlsParams, Factorisation, factorise};
    pub use crate::evaluate::sample;
    pub use crate::feedback::Interactions;
    pub use crate::metrics::{judge, mean, paired_interval};
    pub use crate::neighbours::{NeighbourParams, Neighbours};
    pub use crate::split::{Split, core, split};
    pub use crate::topk::top;
    pub use crate::train::{HOLDOUT_SALT, VALIDATION_SALT};
}

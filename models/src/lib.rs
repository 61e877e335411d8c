//! The models of reco, without PostgreSQL: data in, models out. Nothing is read from an environment or a file; seeds and
//! threads are arguments. The clock is read by [`Control`], which measures how long the phases of a run take, and through
//! it by the budget of a run, which ends a search that takes far longer than planned.
//!
//! Six layers; each uses only those below it, and `learn` and `serve` know nothing of each other. Beside them stands
//! `experiment`, who gets which variant and what its outcomes tell, which uses none of them:
//!
//! ```text
//! learn   a run: train, choose, evaluate, decide
//! serve   answers: find candidates, rank, explain, encode
//! model   what is stored and scored
//! parts   als, neighbours, content, popularity, ratings, rules
//! data    users, items and interactions
//! math    kernels that know of numbers only
//! ```
//!
//! From what was read to a list for a user:
//!
//! ```
//! use reco_models::{Control, Favorites, NONE, Params, Ratings, ServedModel, Signals, Sources, Target, train};
//!
//! // Each of 40 users likes the items with an even or with an odd number, but for every third.
//! let mut favorites = Favorites::default();
//! for (user, item) in (0..40).flat_map(|user| (0..20).map(move |item| (user, item))) {
//!     if user % 2 == item % 2 && (user + item) % 3 > 0 {
//!         favorites.user.push(user);
//!         favorites.item.push(item);
//!         favorites.at.push(NONE);
//!     }
//! }
//! let sources = Sources { favorites, ..Sources::default() };
//!
//! // Options as JSON, or Params::default(); only validated ones can train.
//! let params = Params::from_json(&serde_json::json!({"factors": 4, "seed": 7}))?.validate()?;
//! let trained = train(sources, &params, None, 1, &Control::default())?;
//! assert!(!trained.decision.reason.is_empty());
//!
//! // A user whom the model has never seen, with the favourites of this moment.
//! let model = ServedModel::from(trained.model);
//! let now = Favorites { user: vec![99; 2], item: vec![4, 8], at: vec![NONE; 2] };
//! let history = model.history(&Ratings::default(), &now, &Signals::default());
//! let user = model.user(history.row(), NONE, None)?;
//! let candidates = model.candidates(&user, history.row().item, None, || ())?;
//! let items: Vec<(i64, Target)> =
//!     candidates.into_iter().map(|item| (model.items().id[item as usize], Target::Known(item))).collect();
//! let mut best = model.rank(&user, &items, |_| 1.0, || ()).take(3);
//! assert!(best.all(|pick| pick.id % 2 == 0 && pick.id != 4 && pick.id != 8));
//! # Ok::<(), reco_models::Error>(())
//! ```

/// Names the code of this crate: what is derived from a stored model may differ between two builds.
pub const BUILD: &str = env!("RECO_MODELS_BUILD");

mod control;
mod data;
mod error;
mod experiment;
mod learn;
mod math;
mod model;
mod parts;
mod serve;

pub use control::{Control, Phase};
pub use data::clicks::Clicks;
pub use data::column::Bytes;
pub use data::dataset::{
    Accounts, Catalog, Dataset, Favorites, History, Links, NONE, Ratings, Row, Signals, Sources, Statement,
};
pub use data::description::{Description, Descriptions, MOST_DIMENSIONS};
pub use data::feedback::Feedback;
pub use data::items::{Exposure, ItemInfo, ItemTable};
pub use data::key::Key;
pub use data::labels::{Labels, Lists};
pub use data::room::{is_asking, more_entries, more_room, require, reserve, room};
pub use data::split::{HeldOut, SplitKind};
pub use data::words::MOST_CHARACTERS;
pub use error::{Error, Result};
pub use experiment::assign::assign;
pub use experiment::confidence::{Comparison, FEWEST, Interval, Promise, compare};
pub use experiment::interleave::{Team, Votes, draft_seed, team_draft};
pub use experiment::off_policy::{Estimates, MOST_PLACES, OffPolicy, Wanted, off_policy};
pub use experiment::ratio::{MISMATCH, sample_ratio};
pub use experiment::size::Plan;
pub use experiment::tally::Tally;
pub use experiment::verdict::Verdict;
pub use learn::evaluate::{Evaluation, Summary, System};
pub use learn::gate::Decision;
pub use learn::memory::{Size, estimate_evaluation, estimate_memory};
pub use learn::metrics::Metrics;
pub use learn::params::{Params, ValidParams, WeightChoice};
pub use learn::reevaluate::{Figure, Request, Segment, Stored, reevaluate};
pub use learn::report::Choice;
pub use learn::train::{Champion, Trained, train};
pub use model::ensemble::{PART_NAMES, Parts, Weights};
pub use model::model::Model;
pub use model::profile::{UserSummary, fingerprint, summarise};
pub use model::score::{Rung, Scored, Target};
pub use model::uncalibrated::User;
pub use parts::ratings::{Rater, RatingEvidence, RatingModel, UserPrior};
pub use parts::rules::{MOST_POINTS, Taste};
pub use serve::codec::{decode, encode, hash, image, open_image, verify};
pub use serve::crowd::{BestUsers, SimilarUsers};
pub use serve::diversity::diversify;
pub use serve::explain::{Evidence, Term};
pub use serve::explore::{Explored, RARELY, explore, explore_seed};
pub use serve::reason::Reason;
pub use serve::recommend::Pick;
pub use serve::retrieve::{EXHAUSTIVE, ServedModel};
pub use serve::rotate::{COUNTED, rotation_weight};
pub use serve::similar::{Kinship, Similar};

/// The single steps of a run, for whoever measures one by itself (tests/peers).
pub mod steps {
    pub use crate::data::cut::Cut;
    pub use crate::data::feedback::Interactions;
    pub use crate::data::split::{HOLDOUT_SALT, Split, VALIDATION_SALT, core, sample, split};
    pub use crate::learn::metrics::{mean, measure, paired_interval};
    pub use crate::math::topk::top;
    pub use crate::parts::als::{AlsParams, Factorisation, factorise};
    pub use crate::parts::neighbours::{NeighbourParams, Neighbours, Shrinkage};
}

/// The kernels by instruction set, for whoever measures them (tests/kernels).
#[doc(hidden)]
pub mod kernels {
    pub use crate::math::isa::Isa;
    pub use crate::math::kernel::{rank_update_on, solve_on};
    pub use crate::math::product::{DEPTH, WIDTH, add_product_on};
    pub use crate::math::simd::{dot_on, dot_rows_of_bytes_on, dot_rows_on};
    pub use crate::math::topk::top_on;
    pub use crate::model::calibration::Calibration;
    pub use crate::parts::als::{Basis, Side, Solver};
    pub use crate::parts::content::{Forest, LANES, Splits};
}

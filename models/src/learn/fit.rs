//! Fitting one model to one cut of the data: the forest on validation, the parts, their common scale.

use rayon::prelude::*;

use crate::control::Control;
use crate::data::clicks::Held;
use crate::data::cut::Cut;
use crate::data::items::ItemTable;
use crate::data::split::{Split, sample};
use crate::error::Result;
use crate::learn::choose::{self, Recipe, VALIDATION_USERS};
use crate::learn::evaluate::Ranker;
use crate::learn::params::{ValidParams, WeightChoice};
use crate::learn::weights::{Verdict, learn_weights};
use crate::model::calibration::Calibration;
use crate::model::ensemble::Weights;
use crate::model::model::Model;
use crate::model::uncalibrated::Uncalibrated;
use crate::parts::collaborative::Collaborative;
use crate::parts::content::{self, BoostParams, Forest};

/// Leaves of a content tree.
const LEAVES: usize = 16;
/// A calibration is fitted to the raw scores of this many users and items, evenly spread.
const CALIBRATION_USERS: usize = 500;
const CALIBRATION_ITEMS: usize = 4000;

/// All that validation settled: how the collaborative part is fitted, the forest, and the weights.
pub struct Settled {
    pub recipe: Recipe,
    /// None where the catalogue has no attributes, or too little is liked to learn from.
    pub forest: Option<Forest>,
    /// What the ensemble is served with.
    pub weights: Weights,
    /// What validation speaks for.
    pub verdict: Verdict,
}

/// The forest, and the weights. The forest learns from three in four of the validation users, the weights from the rest:
/// a forest looks too good on its own training set. Without one, the weights learn from all. `part` is fitted to the
/// training side of `inner`.
///
/// # Errors
/// [`crate::Error::Stopped`], and what LightGBM and the solver of users report.
pub fn settle(
    inner: &Split,
    part: Collaborative,
    recipe: Recipe,
    params: &ValidParams,
    control: &Control,
) -> Result<Settled> {
    let users = inner.users();
    let (for_weights, for_forest): (Vec<_>, Vec<_>) = users.iter().copied().enumerate().partition(|(i, _)| i % 4 == 3);
    let plain = |users: Vec<(usize, u32)>| -> Vec<u32> { users.into_iter().map(|(_, user)| user).collect() };
    let data = &inner.train.data;
    let bare = assemble(&inner.train, part, None);
    let forest = match data.has_attributes() {
        true => content(&bare, inner, &plain(for_forest), params, control)?,
        false => None,
    };
    let for_weights = if forest.is_some() { plain(for_weights) } else { users };
    let model = calibrate(bare.with_forest(forest.clone()), &inner.train, Weights::default(), control)?;
    let for_weights = sample(&for_weights, params.budget.weighed(VALIDATION_USERS, data.items.len()));
    let verdict = learn_weights(&Ranker::own(&model, data), inner, &for_weights, control)?;
    let weights = match params.weights {
        WeightChoice::Fixed(weights) => weights,
        WeightChoice::Auto => verdict.weights,
    };
    Ok(Settled { recipe, forest, weights, verdict })
}

/// The forest that `users` of the hold-out of `inner` teach.
fn content(
    bare: &Uncalibrated,
    inner: &Split,
    users: &[u32],
    params: &ValidParams,
    control: &Control,
) -> Result<Option<Forest>> {
    let data = &inner.train.data;
    let encode = |user: u32| {
        let row = data.events.row(user as usize);
        Ok(bare.features(row, data.since[user as usize], bare.fold_in(row)?))
    };
    let boost =
        BoostParams { trees: params.trees, leaves: LEAVES, learning_rate: params.learning_rate, seed: params.seed };
    let rows = params.budget.content_rows(content::MAX_ROWS);
    content::train(bare.rows(), inner, users, encode, rows, &boost, control)
}

/// A model of a cut, every item of which is ranked. `held`: what clicks must not be learned of.
///
/// # Errors
/// [`crate::Error::Stopped`], and [`crate::Error::NotFinite`] where a factorisation cannot be solved.
pub fn fit(cut: &Cut, held: &[Held], settled: &Settled, control: &Control) -> Result<Model> {
    let (part, _) = choose::fit(&choose::learned(cut, &settled.recipe, held), &settled.recipe, control)?;
    calibrate(assemble(cut, part, settled.forest.clone()), cut, settled.weights, control)
}

/// Parts that were fitted to a cut, with what the cut says of each item.
pub fn assemble(cut: &Cut, part: Collaborative, forest: Option<Forest>) -> Uncalibrated {
    Uncalibrated::new(cut.feedback, ItemTable::count(&cut.data, &cut.feedback), part, forest)
}

/// Puts the parts on one scale, by the raw scores of a sample of the users and items of a cut.
///
/// # Errors
/// [`crate::Error::Stopped`], and [`crate::Error::NotFinite`] where the system of a user cannot be solved.
pub fn calibrate(parts: Uncalibrated, cut: &Cut, weights: Weights, control: &Control) -> Result<Model> {
    let data = &cut.data;
    let users = sample(&cut.users_with_likes(), CALIBRATION_USERS);
    let all: Vec<u32> = (0..data.items.len() as u32).collect();
    let raw: Vec<[Vec<f32>; 3]> = users
        .par_iter()
        .enumerate()
        .map(|(i, user)| {
            control.check()?;
            // Another slice of the items for each user, so that all of them are met.
            let step = all.len().div_ceil(CALIBRATION_ITEMS).max(1);
            let items: Vec<u32> = all.iter().copied().skip(i % step).step_by(step).collect();
            let user = parts.user(data.events.row(*user as usize), data.since[*user as usize], None)?;
            Ok(parts.raw(&user, &items))
        })
        .collect::<Result<_>>()?;
    let of = |part: usize| raw.iter().flat_map(|r| r[part].iter().copied()).collect();
    let calibrations = [
        Calibration::fit(of(0), all.len()),
        Calibration::fit(of(1), all.len()),
        Calibration::fit(parts.raw_popularity().to_vec(), all.len()),
    ];
    Ok(Model::calibrated(parts, calibrations, weights, None))
}

//! `reco_train`: read, train in a thread, store, report.

mod background;
mod finish;
mod progress;
mod recorder;
mod steps;

use std::time::Instant;

use pgrx::AnyElement;
use pgrx::prelude::*;
use reco_models::Params;
use serde_json::Value;

use super::{arguments, names};
use crate::failure::{Failure, Outcome, or_raise};
use crate::pg::session::{self, refuse_read_only};
use crate::pg::spi;
use crate::settings;
use crate::store;

pub use progress::Progress;
pub use steps::tell_of_sources;

pub type TrainRow = (i64, bool, String, i64, i64, i64, f32, f32, f32, Option<f32>, f32);

/// Reads the sources, trains, evaluates on a hold-out, decides whether the model is served, and stores it.
// By hand, because pgrx declares what it reads as jsonb: see `json`.
#[pg_extern(sql = r#"
CREATE FUNCTION reco_train(options jsonb DEFAULT '{}') RETURNS TABLE (
    model_version bigint, promoted boolean, reason text, users bigint, items bigint, interactions bigint,
    precision_at_10 real, ndcg_at_10 real, map_at_10 real, previous_ndcg_at_10 real, seconds real)
LANGUAGE c AS 'MODULE_PATHNAME', '@FUNCTION_NAME@';
"#)]
#[allow(clippy::type_complexity)]
fn reco_train(
    options: Option<AnyElement>,
) -> TableIterator<
    'static,
    (
        name!(model_version, i64),
        name!(promoted, bool),
        name!(reason, String),
        name!(users, i64),
        name!(items, i64),
        name!(interactions, i64),
        name!(precision_at_10, f32),
        name!(ndcg_at_10, f32),
        name!(map_at_10, f32),
        name!(previous_ndcg_at_10, Option<f32>),
        name!(seconds, f32),
    ),
> {
    TableIterator::once(or_raise(given(options).and_then(train)))
}

/// A NULL is a mistake of the caller: to answer with no row would say that it was trained.
pub fn given(options: Option<AnyElement>) -> Outcome<Value> {
    let options = options.ok_or_else(|| {
        Failure::new(PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED, "the options of a training must not be NULL")
            .hint("For the defaults: SELECT * FROM reco_train();")
    })?;
    arguments::json("options", options)
}

fn train(options: Value) -> Outcome<TrainRow> {
    refuse_read_only(c"reco_train()");
    let (name, others) = names::of_training(&options)?;
    session::with_setting(settings::MODEL_NAME, &name, || train_named("train", options, &others))
}

/// Trains the model that `reco.model` names. `kind` says in the journal who asked for it; `options` are as they were given, and
/// `others` those of them that are the training's.
pub fn train_named(kind: &str, options: Value, others: &Value) -> Outcome<TrainRow> {
    let begun = Instant::now();
    let params = Params::from_json(others)?.validate()?;
    recorder::recorded(kind, &options, || {
        let prepared = spi::connect(|connection| {
            store::keep_others_from_training(connection)?;
            steps::read(connection, &params, begun)
        })?;
        let finished = steps::compute(prepared, &params, |_| ())?;
        spi::connect(|connection| finish::store_and_report(connection, finished, options.clone(), params.force))
    })
}

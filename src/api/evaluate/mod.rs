//! `reco_evaluate`: a stored model on the hold-out of its training, by many metrics, at any cut-offs, and by segment.

mod request;

use std::sync::Arc;

use pgrx::AnyElement;
use pgrx::prelude::*;
use reco_models::{Control, Error, Figure, Params, Phase, Request, Size, Sources, Stored, ValidParams, reevaluate};

use self::request::Asked;
use super::arguments;
use super::names;
use super::train::{Progress, tell_of_sources};
use crate::failure::{Failure, Outcome, or_raise};
use crate::pg::notice;
use crate::pg::session;
use crate::pg::spi::{self, Connection};
use crate::pg::worker;
use crate::read::Read;
use crate::settings;
use crate::site::Site;
use crate::store::{self, StoredModel};

type Row = (i64, String, String, Option<i64>, i32, String, i64, f64, Option<f64>, Option<f64>);

/// Ranks the catalogue for the users of the hold-out of a stored model, and gives a row for each figure.
// By hand, because pgrx declares what it reads as jsonb: see `json`. Not parallel: reading is a subtransaction.
#[pg_extern(sql = r#"
CREATE FUNCTION reco_evaluate(k double precision[] DEFAULT '{10}', options jsonb DEFAULT '{}') RETURNS TABLE (
    model_version bigint, part text, segment text, category bigint, k integer, metric text, users bigint,
    value double precision, low double precision, high double precision)
STABLE LANGUAGE c AS 'MODULE_PATHNAME', '@FUNCTION_NAME@';
"#)]
#[allow(clippy::type_complexity)]
fn reco_evaluate(
    k: Option<Array<f64>>,
    options: Option<AnyElement>,
) -> TableIterator<
    'static,
    (
        name!(model_version, i64),
        name!(part, String),
        name!(segment, String),
        name!(category, Option<i64>),
        name!(cutoff, i32),
        name!(metric, String),
        name!(users, i64),
        name!(value, f64),
        name!(low, Option<f64>),
        name!(high, Option<f64>),
    ),
> {
    let rows = arguments::cutoffs(k).and_then(|cutoffs| evaluate(cutoffs, request::parse(options)?));
    TableIterator::new(or_raise(rows))
}

/// What was read, to be computed without PostgreSQL.
struct Prepared {
    stored: Stored,
    request: Request,
    sources: Sources,
    progress: Progress,
}

fn evaluate(cutoffs: Vec<usize>, asked: Asked) -> Outcome<Vec<Row>> {
    let model = spi::connect(|connection| store::stored(connection, asked.version_or_active(connection)?))?;
    // The mapping is that of the model's name.
    session::with_setting(settings::MODEL_NAME, &model.name, || {
        let prepared = spi::connect(|connection| read(connection, &model, cutoffs, &asked))?;
        let figures = compute(prepared, &model)?;
        Ok(figures.into_iter().map(|figure| row(model.key.version, figure)).collect())
    })
}

fn row(version: i64, figure: Figure) -> Row {
    let Figure { system, segment, k, metric, users, value, interval } = figure;
    let (part, name, category) = (system.name().to_owned(), segment.name().to_owned(), segment.category());
    let (low, high) = interval.unzip();
    (version, part, name, category, k as i32, metric.to_owned(), users as i64, value, low, high)
}

fn read(connection: &Connection, model: &StoredModel, cutoffs: Vec<usize>, asked: &Asked) -> Outcome<Prepared> {
    let site = Site::of_model(connection, model)?;
    check_sources(&site, model)?;
    let (params, stored) = training_of(connection, model)?;
    let request = Request {
        cutoffs,
        most_users: asked.users.unwrap_or_else(|| stored.most_users(&params)),
        seed: asked.seed.unwrap_or(params.seed),
        segments: asked.segments,
    };
    tell_of_sources(&site, "evaluation")?;
    let mut progress = Progress::new();
    let say = |table: &str, rows| progress.say(&format!("reading {table}"), 0.0, rows);
    let Read { sources, size, skipped, unknown, .. } = site.read_all(say, |size| check_memory(size, &request))?;
    skipped.check(site.mapping.ratings(), false)?;
    unknown.tell();
    check_memory(&size, &request)?;
    let needed = reco_models::estimate_evaluation(&size, &request, settings::threads());
    notice::say(&format!("needs up to {} MB of memory", needed.div_ceil(1 << 20)));
    reco_models::require(needed.saturating_sub(size.bytes()))?;
    Ok(Prepared { stored, request, sources, progress })
}

/// The options of the training, and the model that it evaluated.
fn training_of(connection: &Connection, model: &StoredModel) -> Outcome<(ValidParams, Stored)> {
    let twin = store::twin(connection, model.key.version)?;
    let params =
        names::of_training(&model.options).and_then(|(_, options)| Ok(Params::from_json(&options)?.validate()?));
    let unknown = || unfit(model, "it is of a version of reco that did not keep how it was evaluated");
    Ok((params.map_err(|_| unknown())?, Stored::new(twin, &model.choice).ok_or_else(unknown)?))
}

/// What is read must be what was trained on: of other relations the same rule holds out something else.
fn check_sources(site: &Site<'_>, model: &StoredModel) -> Outcome<()> {
    site.mapping.check()?;
    if site.is_foreign().is_some() {
        return Err(unfit(model, "it was trained on another catalogue than this session reads"));
    }
    let changed = site.changed_interactions();
    if !changed.is_empty() {
        let sources = changed.iter().map(|source| format!("\"{source}\"")).collect::<Vec<_>>().join(" and ");
        return Err(unfit(model, &format!("{sources} is not what it was at the training")));
    }
    Ok(())
}

fn unfit(model: &StoredModel, why: &str) -> Failure {
    let code = PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE;
    Failure::new(code, format!("model {} cannot be evaluated: {why}", model.key.version)).hint(
        "SELECT source, relation FROM reco_sources(); shows what is read; or train again: SELECT * FROM reco_train();",
    )
}

fn check_memory(size: &Size, request: &Request) -> Outcome<()> {
    let needed = reco_models::estimate_evaluation(size, request, settings::threads()) >> 20;
    let limit = settings::max_train_memory();
    if needed <= limit {
        return Ok(());
    }
    let code = PgSqlErrorCode::ERRCODE_CONFIGURATION_LIMIT_EXCEEDED;
    Err(Failure::new(code, format!("the evaluation needs at least {needed} MB, and the limit is {limit} MB"))
        .hint("Raise reco.max_train_memory, or ask for fewer \"users\"."))
}

/// Shares of the whole that are done when reading ends and when ranking begins.
const READ_SHARE: f32 = 0.05;
const PREPARED_SHARE: f32 = 0.1;

fn compute(prepared: Prepared, model: &StoredModel) -> Outcome<Vec<Figure>> {
    let Prepared { stored, request, sources, mut progress } = prepared;
    let control = Arc::new(Control::default());
    let threads = settings::threads();
    let job = {
        let control = Arc::clone(&control);
        move || reevaluate(sources, &stored, &request, threads, &control)
    };
    let figures = worker::run(&control, job, || {
        let (phase, share) = control.share();
        let share = match phase {
            Phase::Evaluating => PREPARED_SHARE + (1.0 - PREPARED_SHARE) * share,
            _ => READ_SHARE,
        };
        progress.say(phase.name(), share, 0);
    })?;
    figures.map_err(|error| match error {
        Error::TooLittleData(why) => unfit(model, &why),
        other => other.into(),
    })
}

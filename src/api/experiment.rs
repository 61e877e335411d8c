//! `reco_experiment_*`: variants that are compared on the site's users.

use pgrx::AnyElement;
use pgrx::prelude::*;
use reco_models::Plan;

use super::arguments::{self, given};
use crate::failure::{Failure, Outcome, or_raise};
use crate::online::experiment::{self, Line};
use crate::pg::notice;
use crate::pg::session::{refuse_read_only, session_user};
use crate::pg::spi;

/// Users of each variant that an experiment needs, where each is one observation.
#[pg_extern(immutable, parallel_safe, strict)]
fn reco_experiment_size(
    baseline: f64,
    lift: default!(f64, "0.1"),
    power: default!(f64, "0.8"),
    alpha: default!(f64, "0.05"),
) -> i64 {
    let users = or_raise(Plan { lift, power, alpha }.users_of_share(baseline).map_err(Failure::from));
    i64::try_from(users).unwrap_or(i64::MAX)
}

/// Starts an experiment; gives for how many users of each variant it was planned.
// By hand, because pgrx declares what it reads as jsonb: see `arguments::json`.
#[pg_extern(sql = r#"
CREATE FUNCTION reco_experiment_start(name text, variants jsonb, options jsonb DEFAULT '{}') RETURNS bigint
LANGUAGE c AS 'MODULE_PATHNAME', '@FUNCTION_NAME@';
"#)]
fn reco_experiment_start(name: Option<String>, variants: Option<AnyElement>, options: Option<AnyElement>) -> i64 {
    or_raise(start(name, variants, options))
}

fn start(name: Option<String>, variants: Option<AnyElement>, options: Option<AnyElement>) -> Outcome<i64> {
    let name = given("name", name)?;
    let variants = arguments::json("variants", given("variants", variants)?)?;
    let options = arguments::json("options", given("options", options)?)?;
    refuse_read_only(c"reco_experiment_start()");
    let by = session_user();
    spi::connect(|connection| experiment::start(connection, &name, &variants, &options, &by))
}

/// Ends an experiment; its last report stays.
#[pg_extern]
fn reco_experiment_stop(name: Option<String>) {
    let name = or_raise(given("name", name));
    refuse_read_only(c"reco_experiment_stop()");
    let by = session_user();
    or_raise(spi::connect(|connection| experiment::stop(connection, &name, &by, "stopped")));
}

/// Serves everybody by a variant, and ends the experiment.
#[pg_extern]
fn reco_experiment_promote(name: Option<String>, variant: Option<String>) {
    let (name, variant) = (or_raise(given("name", name)), or_raise(given("variant", variant)));
    refuse_read_only(c"reco_experiment_promote()");
    let by = session_user();
    or_raise(spi::connect(|connection| experiment::promote(connection, &name, &variant, &by)));
}

/// The variant of a user in an experiment that runs; NULL for one who does not take part.
#[pg_extern(stable, parallel_safe, strict)]
fn reco_experiment_variant(name: String, user_id: i64) -> Option<String> {
    or_raise(spi::connect(|connection| experiment::variant_of(connection, &name, user_id)))
}

/// What came out so far. Where a guardrail says that a variant does harm, it ends the experiment.
#[pg_extern]
#[allow(clippy::type_complexity)]
fn reco_experiment_report(
    name: Option<String>,
) -> TableIterator<
    'static,
    (
        name!(variant, String),
        name!(metric, String),
        name!(users, i64),
        name!(shown, i64),
        name!(value, Option<f64>),
        name!(low, Option<f64>),
        name!(high, Option<f64>),
        name!(lift, Option<f64>),
        name!(lift_low, Option<f64>),
        name!(lift_high, Option<f64>),
        name!(p_value, Option<f64>),
        name!(sample_ratio, Option<f64>),
        name!(planned, Option<i64>),
        name!(verdict, Option<String>),
    ),
> {
    let lines = or_raise(given("name", name).and_then(|name| report(&name)));
    TableIterator::new(lines.into_iter().map(|line| {
        let Line { variant, metric, users, shown, value, low, high, lift, lift_low, lift_high, .. } = line;
        let Line { p_value, sample_ratio, planned, verdict, .. } = line;
        (
            variant,
            metric,
            users,
            shown,
            value,
            low,
            high,
            lift,
            lift_low,
            lift_high,
            p_value,
            sample_ratio,
            planned,
            verdict,
        )
    }))
}

fn report(name: &str) -> Outcome<Vec<Line>> {
    spi::connect(|connection| {
        let (experiment, lines) = experiment::report(connection, name)?;
        if let Some(text) = experiment::outlives(&experiment) {
            notice::say(&text);
        }
        for finding in experiment::judge(connection, &experiment, &lines)? {
            notice::say(&finding.message);
        }
        Ok(lines)
    })
}

/// What the challenger of a shadow experiment would have got.
#[pg_extern(stable)]
#[allow(clippy::type_complexity)]
fn reco_experiment_offline(
    name: Option<String>,
) -> TableIterator<
    'static,
    (
        name!(estimate, &'static str),
        name!(value, Option<f64>),
        name!(low, Option<f64>),
        name!(high, Option<f64>),
        name!(users, i64),
        name!(effective_users, f64),
        name!(support, f64),
        name!(refusal, Option<String>),
    ),
> {
    let name = or_raise(given("name", name));
    let rows = or_raise(spi::connect(|connection| experiment::offline(connection, &name)));
    TableIterator::new(rows.into_iter().map(|row| {
        let (value, low, high) = (
            row.interval.map(|interval| interval.estimate),
            row.interval.map(|interval| interval.low.max(0.0)),
            row.interval.map(|interval| interval.high.min(1.0)),
        );
        (row.name, value, low, high, row.users as i64, row.effective_users, row.support, row.refusal)
    }))
}

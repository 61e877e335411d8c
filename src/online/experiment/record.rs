//! Rows of `reco.experiment`: one is started, read, and ended.

use pgrx::{JsonB, PgSqlErrorCode};
use reco_models::Promise;
use serde_json::{Value, json};

use super::options::{self, Kind, Metric, Options};
use super::report::{self, Line};
use super::variant::{self, LONGEST_NAME, Variant};
use crate::failure::{Failure, Outcome};
use crate::pg::notice;
use crate::pg::owner::as_owner;
use crate::pg::spi::{Connection, arg};
use crate::settings;
use crate::store;

/// An experiment as it is stored.
pub struct Experiment {
    pub name: String,
    pub kind: Kind,
    /// The control first.
    pub variants: Vec<Variant>,
    pub metric: Metric,
    pub guardrails: Vec<(Metric, f64)>,
    pub alpha: f64,
    /// Users of each variant.
    pub planned: i64,
    /// In seconds since 1970.
    pub started_at: f64,
    pub is_running: bool,
    /// The last report of one that has ended.
    pub outcome: Option<Value>,
}

impl Experiment {
    /// For what is said of one variant, or of what it has instead of variants.
    pub fn promise_of_one(&self) -> Promise {
        Promise { alpha: self.alpha, planned: self.planned as f64 }
    }

    /// For the comparison of one variant with the control: all of them together keep what was promised.
    pub fn promise(&self) -> Promise {
        let comparisons = (self.variants.len() - 1).max(1) as f64;
        Promise { alpha: self.alpha / comparisons, planned: 2.0 * self.planned as f64 }
    }
}

fn no_experiment(name: &str) -> Failure {
    Failure::new(PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT, format!("there is no experiment \"{name}\""))
        .hint("SELECT name, kind, started_at, stopped_at FROM reco.experiment;")
}

const COLUMNS: &str = "name, kind, variants, metric, guardrails, alpha, planned,
    pg_catalog.date_part('epoch', started_at), stopped_at IS NULL, outcome";

/// # Errors
/// 42704 where there is no such experiment.
pub fn named(connection: &Connection, name: &str) -> Outcome<Experiment> {
    let sql = format!("SELECT {COLUMNS} FROM reco.experiment WHERE name OPERATOR(pg_catalog.=) $1");
    let found = as_owner(|| {
        let rows = connection.read(&sql, &[arg(name.to_owned())])?;
        rows.first().map(|mut row| take(&mut row)).transpose()
    })?;
    found.flatten().ok_or_else(|| no_experiment(name))
}

/// Those that run under the name that `reco.model` sets.
pub fn running(connection: &Connection) -> Outcome<Vec<Experiment>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM reco.experiment
         WHERE model_name OPERATOR(pg_catalog.=) $1 AND stopped_at IS NULL ORDER BY started_at, name"
    );
    as_owner(|| {
        let rows = connection.read(&sql, &[arg(settings::model_name())])?;
        rows.iter().filter_map(|mut row| take(&mut row).transpose()).collect()
    })
}

fn take(row: &mut crate::pg::spi::Row<'_>) -> Outcome<Option<Experiment>> {
    let (name, kind): (Option<String>, Option<String>) = (row.take()?, row.take()?);
    let (variants, metric): (Option<JsonB>, Option<String>) = (row.take()?, row.take()?);
    let guardrails: Option<JsonB> = row.take()?;
    let (alpha, planned, started_at, is_running) = (row.take()?, row.take()?, row.take()?, row.take()?);
    let outcome = row.take::<JsonB>()?.map(|JsonB(outcome)| outcome);
    let variants = variants.map(|JsonB(variants)| variant::parse(&variants)).transpose()?;
    let kind = kind.as_deref().and_then(Kind::from_name);
    let metric = metric.as_deref().and_then(Metric::from_name);
    let guardrail = |(name, tolerance): (&String, &Value)| Metric::from_name(name).zip(tolerance.as_f64());
    let guardrails = guardrails.and_then(|JsonB(map)| Some(map.as_object()?.iter().filter_map(guardrail).collect()));
    let (Some(name), Some(kind), Some(variants), Some(metric)) = (name, kind, variants, metric) else {
        return Ok(None);
    };
    let (Some(alpha), Some(planned), Some(started_at), Some(is_running)) = (alpha, planned, started_at, is_running)
    else {
        return Ok(None);
    };
    let guardrails = guardrails.unwrap_or_default();
    Ok(Some(Experiment { name, kind, variants, metric, guardrails, alpha, planned, started_at, is_running, outcome }))
}

/// Starts an experiment; gives how many users of each variant it was planned for.
///
/// # Errors
/// 22023 for what is no variant or option; 42704 for a model that is not there; 42710 where the name was used before; 55006
/// where another one runs on one of the surfaces; 55000 on a subscriber.
pub fn start(connection: &Connection, name: &str, given: &Value, options: &Value, by: &str) -> Outcome<i64> {
    if !(1..=LONGEST_NAME).contains(&name.len()) {
        return Err(Failure::invalid(format!(
            "the name of an experiment must have 1 to {LONGEST_NAME} bytes, not {}",
            name.len()
        )));
    }
    let variants = variant::parse(given)?;
    let options = options::parse(options)?;
    if options.kind != Kind::Split && variants.len() != 2 {
        let message =
            format!("an experiment of the kind \"{}\" has 2 variants, not {}", options.kind.name(), variants.len());
        return Err(Failure::invalid(message));
    }
    store::refuse_on_subscriber(connection, "experiment")?;
    // Before the lock: it reads what was shown, and what the site has of it.
    let planned = planned(connection, &options)?;
    // Nobody else starts one, and no model is deleted, until this transaction ends.
    store::lock(connection)?;
    for version in variants.iter().filter_map(|variant| variant.answerer.version) {
        check_model(connection, version)?;
    }
    check_others(connection, name, &options)?;
    let guardrails: serde_json::Map<String, Value> =
        options.guardrails.iter().map(|(metric, tolerance)| (metric.name().to_owned(), json!(tolerance))).collect();
    as_owner(|| {
        connection.write(
            "INSERT INTO reco.experiment (name, kind, model_name, variants, metric, guardrails, salt, share, surfaces, lift,
                 power, alpha, planned, started_by)
             VALUES ($1, $2, $3, $4, $5, $6, pg_catalog.concat($1, ' ', pg_catalog.gen_random_uuid()), $7, $8, $9, $10, $11,
                 $12, $13::pg_catalog.name)",
            &[
                arg(name.to_owned()),
                arg(options.kind.name().to_owned()),
                arg(settings::model_name()),
                arg(JsonB(given.clone())),
                arg(options.metric.name().to_owned()),
                arg(JsonB(Value::Object(guardrails))),
                arg(options.share),
                arg(options.surfaces.clone()),
                arg(options.plan.lift),
                arg(options.plan.power),
                arg(options.plan.alpha),
                arg(planned),
                arg(by.to_owned()),
            ],
        )
    })?;
    Ok(planned)
}

/// What is assumed where nothing was shown yet and nobody says it: the share of clicks that the site was planned with.
const BASELINE: f64 = 0.08;

fn planned(connection: &Connection, options: &Options) -> Outcome<i64> {
    let plan = options.plan;
    let lately = report::lately(connection, options)?;
    let users = match (options.kind, options.baseline) {
        // Of users who click, each for one of the two rankings.
        (Kind::Interleaving, _) => plan.users(1.0, 1.0)?,
        (Kind::Shadow, _) => 1000,
        (Kind::Split, Some(baseline)) => plan.users_of_share(baseline)?,
        (Kind::Split, None) => match lately {
            Some(tally) => {
                // A variant that is better by the lift varies that much more.
                plan.users(tally.rate(), tally.variance() * (1.0 + (1.0 + plan.lift).powi(2)))?
            }
            None => {
                notice::say(&format!(
                    "too little was shown so far to tell how many users are needed; planned as if {} % of what is shown came \
                     out well: see the option \"baseline\"",
                    100.0 * BASELINE
                ));
                plan.users_of_share(BASELINE)?
            }
        },
    };
    Ok(i64::try_from(users).unwrap_or(i64::MAX))
}

fn check_model(connection: &Connection, version: i64) -> Outcome<()> {
    let (model, name) = (store::stored(connection, version)?, settings::model_name());
    if model.name == name {
        return Ok(());
    }
    let message = format!("model {version} has the name \"{}\", and this experiment is of \"{name}\"", model.name);
    Err(Failure::invalid(message).hint("The setting reco.model says of which model it is."))
}

/// One that is shown and one that is not at the same time on a surface: two that are shown would mix.
fn check_others(connection: &Connection, name: &str, options: &Options) -> Outcome<()> {
    let used = "SELECT 1 FROM reco.experiment WHERE name OPERATOR(pg_catalog.=) $1";
    let other = "SELECT name FROM reco.experiment
         WHERE model_name OPERATOR(pg_catalog.=) $1 AND stopped_at IS NULL
           AND (kind OPERATOR(pg_catalog.=) 'shadow'::pg_catalog.text) OPERATOR(pg_catalog.=) $2
           AND (surfaces OPERATOR(pg_catalog.=) '{}'::pg_catalog.text[] OR $3 OPERATOR(pg_catalog.=) '{}'::pg_catalog.text[]
                OR surfaces OPERATOR(pg_catalog.&&) $3)
         LIMIT 1";
    as_owner(|| {
        // Of now, whatever the transaction saw when it began.
        if !connection.write(used, &[arg(name.to_owned())])?.is_empty() {
            let message = format!("there was an experiment \"{name}\" already");
            return Err(Failure::new(PgSqlErrorCode::ERRCODE_DUPLICATE_OBJECT, message)
                .hint("What was shown refers to it by its name. Choose another one."));
        }
        let is_shadow = options.kind == Kind::Shadow;
        let args = [arg(settings::model_name()), arg(is_shadow), arg(options.surfaces.clone())];
        match connection.write(other, &args)?.single::<String>()? {
            None => Ok(()),
            Some(other) => {
                let message = format!("the experiment \"{other}\" runs on one of these surfaces");
                Err(Failure::new(PgSqlErrorCode::ERRCODE_OBJECT_IN_USE, message)
                    .hint(format!("SELECT reco_experiment_stop('{other}'); or give each its own \"surfaces\".")))
            }
        }
    })
}

/// Ends an experiment, and keeps its last report.
///
/// # Errors
/// 42704 where there is no such experiment, 55000 where it has ended, or on a subscriber.
pub fn stop(connection: &Connection, name: &str, by: &str, reason: &str) -> Outcome<()> {
    store::refuse_on_subscriber(connection, "experiment")?;
    let experiment = named(connection, name)?;
    if !experiment.is_running {
        let code = PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE;
        return Err(Failure::new(code, format!("the experiment \"{name}\" has ended")));
    }
    let lines = report::of(connection, &experiment)?;
    end(connection, &experiment, &lines, by, reason)
}

/// Ends one that runs, with the report that was just made.
pub fn end(connection: &Connection, experiment: &Experiment, lines: &[Line], by: &str, reason: &str) -> Outcome<()> {
    store::lock(connection)?;
    let outcome = Value::Array(lines.iter().map(Line::to_json).collect());
    as_owner(|| {
        connection.write(
            "UPDATE reco.experiment SET stopped_at = pg_catalog.clock_timestamp(), stopped_by = $2::pg_catalog.name, reason = $3, outcome = $4
             WHERE name OPERATOR(pg_catalog.=) $1 AND stopped_at IS NULL",
            &[arg(experiment.name.clone()), arg(by.to_owned()), arg(reason.to_owned()), arg(JsonB(outcome))],
        )
    })?;
    Ok(())
}

/// Serves everybody by a variant from now on; ends the experiment if it runs.
///
/// # Errors
/// 42704 where there is no such experiment, variant or model; 55000 on a subscriber.
pub fn promote(connection: &Connection, name: &str, variant: &str, by: &str) -> Outcome<()> {
    store::refuse_on_subscriber(connection, "experiment")?;
    let experiment = named(connection, name)?;
    let Some(promoted) = experiment.variants.iter().find(|one| one.name == variant) else {
        let names: Vec<&str> = experiment.variants.iter().map(|one| one.name.as_str()).collect();
        let message = format!("the experiment \"{name}\" has no variant \"{variant}\"");
        return Err(Failure::new(PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT, message)
            .detail(format!("Its variants are: {}.", names.join(", "))));
    };
    if experiment.is_running {
        stop(connection, name, by, &format!("promoted: {variant}"))?;
    }
    if let Some(version) = promoted.answerer.version {
        store::activate(connection, version, by)?;
    }
    // Its end is when it was promoted: the latest one counts.
    as_owner(|| {
        connection.write(
            "UPDATE reco.experiment SET promoted = $2, stopped_at = pg_catalog.clock_timestamp()
             WHERE name OPERATOR(pg_catalog.=) $1",
            &[arg(name.to_owned()), arg(variant.to_owned())],
        )
    })?;
    Ok(())
}

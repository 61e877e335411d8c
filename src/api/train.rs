//! `reco_train`: read, train in a thread, store, report.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pgrx::AnyElement;
use pgrx::prelude::*;
use reco_models::{Control, Decision, Params, Phase, Size, Trained, ValidParams};
use serde_json::{Map, Value, json};

use super::arguments;
use crate::cache;
use crate::failure::{Failure, Outcome, or_raise};
use crate::pg::catalog::row_security_applies;
use crate::pg::headroom;
use crate::pg::keys::Keys;
use crate::pg::notice;
use crate::pg::session::{look_for_client, pause, refuse_read_only, session_user, watch_client};
use crate::pg::spi::{self, Connection, arg};
use crate::pg::subtransaction::without_locks;
use crate::pg::worker;
use crate::read::Read;
use crate::settings;
use crate::site::Site;
use crate::store;

/// The longest time without a progress line.
const PATIENCE: Duration = Duration::from_secs(2);

type TrainRow = (i64, bool, String, i64, i64, i64, f32, f32, f32, Option<f32>, f32);

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
fn given(options: Option<AnyElement>) -> Outcome<Value> {
    let options = options.ok_or_else(|| {
        Failure::new(PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED, "the options of a training must not be NULL")
            .hint("For the defaults: SELECT * FROM reco_train();")
    })?;
    arguments::json("options", options)
}

fn train(options: Value) -> Outcome<TrainRow> {
    refuse_read_only(c"reco_train()");
    let begun = Instant::now();
    let params = Params::from_json(&options)?.validate()?;
    let finished = spi::connect(|connection| {
        store::keep_others_from_training(connection)?;
        run(connection, &params, begun)
    })?;
    spi::connect(|connection| store_and_report(connection, finished, options, params.force, begun))
}

/// Seconds by step, for the registry.
type Timing = Map<String, Value>;

/// What a run leaves to be stored.
struct Finished {
    trained: Trained,
    timing: Timing,
    /// The relation that each source is.
    sources: Value,
    /// What of them was skipped.
    skipped: Value,
    keys: Keys,
    /// The version that was active when the run began, and that the gate compared with.
    champion: Option<i64>,
}

/// Where row security hides rows from the trainer, the model learns from the others only, and everybody is served by it.
fn warn_of_row_security(site: &Site<'_>) {
    for table in site.mapping.tables().into_iter().filter_map(|(_, table)| table.ok()) {
        if row_security_applies(table.oid) {
            let text = format!("row security may hide rows of {} from this training", table.quoted());
            notice::warn(&text, "Train as the owner of the table, or as a role with BYPASSRLS.");
        }
    }
}

fn say_what_is_no_time(site: &Site<'_>) -> Outcome<()> {
    for table in site.mapping.tables().into_iter().filter_map(|(_, table)| table.ok()) {
        site.unreadable_times(table)?.iter().for_each(|sentence| notice::say(sentence));
    }
    Ok(())
}

fn run(connection: &Connection, params: &ValidParams, begun: Instant) -> Outcome<Finished> {
    let mut progress = Progress::new();
    let site = Site::to_train(connection)?;
    warn_of_row_security(&site);
    site.lost().iter().for_each(|lost| notice::say(&lost.sentence()));
    without_locks(|| say_what_is_no_time(&site))?;
    let say = |table: &str, rows| progress.say(&format!("reading {table}"), 0.0, rows);
    let Read { sources, size, skipped, unknown, keys } = site.read_all(say, |size| check_memory(size, params))?;
    skipped.check(site.mapping.ratings(), params.strict)?;
    unknown.tell();
    check_memory(&size, params)?;
    let needed = reco_models::estimate_memory(&size, params);
    let left = headroom::left().map_or(String::new(), |left| format!("; the system has {} MB left", left >> 20));
    notice::say(&format!("needs up to {} MB of memory{left}", needed.div_ceil(1 << 20)));
    reco_models::require(needed.saturating_sub(size.bytes()))?;
    let champion = match site.active {
        Some(key) => store::load_champion(connection, key.version)?,
        None => None,
    };
    let mut timing = Timing::new();
    timing.insert("reading".into(), rounded(begun.elapsed().as_secs_f64()));

    let control = Arc::new(Control::default());
    let threads = settings::threads();
    let job = {
        let (control, params) = (Arc::clone(&control), params.clone());
        move || reco_models::train(sources, &params, champion.as_ref(), threads, &control)
    };
    let trained = worker::run(&control, job, || {
        let (phase, percent) = control.progress();
        progress.say(phase.name(), READ_SHARE + (STORE_SHARE - READ_SHARE) * percent / 100.0, 0);
    })??;
    for (phase, seconds) in control.seconds() {
        timing.insert(key(phase), rounded(seconds));
    }
    let (sources, champion) = (site.relations(params.force), site.active.map(|key| key.version));
    Ok(Finished { trained, timing, sources, skipped: skipped.report(), keys, champion })
}

/// Shares of a whole run at which reading ends and storing begins.
const READ_SHARE: f32 = 0.05;
const STORE_SHARE: f32 = 0.9;

fn key(phase: Phase) -> String {
    phase.name().to_owned()
}

fn rounded(seconds: f64) -> Value {
    json!((seconds * 1000.0).round() / 1000.0)
}

fn check_memory(size: &Size, params: &ValidParams) -> Outcome<()> {
    let needed_mb = reco_models::estimate_memory(size, params) >> 20;
    let limit_mb = settings::max_train_memory();
    if needed_mb > limit_mb {
        return Err(reco_models::Error::Memory { needed_mb, limit_mb }.into());
    }
    Ok(())
}

fn store_and_report(
    connection: &Connection,
    finished: Finished,
    options: Value,
    force: bool,
    begun: Instant,
) -> Outcome<TrainRow> {
    let Finished { mut trained, mut timing, sources, skipped, keys, champion } = finished;
    let mut progress = Progress::new();
    let storing = Instant::now();
    progress.say("storing", STORE_SHARE, 0);
    for note in &trained.notes {
        notice::say(note);
    }
    store::lock(connection)?;
    if !force {
        withhold_if_overtaken(&mut trained.decision, champion, store::active_now(connection)?);
    }
    let trained = &trained;
    let saved = store::Saved { trained, keys, options, sources, skipped, created_by: session_user() };
    let stored = store::save(connection, &saved, |share| {
        progress.say("storing", STORE_SHARE + (1.0 - STORE_SHARE) * share, 0);
    })?;
    if trained.decision.promoted {
        cache::share(stored.key, &trained.model);
    }
    timing.insert("storing".into(), rounded(storing.elapsed().as_secs_f64()));
    let seconds = begun.elapsed().as_secs_f64();
    let version = stored.key.version;
    store::register(connection, &saved, &stored, seconds, Value::Object(timing.clone()))?;
    let steps: Vec<String> = timing.iter().map(|(name, s)| format!("{name} {s} s")).collect();
    notice::say(&format!("model {version}: {} ({})", trained.decision.reason, steps.join(", ")));
    // Nothing is committed for a client that has gone meanwhile.
    look_for_client();
    pause();
    let ensemble = trained.evaluation.ensemble();
    let decision = &trained.decision;
    notify(
        connection,
        &json!({
            "event": "train", "model_version": version, "promoted": decision.promoted, "reason": decision.reason,
            "ndcg_at_10": ensemble.ndcg, "seconds": rounded(seconds),
        }),
    )?;
    Ok((
        version,
        decision.promoted,
        decision.reason.clone(),
        trained.data.users.len() as i64,
        trained.data.items.len() as i64,
        trained.data.events.len() as i64,
        ensemble.precision as f32,
        ensemble.ndcg as f32,
        ensemble.map as f32,
        decision.previous_ndcg.map(|v| v as f32),
        seconds as f32,
    ))
}

/// Somebody activated or rolled back a model during the training: that was decided by a person, and later.
fn withhold_if_overtaken(decision: &mut Decision, compared: Option<i64>, active: Option<i64>) {
    if compared == active {
        return;
    }
    let named = |version: Option<i64>| version.map_or("none".into(), |version| version.to_string());
    decision.promoted = false;
    decision.reason = format!(
        "the active model changed from {} to {} during the training; train again, or see {{\"force\": true}}",
        named(compared),
        named(active)
    );
}

fn notify(connection: &Connection, outcome: &Value) -> Outcome<()> {
    connection.write("SELECT pg_catalog.pg_notify('reco', $1)", &[arg(outcome.to_string())])?;
    Ok(())
}

/// Progress lines: one when the step changes, and one every two seconds.
struct Progress {
    step: String,
    said: Instant,
}

impl Progress {
    fn new() -> Self {
        Progress { step: String::new(), said: Instant::now() }
    }

    /// Whoever trains calls it often, so the client and the memory are looked for here.
    fn say(&mut self, step: &str, share: f32, rows: usize) {
        watch_client();
        or_raise(headroom::watch(settings::threads()));
        if self.step == step && self.said.elapsed() < PATIENCE {
            return;
        }
        self.step.clear();
        self.step.push_str(step);
        self.said = Instant::now();
        let percent = 100.0 * share;
        if rows > 0 {
            notice::say(&format!("{step}, {rows} rows ({percent:.0} %)"));
        } else {
            notice::say(&format!("{step} ({percent:.0} %)"));
        }
    }
}

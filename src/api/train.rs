//! `reco_train`: read, train in a thread, store, report.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pgrx::prelude::*;
use reco_models::{Control, Params, Phase, Size, Trained, ValidParams};
use serde_json::{Map, Value, json};

use crate::cache;
use crate::failure::{Failure, Outcome, or_raise};
use crate::pg::notice;
use crate::pg::session::{look_for_client, pause, refuse_read_only, session_user, watch_client};
use crate::pg::spi::{self, Connection, arg};
use crate::pg::worker;
use crate::settings;
use crate::site::Site;
use crate::store;

/// Names the advisory lock that a training holds until its transaction ends ("reco" in ASCII).
const LOCK_KEY: i32 = 0x7265_636f;
/// The longest time without a progress line.
const PATIENCE: Duration = Duration::from_secs(2);

type TrainRow = (i64, bool, String, i64, i64, i64, f32, f32, f32, Option<f32>, f32);

/// Reads the sources, trains, evaluates on a hold-out, decides whether the model is served, and stores it.
#[pg_extern]
#[allow(clippy::type_complexity)]
fn reco_train(
    options: default!(pgrx::JsonB, "'{}'"),
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
    TableIterator::once(or_raise(train(options.0)))
}

fn train(options: Value) -> Outcome<TrainRow> {
    refuse_read_only(c"reco_train()");
    let begun = Instant::now();
    let params = Params::from_json(&options)?.validate()?;
    let (trained, timing) = spi::connect(|connection| {
        lock(connection)?;
        run(connection, &params, begun)
    })?;
    spi::connect(|connection| store_and_report(connection, &trained, options, timing, begun))
}

/// Seconds by step, for the registry.
type Timing = Map<String, Value>;

fn run(connection: &Connection, params: &ValidParams, begun: Instant) -> Outcome<(Trained, Timing)> {
    let mut progress = Progress::new();
    let site = Site::open(connection)?;
    let say = |table: &str, rows| progress.say(&format!("reading {table}"), 0.0, rows);
    let (sources, size) = site.read_all(say, |size| check_memory(size, params))?;
    check_memory(&size, params)?;
    reco_models::require(reco_models::estimate_memory(&size, params).saturating_sub(size.bytes()))?;
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
    Ok((trained, timing))
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
    trained: &Trained,
    options: Value,
    mut timing: Timing,
    begun: Instant,
) -> Outcome<TrainRow> {
    let mut progress = Progress::new();
    let storing = Instant::now();
    progress.say("storing", STORE_SHARE, 0);
    for note in &trained.notes {
        notice::say(note);
    }
    let saved = store::Saved { trained, options, created_by: session_user() };
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

fn notify(connection: &Connection, outcome: &Value) -> Outcome<()> {
    connection.write("SELECT pg_catalog.pg_notify('reco', $1)", &[arg(outcome.to_string())])?;
    Ok(())
}

/// One trainer at a time in a database; the lock ends with the transaction, however it ends.
fn lock(connection: &Connection) -> Outcome<()> {
    let locked = connection.read("SELECT pg_catalog.pg_try_advisory_xact_lock($1, 0)", &[arg(LOCK_KEY)])?.single()?;
    if locked == Some(true) {
        return Ok(());
    }
    let holder = connection.read(
        "SELECT a.pid, a.xact_start::pg_catalog.text FROM pg_catalog.pg_locks l
         JOIN pg_catalog.pg_stat_activity a ON a.pid OPERATOR(pg_catalog.=) l.pid
         WHERE l.locktype OPERATOR(pg_catalog.=) 'advisory' AND l.granted
           AND l.classid OPERATOR(pg_catalog.=) $1::pg_catalog.oid AND l.objid OPERATOR(pg_catalog.=) 0::pg_catalog.oid
           AND l.database OPERATOR(pg_catalog.=) (SELECT oid FROM pg_catalog.pg_database
               WHERE datname OPERATOR(pg_catalog.=) pg_catalog.current_database())",
        &[arg(i64::from(LOCK_KEY))],
    )?;
    let failure =
        Failure::new(PgSqlErrorCode::ERRCODE_LOCK_NOT_AVAILABLE, "another reco_train() is running in this database");
    let Some(mut holder) = holder.first() else { return Err(failure) };
    let (pid, since) = (holder.take::<i32>()?.unwrap_or_default(), holder.take::<String>()?.unwrap_or_default());
    Err(failure
        .detail(format!("Process {pid} trains, in a transaction since {since}."))
        .hint(format!("Wait for it, or stop it: SELECT pg_cancel_backend({pid});")))
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

    /// Whoever trains calls it often, so the client is looked for here.
    fn say(&mut self, step: &str, share: f32, rows: usize) {
        watch_client();
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

//! `reco_runs`, `reco_progress` and `reco_cancel_training`.

use pgrx::prelude::*;

use crate::failure::{Outcome, or_raise};
use crate::pg::session;
use crate::pg::spi::{self, arg};
use crate::store::journal;

/// Trainings that run now, in any session of the database.
#[pg_extern(stable)]
#[allow(clippy::type_complexity)]
fn reco_progress() -> TableIterator<
    'static,
    (
        name!(run_id, i64),
        name!(background, bool),
        name!(phase, String),
        name!(share, f32),
        name!(seconds, f32),
        name!(eta_seconds, Option<f32>),
        name!(memory, i64),
        name!(pid, i32),
    ),
> {
    let running = or_raise(spi::connect(journal::open));
    let rows = running.into_iter().filter_map(|run| {
        let progress = run.segment()?.progress();
        let (share, seconds) = (f64::from(progress.share), run.elapsed);
        let eta = (share >= TELLING).then(|| (seconds * (1.0 - share) / share) as f32);
        Some((
            run.id,
            run.background,
            progress.step,
            progress.share,
            seconds as f32,
            eta,
            progress.memory as i64,
            run.pid,
        ))
    });
    TableIterator::new(rows.collect::<Vec<_>>())
}

/// From this share on it says something of the rest.
const TELLING: f64 = 0.06;

/// Cancels the training with this id, or the one that runs; false where there is none.
#[pg_extern]
fn reco_cancel_training(run_id: default!(Option<i64>, "NULL")) -> bool {
    or_raise(cancel(run_id))
}

fn cancel(run_id: Option<i64>) -> Outcome<bool> {
    let running = spi::connect(journal::open)?;
    let meant = running.into_iter().filter(|run| run_id.is_none_or(|id| id == run.id) && run.is_training());
    let pids: Vec<i32> = meant.map(|run| run.pid).collect();
    let mut is_cancelled = false;
    for pid in pids {
        // With the caller's rights, who must be of the role that trains, or a member of pg_signal_backend.
        let sent: Option<bool> = spi::connect(|connection| {
            connection.write("SELECT pg_catalog.pg_cancel_backend($1)", &[arg(pid)])?.single()
        })?;
        is_cancelled |= sent.unwrap_or(false);
    }
    Ok(is_cancelled)
}

/// The journal: every training, how it ended, and what it took.
#[pg_extern(stable)]
#[allow(clippy::type_complexity)]
fn reco_runs() -> TableIterator<
    'static,
    (
        name!(id, i64),
        name!(kind, String),
        name!(model_name, String),
        name!(background, bool),
        name!(started_by, String),
        name!(role, String),
        name!(begun_at, Option<TimestampWithTimeZone>),
        name!(ended_at, Option<TimestampWithTimeZone>),
        name!(options, Option<pgrx::JsonB>),
        name!(outcome, String),
        name!(phase, String),
        name!(sqlstate, Option<String>),
        name!(error, Option<String>),
        name!(seconds, Option<f32>),
        name!(memory, Option<i64>),
        name!(wal, Option<i64>),
        name!(pid, i32),
        name!(model_version, Option<i64>),
    ),
> {
    let rows = or_raise(spi::connect(journal::runs)).into_iter().map(|run| {
        // Options and errors may hold data of the sources.
        let is_shown = session::may_see(&run.role) || session::may_see(&run.started_by);
        let (options, error) = (run.options.filter(|_| is_shown), run.error.filter(|_| is_shown));
        (
            run.id,
            run.kind,
            run.model,
            run.background,
            run.started_by,
            run.role,
            run.begun_at,
            run.ended_at,
            options,
            run.outcome,
            run.phase,
            run.sqlstate,
            error,
            run.seconds,
            run.memory,
            run.wal,
            run.pid,
            run.model_version,
        )
    });
    TableIterator::new(rows.collect::<Vec<_>>())
}

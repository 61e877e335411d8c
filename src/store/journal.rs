//! The journal of runs, `reco.run`. A row is written and finished by a process that can commit on its own, so it stays where
//! the training's transaction is rolled back; what a dead process left open is closed by whoever writes next.

use pgrx::JsonB;
use pgrx::datum::TimestampWithTimeZone;
use serde_json::Value;

use crate::failure::{Failure, Outcome};
use crate::pg::background;
use crate::pg::board::{Progress, STARTING, Segment, State};
use crate::pg::owner::as_owner;
use crate::pg::session;
use crate::pg::spi::{Connection, Row, arg};

/// The outcome of a run whose process ended without a word.
pub const KILLED: &str = "killed";
/// The outcome where its caller took the model back.
pub const ROLLED_BACK: &str = "rolled back";
/// Runs that are kept: two and a half years of a nightly training.
const KEPT: i64 = 1000;

/// A run that begins.
pub struct Begun<'a> {
    pub id: i64,
    /// Who asked for it: `train`, or `nightly`.
    pub kind: &'a str,
    pub background: bool,
    /// The name of the model; empty for the one without.
    pub model: &'a str,
    /// The session user, and the role whose rights are in force.
    pub started_by: &'a str,
    pub role: &'a str,
    pub options: &'a Value,
    pub pid: i32,
    /// Of the segment in which the process tells how far it is.
    pub handle: u32,
}

/// How a run ended.
pub struct Ended {
    pub outcome: &'static str,
    /// SQLSTATE and text.
    pub error: Option<(String, String)>,
    pub model_version: Option<i64>,
}

impl Ended {
    pub fn failed(failure: &Failure) -> Ended {
        let state = failure.state();
        let outcome = match state.as_str() {
            "57014" => "cancelled",
            // Another training runs; more memory than is allowed; too little, or too wrong, to learn from.
            "55P03" | "53400" | "55000" | "22000" => "refused",
            _ => "failed",
        };
        Ended { outcome, error: Some((state, failure.text())), model_version: None }
    }
}

/// An id that no other run has or had.
pub fn next_run(connection: &Connection) -> Outcome<i64> {
    let sql = "SELECT pg_catalog.nextval('reco.run_id_seq'::pg_catalog.regclass)";
    Ok(as_owner(|| connection.write(sql, &[])?.single())?.unwrap_or_default())
}

/// Writes the row of a run, closes those that dead processes left open, and deletes the oldest.
pub fn begin(connection: &Connection, run: &Begun<'_>) -> Outcome<()> {
    as_owner(|| {
        connection.write(
            "INSERT INTO reco.run (id, kind, background, started_by, role, begun_at, options, outcome, phase, pid, handle,
                 model_name)
             VALUES ($1, $10, $2, $3::pg_catalog.name, $4::pg_catalog.name, pg_catalog.clock_timestamp(), $5, 'running',
                 $8, $6, $7, $9)",
            &[
                arg(run.id),
                arg(run.background),
                arg(run.started_by.to_owned()),
                arg(run.role.to_owned()),
                arg(JsonB(run.options.clone())),
                arg(run.pid),
                arg(i64::from(run.handle)),
                arg(STARTING.to_owned()),
                arg(run.model.to_owned()),
                arg(run.kind.to_owned()),
            ],
        )?;
        let dead: Vec<i64> =
            open_runs(connection)?.into_iter().filter(|run| !run.is_alive()).map(|run| run.id).collect();
        connection.write(
            "UPDATE reco.run SET outcome = $3 WHERE id OPERATOR(pg_catalog.=) ANY ($1) AND id OPERATOR(pg_catalog.<>) $2",
            &[arg(dead), arg(run.id), arg(KILLED.to_owned())],
        )?;
        connection.write(
            "DELETE FROM reco.run WHERE id OPERATOR(pg_catalog.<=) ($1 OPERATOR(pg_catalog.-) $2)
                 AND outcome OPERATOR(pg_catalog.<>) 'running'::pg_catalog.text",
            &[arg(run.id), arg(KEPT)],
        )?;
        Ok(())
    })
}

/// Writes the row of a run that had nothing to do; `why` stands where others have the phase that they reached.
pub fn skip(connection: &Connection, run: &Begun<'_>, why: &str) -> Outcome<()> {
    begin(connection, run)?;
    as_owner(|| {
        connection.write(
            "UPDATE reco.run SET ended_at = pg_catalog.clock_timestamp(), outcome = 'skipped', phase = $2,
                 seconds = pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) begun_at)::pg_catalog.float4
             WHERE id OPERATOR(pg_catalog.=) $1",
            &[arg(run.id), arg(why.to_owned())],
        )?;
        Ok(())
    })
}

/// Whether the row of a run is there, for this transaction.
pub fn is_begun(connection: &Connection, id: i64) -> Outcome<bool> {
    let sql = "SELECT FROM reco.run WHERE id OPERATOR(pg_catalog.=) $1";
    as_owner(|| Ok(!connection.read(sql, &[arg(id)])?.is_empty()))
}

/// Notes the phase that a run has reached, which is what is known of it should it be killed.
pub fn reach(connection: &Connection, id: i64, phase: &str) -> Outcome<()> {
    as_owner(|| {
        let sql = "UPDATE reco.run SET phase = $2 WHERE id OPERATOR(pg_catalog.=) $1";
        connection.write(sql, &[arg(id), arg(phase.to_owned())])?;
        Ok(())
    })
}

/// Finishes the row of a run, with what its process told last.
pub fn end(connection: &Connection, id: i64, progress: Progress, ended: &Ended) -> Outcome<()> {
    as_owner(|| {
        let (state, error) = ended.error.clone().unzip();
        connection.write(
            "UPDATE reco.run SET ended_at = pg_catalog.clock_timestamp(), outcome = $2, sqlstate = $3, error = $4,
                 seconds = pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) begun_at)::pg_catalog.float4,
                 memory = $5, wal = $6, model_version = $7, phase = COALESCE($8, phase)
             WHERE id OPERATOR(pg_catalog.=) $1",
            &[
                arg(id),
                arg(ended.outcome.to_owned()),
                arg(state),
                arg(error),
                arg(progress.peak as i64),
                arg(progress.wal as i64),
                arg(ended.model_version),
                arg(Some(progress.step).filter(|step| !step.is_empty())),
            ],
        )?;
        Ok(())
    })
}

/// A row as it is shown.
pub struct Run {
    pub id: i64,
    pub kind: String,
    pub model: String,
    pub background: bool,
    pub started_by: String,
    pub role: String,
    pub begun_at: Option<TimestampWithTimeZone>,
    pub ended_at: Option<TimestampWithTimeZone>,
    pub options: Option<JsonB>,
    pub outcome: String,
    pub phase: String,
    pub sqlstate: Option<String>,
    pub error: Option<String>,
    pub seconds: Option<f32>,
    pub memory: Option<i64>,
    pub wal: Option<i64>,
    pub pid: i32,
    pub model_version: Option<i64>,
}

/// All runs, the oldest first.
pub fn runs(connection: &Connection) -> Outcome<Vec<Run>> {
    let open = open(connection)?;
    as_owner(|| {
        let rows = connection.read(
            "SELECT id, kind, model_name, background, started_by::pg_catalog.text, role::pg_catalog.text, begun_at, ended_at, options, outcome,
                 phase, sqlstate, error, seconds, memory, wal, pid, model_version
             FROM reco.run ORDER BY id",
            &[],
        )?;
        rows.iter().map(|mut row| of_row(&mut row).map(|run| as_it_is_now(run, &open))).collect()
    })
}

fn of_row(row: &mut Row<'_>) -> Outcome<Run> {
    Ok(Run {
        id: row.take()?.unwrap_or_default(),
        kind: row.take()?.unwrap_or_default(),
        model: row.take()?.unwrap_or_default(),
        background: row.take()?.unwrap_or_default(),
        started_by: row.take()?.unwrap_or_default(),
        role: row.take()?.unwrap_or_default(),
        begun_at: row.take()?,
        ended_at: row.take()?,
        options: row.take()?,
        outcome: row.take()?.unwrap_or_default(),
        phase: row.take()?.unwrap_or_default(),
        sqlstate: row.take()?,
        error: row.take()?,
        seconds: row.take()?,
        memory: row.take()?,
        wal: row.take()?,
        pid: row.take()?.unwrap_or_default(),
        model_version: row.take()?,
    })
}

/// What the row of an open run does not say: its present phase, or that its process is dead.
fn as_it_is_now(mut run: Run, open: &[Open]) -> Run {
    if let Some(now) = open.iter().find(|open| open.id == run.id) {
        match now.segment() {
            Some(segment) => {
                run.phase = Some(segment.progress().step).filter(|step| !step.is_empty()).unwrap_or(run.phase)
            }
            None if now.is_alive() => (),
            None => run.outcome = KILLED.into(),
        }
    }
    run
}

/// A run whose row says that it has not ended.
pub struct Open {
    pub id: i64,
    pub pid: i32,
    pub handle: u32,
    pub background: bool,
    /// In seconds.
    pub elapsed: f64,
}

impl Open {
    /// Its process's segment; None where the process is dead. One that told how it ended may be gone before the row says so.
    pub fn segment(&self) -> Option<Segment> {
        let told = |segment: &Segment| matches!(segment.state(), State::Stored | State::Failed);
        Segment::attach(self.handle, Some(self.id)).filter(|segment| told(segment) || background::lives(self.pid))
    }

    /// On a standby, where the processes of the rows are not, everything is taken to be as written.
    pub fn is_alive(&self) -> bool {
        session::is_standby() || self.segment().is_some()
    }

    /// Whether the model is being computed or stored, and a cancel would hit nothing else.
    pub fn is_training(&self) -> bool {
        self.segment().is_some_and(|segment| matches!(segment.state(), State::Starting | State::Ready))
    }
}

/// Runs that have not ended, as far as their rows say; the caller has switched to the owner or calls [`open`].
fn open_runs(connection: &Connection) -> Outcome<Vec<Open>> {
    let rows = connection.read(
        "SELECT id, pid, handle, background,
             pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) begun_at)
         FROM reco.run WHERE outcome OPERATOR(pg_catalog.=) 'running'::pg_catalog.text ORDER BY id",
        &[],
    )?;
    let open = rows.iter().map(|mut row| {
        Ok(Open {
            id: row.take()?.unwrap_or_default(),
            pid: row.take()?.unwrap_or_default(),
            handle: row.take::<i64>()?.unwrap_or_default() as u32,
            background: row.take()?.unwrap_or_default(),
            elapsed: row.take()?.unwrap_or_default(),
        })
    });
    open.collect()
}

pub fn open(connection: &Connection) -> Outcome<Vec<Open>> {
    as_owner(|| open_runs(connection))
}

//! The journal of a training in the caller's transaction. What that transaction writes is gone when it is rolled back, so the
//! row is written by a process beside it: it starts with the training, follows it in shared memory, and sees how it ends.

use std::panic::AssertUnwindSafe;

use pgrx::PgTryBuilder;
use pgrx::prelude::*;
use serde_json::{Value, json};

use super::TrainRow;
use crate::failure::{Failure, Outcome};
use crate::online::training;
use crate::pg::background;
use crate::pg::board::{self, STORED, Segment, State};
use crate::pg::lock;
use crate::pg::notice;
use crate::pg::session;
use crate::pg::spi;
use crate::settings;
use crate::store::journal::{self, Begun, Ended, KILLED};

/// Between two looks at the training, in milliseconds.
const LOOK_MS: i64 = 200;
/// The longest wait for a lock on the journal, which the caller's own transaction may hold.
const LOCK_WAIT: &std::ffi::CStr = c"2s";

/// Runs a training so that its row stays, however it ends. Without a free background worker it runs all the same.
pub fn recorded(kind: &str, options: &Value, work: impl FnOnce() -> Outcome<TrainRow>) -> Outcome<TrainRow> {
    match begin(kind, options) {
        Ok(segment) => board::enter(segment),
        Err(failure) => notice::say(&format!("this training will not be in reco_runs(): {}", failure.message())),
    }
    let outcome = PgTryBuilder::new(AssertUnwindSafe(work))
        .catch_others(|error| {
            tell_failure(&Failure::caught(&error));
            board::leave();
            error.rethrow()
        })
        .execute();
    match &outcome {
        Ok((version, promoted, ..)) => tell_success(*version, *promoted),
        Err(failure) => tell_failure(failure),
    }
    board::leave();
    outcome
}

fn tell_failure(failure: &Failure) {
    board::of_this_run(|segment| {
        segment.say(&failure.to_json());
        segment.set_state(State::Failed);
    });
}

fn tell_success(version: i64, promoted: bool) {
    board::of_this_run(|segment| {
        let (whole, part) = session::transaction();
        segment.set_transaction(whole, part);
        segment.set_version(version);
        segment.set_step(STORED, 1.0);
        segment.say(&Value::from(promoted).to_string());
        segment.set_state(State::Stored);
    });
}

fn begin(kind: &str, options: &Value) -> Outcome<Segment> {
    let given = json!({
        "database": session::database(), "kind": kind, "options": options,
        "model": settings::model_name(), "started_by": session::session_user(), "role": session::role_name(session::user()),
    });
    let segment = Segment::create(0, &given.to_string())?;
    segment.set_pid(session::pid());
    let process = background::start("reco_record_training", segment.handle())?;
    match process.wait(|| segment.state() != State::Starting) {
        true => Ok(segment),
        false => Err(Failure::invalid("the process that records it ended, see the server's log")),
    }
}

/// The process that records a training; its argument is the segment.
#[pg_guard]
#[unsafe(no_mangle)]
pub extern "C-unwind" fn reco_record_training(argument: pg_sys::Datum) {
    let Some(segment) = Segment::attach(argument.value() as u32, None) else { return };
    let given: Value = serde_json::from_str(&segment.given()).unwrap_or_default();
    let database = given["database"].as_u64().unwrap_or_default() as u32;
    background::connect(pg_sys::Oid::from(database), None);
    background::set(c"default_transaction_read_only", c"off");
    if let Err(failure) = background::caught(|| record(&segment, &given)) {
        pgrx::log!("reco: a training is not recorded: {}", failure.text());
    }
}

fn record(segment: &Segment, given: &Value) -> Outcome<()> {
    background::set(c"lock_timeout", LOCK_WAIT);
    background::transaction(None, || start_row(segment, given))?;
    background::set(c"lock_timeout", c"0");
    background::show(None);
    segment.set_state(State::Ready);
    let mut phase = String::new();
    while segment.state() == State::Ready && background::lives(segment.pid()) {
        background::sleep(LOOK_MS);
        let step = segment.progress().step;
        if step != phase && !step.is_empty() {
            let (id, step) = (segment.run(), step.clone());
            background::transaction(None, || spi::connect(|connection| journal::reach(connection, id, &step)))?;
        }
        phase = step;
    }
    if segment.state() == State::Stored {
        background::transaction(None, || {
            lock::wait_for_transaction(segment.transaction().0);
            Ok(())
        })?;
    }
    let (id, progress, ended) = (segment.run(), segment.progress(), how_it_ended(segment));
    background::transaction(None, || {
        spi::connect(|connection| {
            journal::end(connection, id, progress, &ended)?;
            training::ended(connection, id, &given["model"], &ended)
        })
    })
}

fn start_row(segment: &Segment, given: &Value) -> Outcome<()> {
    let text = |name: &str| given[name].as_str().unwrap_or_default();
    let id = spi::connect(journal::next_run)?;
    segment.set_run(id);
    let begun = Begun {
        id,
        kind: text("kind"),
        background: false,
        model: text("model"),
        started_by: text("started_by"),
        role: text("role"),
        options: &given["options"],
        pid: segment.pid(),
        handle: segment.handle(),
    };
    spi::connect(|connection| journal::begin(connection, &begun))
}

fn how_it_ended(segment: &Segment) -> Ended {
    match segment.state() {
        State::Stored if lock::was_committed(segment.transaction().1) => {
            let outcome = if segment.said() == "true" { "trained" } else { "kept" };
            Ended { outcome, error: None, model_version: Some(segment.version()) }
        }
        State::Stored => Ended { outcome: journal::ROLLED_BACK, error: None, model_version: None },
        State::Failed => Ended::failed(&Failure::from_json(&segment.said())),
        _ => Ended { outcome: KILLED, error: None, model_version: None },
    }
}

//! `reco_train_async`: a training in a process of its own, beside the site. It reads in one short transaction, computes in
//! none, and stores in a second one.

use std::time::Instant;

use pgrx::AnyElement;
use pgrx::prelude::*;
use reco_models::{Params, ValidParams};
use serde_json::{Value, json};

use super::{finish, given, steps};
use crate::api::names;
use crate::failure::{Failure, Outcome, or_raise};
use crate::online::training;
use crate::pg::background;
use crate::pg::board::{self, STORED, Segment, State};
use crate::pg::handover;
use crate::pg::lock;
use crate::pg::session::{self, refuse_read_only};
use crate::pg::spi;
use crate::settings::MODEL_NAME;
use crate::store;
use crate::store::journal::{self, Begun, Ended};

/// The step of a run whose caller's transaction is open.
const WAITING: &str = "waiting for the commit of its caller";

/// Starts a training in the background when the caller's transaction commits, and gives the id of the run.
// By hand, because pgrx declares what it reads as jsonb: see `json`.
#[pg_extern(sql = r#"
CREATE FUNCTION reco_train_async(options jsonb DEFAULT '{}') RETURNS bigint
LANGUAGE c AS 'MODULE_PATHNAME', '@FUNCTION_NAME@';
"#)]
fn reco_train_async(options: Option<AnyElement>) -> i64 {
    or_raise(given(options).and_then(begin))
}

fn begin(options: Value) -> Outcome<i64> {
    refuse_read_only(c"reco_train_async()");
    let (name, others) = names::of_training(&options)?;
    Params::from_json(&others)?.validate()?;
    if session::is_sandboxed() {
        let code = PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE;
        return Err(Failure::new(code, "reco_train_async() must not be called within a security-restricted operation"));
    }
    let id = spi::connect(journal::next_run)?;
    let mut settings = handover::settings();
    settings[MODEL_NAME.to_str().unwrap_or_default()] = name.clone().into();
    let handed = json!({
        "database": session::database(), "session_user": session::session_user_oid().to_u32(),
        "user": session::user().to_u32(), "role": session::role_name(session::user()),
        "options": options, "settings": settings, "model": name,
    });
    let segment = Segment::create(id, &handed.to_string())?;
    let (whole, part) = session::transaction();
    segment.set_transaction(whole, part);
    let process = background::start("reco_train_in_background", segment.handle())?;
    if !process.wait(|| segment.state() != State::Starting) {
        let code = PgSqlErrorCode::ERRCODE_INTERNAL_ERROR;
        return Err(Failure::new(code, "the process that was to train ended").hint("See the server's log."));
    }
    if segment.state() != State::Ready {
        return Err(Failure::from_json(&segment.said()));
    }
    let (pid, handle) = (segment.pid(), segment.handle());
    write_row(id, &handed, pid, handle)?;
    Ok(id)
}

/// In the caller's transaction: without its commit there is no row, and the process that waits for it ends.
fn write_row(id: i64, handed: &Value, pid: i32, handle: u32) -> Outcome<()> {
    let (user, role) = (session::session_user(), handed["role"].as_str().unwrap_or_default());
    let model = handed["model"].as_str().unwrap_or_default();
    let begun = Begun {
        id,
        kind: "train",
        background: true,
        model,
        started_by: &user,
        role,
        options: &handed["options"],
        pid,
        handle,
    };
    spi::connect(|connection| journal::begin(connection, &begun))
}

/// The process that trains; its argument is the segment.
#[pg_guard]
#[unsafe(no_mangle)]
pub extern "C-unwind" fn reco_train_in_background(argument: pg_sys::Datum) {
    let Some(segment) = Segment::attach(argument.value() as u32, None) else { return };
    let handed: Value = serde_json::from_str(&segment.given()).unwrap_or_default();
    let oid = |name: &str| pg_sys::Oid::from(handed[name].as_u64().unwrap_or_default() as u32);
    background::connect(oid("database"), Some(oid("session_user")));
    // What the caller could do it does, whatever new transactions of this user are by default.
    background::set(c"default_transaction_read_only", c"off");
    background::set(c"default_transaction_isolation", c"read committed");
    segment.set_pid(session::pid());
    if let Err(failure) = background::caught(|| get_ready(&handed["settings"])) {
        let written = background::caught(|| write_refusal(&segment, &handed, &failure));
        written.unwrap_or_else(|failure| log(segment.run(), &failure));
        segment.say(&failure.to_json());
        segment.set_state(State::Refused);
        return;
    }
    segment.set_step(WAITING, 0.0);
    segment.set_state(State::Ready);
    board::enter(segment);
    if let Err(failure) = background::caught(|| train_after_commit(&handed, oid("user"))) {
        let told = board::of_this_run(|segment| (segment.run(), segment.progress()));
        let Some((id, progress)) = told else { return };
        log(id, &failure);
        let ended = Ended::failed(&failure);
        let written = background::caught(|| {
            background::transaction(None, || {
                spi::connect(|connection| {
                    journal::end(connection, id, progress, &ended)?;
                    training::ended(connection, id, &handed["model"], &ended)
                })
            })
        });
        written.unwrap_or_else(|failure| log(id, &failure));
    }
    board::leave();
}

fn log(id: i64, failure: &Failure) {
    pgrx::log!("reco: training {id}: {}", failure.text());
}

/// Takes over the caller's settings, and the lock of the one training that a database may have, until this process ends.
fn get_ready(settings: &Value) -> Outcome<()> {
    background::transaction(None, || {
        spi::connect(|connection| {
            handover::take_over(connection, settings)?;
            store::keep_others_from_training_in_process(connection)
        })
    })
}

/// The caller's own row is rolled back with its error.
fn write_refusal(segment: &Segment, handed: &Value, failure: &Failure) -> Outcome<()> {
    let (id, pid, handle, progress) = (segment.run(), segment.pid(), segment.handle(), segment.progress());
    let ended = Ended::failed(failure);
    background::transaction(None, || {
        write_row(id, handed, pid, handle)?;
        spi::connect(|connection| {
            journal::end(connection, id, progress, &ended)?;
            training::ended(connection, id, &handed["model"], &ended)
        })
    })
}

fn train_after_commit(handed: &Value, user: pg_sys::Oid) -> Outcome<()> {
    let Some((id, transaction)) = board::of_this_run(|segment| (segment.run(), segment.transaction().0)) else {
        return Ok(());
    };
    background::show(Some(WAITING));
    let is_begun = background::transaction(None, || {
        lock::wait_for_transaction(transaction);
        // The snapshot of this transaction is from before the wait.
        Ok(())
    })
    .and_then(|()| background::transaction(None, || spi::connect(|connection| journal::is_begun(connection, id))))?;
    if !is_begun {
        return Ok(());
    }
    let options = &handed["options"];
    let params = Params::from_json(&names::of_training(options)?.1)?.validate()?;
    train(id, &params, options, user, &handed["model"])
}

fn train(id: i64, params: &ValidParams, options: &Value, user: pg_sys::Oid, model: &Value) -> Outcome<()> {
    note(id, "reading")?;
    let begun = Instant::now();
    let prepared =
        background::transaction(Some(user), || spi::connect(|connection| steps::read(connection, params, begun)))?;
    let mut noted = "";
    let finished = steps::compute(prepared, params, |phase| {
        if phase != noted {
            or_raise(note(id, phase));
            noted = phase;
        }
    })?;
    note(id, "storing")?;
    background::transaction(Some(user), || {
        let row =
            spi::connect(|connection| finish::store_and_report(connection, finished, options.clone(), params.force))?;
        let outcome = if row.1 { "trained" } else { "kept" };
        let ended = Ended { outcome, error: None, model_version: Some(row.0) };
        board::tell(STORED, 1.0);
        if let Some(progress) = board::of_this_run(Segment::progress) {
            spi::connect(|connection| {
                journal::end(connection, id, progress, &ended)?;
                training::ended(connection, id, model, &ended)
            })?;
        }
        Ok(())
    })
}

/// Writes down the phase that is reached, at once.
fn note(id: i64, phase: &str) -> Outcome<()> {
    background::transaction(None, || spi::connect(|connection| journal::reach(connection, id, phase)))?;
    background::show(Some(&format!("training {id}: {phase}")));
    Ok(())
}

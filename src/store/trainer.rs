//! One training at a time in a database, and none while a user is being forgotten.

use std::ffi::CStr;

use pgrx::prelude::*;

use crate::failure::{Failure, Outcome};
use crate::pg::lock::{Mode, try_sequence, try_sequence_in_process};
use crate::pg::owner::as_owner;
use crate::pg::spi::{Connection, arg};
use crate::store::subscriber::refuse_on_subscriber;

/// The sequence whose lock a training holds. Not an advisory lock, which anybody can take; and not a table, which autovacuum
/// locks in the same way.
const TRAINER: &CStr = c"model_version_seq";

/// Until the transaction ends, however it ends, nobody else trains.
///
/// # Errors
/// 55P03 where somebody trains, or forgets a user; 55000 on a subscriber.
pub fn keep_others_from_training(connection: &Connection) -> Outcome<()> {
    refuse_on_subscriber(connection, "model")?;
    taken(connection, try_sequence(TRAINER, Mode::Alone)?)
}

/// The same until this process ends, or a transaction of it is aborted.
///
/// # Errors
/// 55P03 where somebody trains, or forgets a user; 55000 on a subscriber.
pub fn keep_others_from_training_in_process(connection: &Connection) -> Outcome<()> {
    refuse_on_subscriber(connection, "model")?;
    taken(connection, try_sequence_in_process(TRAINER)?)
}

/// The same, and several transactions may do so at once: a training that has read a user's interactions would store the
/// user again after it was forgotten.
///
/// # Errors
/// 55P03 where somebody trains.
pub fn keep_trainings_away(connection: &Connection) -> Outcome<()> {
    taken(connection, try_sequence(TRAINER, Mode::Shared)?)
}

/// The error where the lock was not free: who has it.
fn taken(connection: &Connection, is_taken: bool) -> Outcome<()> {
    if is_taken {
        return Ok(());
    }
    // As the owner, because everybody else sees of other people's sessions only that they are there.
    let (pid, since, trains) = as_owner(|| {
        let rows = connection.read(
            "SELECT a.pid, a.xact_start::pg_catalog.text, l.mode OPERATOR(pg_catalog.=) $1 FROM pg_catalog.pg_locks l
             LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid OPERATOR(pg_catalog.=) l.pid
             WHERE l.locktype OPERATOR(pg_catalog.=) 'relation'::pg_catalog.text AND l.granted
               AND l.mode OPERATOR(pg_catalog.=) ANY (ARRAY[$1, $2])
               AND l.relation OPERATOR(pg_catalog.=) 'reco.model_version_seq'::pg_catalog.regclass
               AND l.database OPERATOR(pg_catalog.=) (SELECT oid FROM pg_catalog.pg_database
                   WHERE datname OPERATOR(pg_catalog.=) pg_catalog.current_database())",
            &[Mode::Alone, Mode::Shared].map(|mode| arg(mode.name().to_owned())),
        )?;
        let Some(mut holder) = rows.first() else { return Ok((None, None, None)) };
        Ok((holder.take::<i32>()?, holder.take::<String>()?, holder.take::<bool>()?))
    })?;
    let (call, does) = match trains {
        Some(false) => ("reco_forget()", "forgets a user"),
        _ => ("training", "trains"),
    };
    let message = format!("another {call} is running in this database");
    let failure = Failure::new(PgSqlErrorCode::ERRCODE_LOCK_NOT_AVAILABLE, message);
    let Some(pid) = pid else {
        return Err(failure.hint("If no session has it, a prepared transaction has: see pg_prepared_xacts."));
    };
    let since = since.map_or(String::new(), |since| format!(", in a transaction since {since}"));
    Err(failure
        .detail(format!("Process {pid} {does}{since}."))
        .hint(format!("Wait for it, or stop it: SELECT pg_cancel_backend({pid});")))
}

//! Lines of JSON in the server's log, for whoever collects logs: `reco: {"event": ...}`.

use serde_json::Value;

use crate::pg::lock;
use crate::pg::session;

/// Writes a line at the level LOG, which clients do not get by default.
pub fn line(event: &Value) {
    pgrx::log!("reco: {event}");
}

/// Writes it when the transaction commits, if what is done now is committed with it. (A transaction that is prepared is
/// committed by another session, and leaves no line.)
pub fn line_at_commit(event: Value) {
    let (_, part) = session::transaction();
    pgrx::register_xact_callback(pgrx::PgXactCallbackEvent::Commit, move || {
        if lock::was_committed(part) {
            line(&event);
        }
    });
}

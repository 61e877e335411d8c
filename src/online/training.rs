//! How a training ended, told to those who did not wait for it.

use serde_json::{Value, json};

use super::alert::{self, Finding, Kind};
use super::announce::announce;
use crate::failure::Outcome;
use crate::pg::session::with_setting;
use crate::pg::spi::Connection;
use crate::settings;
use crate::store::journal::{self, Ended, KILLED, ROLLED_BACK};

/// What the end of a run means for its model.
enum Verdict {
    Well,
    Badly,
    /// That another one trains, that somebody cancelled it or took it back, is no problem of the model.
    Nothing,
}

fn verdict(outcome: &str, state: Option<&str>) -> Verdict {
    match (outcome, state) {
        ("trained" | "kept", _) => Verdict::Well,
        ("refused", Some("55P03")) => Verdict::Nothing,
        ("refused" | "failed" | KILLED, _) => Verdict::Badly,
        _ => Verdict::Nothing,
    }
}

/// Raises an alert where the training failed or was refused, and closes it where it ended with a model. To be called where its row
/// in the journal is finished: by another process, if the training's own transaction is rolled back.
pub fn ended(connection: &Connection, run: i64, model: &Value, ended: &Ended) -> Outcome<()> {
    let model = model.as_str().unwrap_or_default();
    let (outcome, state) = (ended.outcome, ended.error.as_ref().map(|(state, _)| state.as_str()));
    let found = match verdict(outcome, state) {
        Verdict::Well => Some(Vec::new()),
        Verdict::Badly => Some(vec![finding(run, outcome, state)]),
        Verdict::Nothing => None,
    };
    if let Some(found) = found {
        with_setting(settings::MODEL_NAME, model, || alert::settle(connection, &[Kind::Training], &found))?;
    }
    if ended.model_version.is_some() {
        // The training has told that itself.
        return Ok(());
    }
    let name = if outcome == ROLLED_BACK { ROLLED_BACK } else { "failure" };
    let event = json!({"event": name, "model": model, "run": run, "outcome": outcome, "sqlstate": state});
    announce(connection, event)
}

/// From the journal: also where the process ended without a word.
pub fn trouble(connection: &Connection) -> Outcome<Option<Finding>> {
    let (name, runs) = (settings::model_name(), journal::runs(connection)?);
    for run in runs.into_iter().rev().filter(|run| run.model == name) {
        match verdict(&run.outcome, run.sqlstate.as_deref()) {
            Verdict::Well => return Ok(None),
            Verdict::Badly => return Ok(Some(finding(run.id, &run.outcome, run.sqlstate.as_deref()))),
            Verdict::Nothing => (),
        }
    }
    Ok(None)
}

fn finding(run: i64, outcome: &str, state: Option<&str>) -> Finding {
    let sqlstate = state.map_or(String::new(), |state| format!(" ({state})"));
    let how = if outcome == "failed" { outcome.to_owned() } else { format!("was {outcome}") };
    let message = format!("the latest training, run {run}, {how}{sqlstate}: SELECT * FROM reco_runs();");
    Finding {
        kind: Kind::Training,
        subject: String::new(),
        message,
        detail: json!({"run": run, "outcome": outcome, "sqlstate": state}),
    }
}

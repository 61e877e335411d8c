//! The end of a training: its model is stored, and the outcome told.

use std::time::Instant;

use reco_models::Decision;
use serde_json::{Value, json};

use super::TrainRow;
use super::progress::{Progress, STORE_SHARE};
use super::steps::{Finished, Origin, rounded};
use crate::cache;
use crate::failure::Outcome;
use crate::online::announce::announce;
use crate::pg::board::{self, Segment};
use crate::pg::notice;
use crate::pg::session::{look_for_client, pause, session_user};
use crate::pg::spi::Connection;
use crate::settings;
use crate::store;

/// Stores what was trained in the transaction of the caller, and serves it if the gate said so.
pub fn store_and_report(connection: &Connection, finished: Finished, options: Value, force: bool) -> Outcome<TrainRow> {
    let Finished { mut trained, mut timing, origin, begun } = finished;
    let Origin { sources, skipped, keys, champion, revisions } = origin;
    let mut progress = Progress::new();
    let storing = Instant::now();
    progress.say("storing", STORE_SHARE, 0);
    for note in &trained.notes {
        notice::say(note);
    }
    store::lock(connection)?;
    if !force {
        withhold_if_overtaken(&mut trained.decision, champion, store::active_now(connection)?);
        withhold_if_mapped_anew(&mut trained.decision, &revisions, &store::revisions_now(connection)?);
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
    announce(
        connection,
        json!({
            "event": "train", "model": settings::model_name(), "model_version": version, "promoted": decision.promoted,
            "reason": decision.reason, "ndcg_at_10": ensemble.ndcg, "seconds": rounded(seconds),
            "run": board::of_this_run(Segment::run),
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

/// The model was trained on what was mapped when it was read.
fn withhold_if_mapped_anew(decision: &mut Decision, read: &[i64], mapped: &[i64]) {
    if read != mapped {
        decision.promoted = false;
        decision.reason = "reco_configure() changed the sources during the training; train again, \
            or see {\"force\": true}"
            .into();
    }
}

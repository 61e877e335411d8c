//! The steps of a training before it is stored: reading, which needs a transaction, and computing, which needs none.

use std::sync::Arc;
use std::time::Instant;

use reco_models::{Champion, Control, Phase, Size, Sources, Trained, ValidParams};
use serde_json::{Map, Value, json};

use super::progress::{Progress, READ_SHARE, STORE_SHARE};
use crate::failure::Outcome;
use crate::pg::catalog::row_security_applies;
use crate::pg::headroom;
use crate::pg::keys::Keys;
use crate::pg::notice;
use crate::pg::spi::Connection;
use crate::pg::subtransaction::without_locks;
use crate::pg::worker;
use crate::read::Read;
use crate::settings;
use crate::site::Site;
use crate::store;

/// Seconds by step, for the registry.
type Timing = Map<String, Value>;

/// What of the reading is stored with the model, or compared with what is there then.
pub struct Origin {
    /// The relation that each source is.
    pub sources: Value,
    /// What of them was skipped.
    pub skipped: Value,
    pub keys: Keys,
    /// The version that was active, and that the gate compared with.
    pub champion: Option<i64>,
    /// Of each configured source, ascending.
    pub revisions: Vec<i64>,
}

/// What was read.
pub struct Prepared {
    sources: Sources,
    champion: Option<Champion>,
    origin: Origin,
    timing: Timing,
    begun: Instant,
}

/// What a run leaves to be stored.
pub struct Finished {
    pub trained: Trained,
    pub origin: Origin,
    pub timing: Timing,
    pub begun: Instant,
}

/// Tells of what is not as one might think: rows that row security hides, sources that are gone, texts that are no times.
/// `what` reads the site: "training".
pub fn tell_of_sources(site: &Site<'_>, what: &str) -> Outcome<()> {
    let tables = || site.mapping.tables().into_iter().filter_map(|(_, table)| table.ok());
    for table in tables().filter(|table| row_security_applies(table.oid)) {
        let text = format!("row security may hide rows of {} from this {what}", table.quoted());
        notice::warn(&text, "Do it as the owner of the table, or as a role with BYPASSRLS.");
    }
    site.lost().iter().for_each(|lost| notice::say(&lost.sentence()));
    without_locks(|| {
        for table in tables() {
            site.unreadable_times(table)?.iter().for_each(|sentence| notice::say(sentence));
        }
        Ok(())
    })
}

/// Reads everything that the training needs, in one snapshot.
pub fn read(connection: &Connection, params: &ValidParams, begun: Instant) -> Outcome<Prepared> {
    let mut progress = Progress::new();
    let site = Site::to_train(connection)?;
    let mut revisions = store::active(connection)?.revisions;
    revisions.sort_unstable();
    tell_of_sources(&site, "training")?;
    let say = |table: &str, rows| progress.say(&format!("reading {table}"), 0.0, rows);
    let Read { mut sources, mut size, skipped, not_embedded, unknown, keys } =
        site.read_all(say, |size| check_memory(size, params))?;
    if params.clicks != Some(0.0) {
        sources.clicks = store::clicks(connection, &mut size, |size, rows| {
            progress.say("reading clicks", 0.0, rows);
            check_memory(size, params)
        })?;
    }
    skipped.check(site.mapping.ratings(), params.strict)?;
    not_embedded.check(site.mapping.items(), params.strict)?;
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
    let (relations, version) = (site.relations(params.force), site.active.map(|key| key.version));
    let origin =
        Origin { sources: relations, skipped: skipped.report(&not_embedded), keys, champion: version, revisions };
    Ok(Prepared { sources, champion, origin, timing, begun })
}

/// Trains in a thread; `watch` is told the phase, often. Nothing here needs a transaction.
pub fn compute(prepared: Prepared, params: &ValidParams, mut watch: impl FnMut(&'static str)) -> Outcome<Finished> {
    let Prepared { sources, champion, origin, mut timing, begun } = prepared;
    let mut progress = Progress::new();
    let control = Arc::new(Control::default());
    let threads = settings::threads();
    let job = {
        let (control, params) = (Arc::clone(&control), params.clone());
        move || reco_models::train(sources, &params, champion.as_ref(), threads, &control)
    };
    let trained = worker::run(&control, job, || {
        let (phase, percent) = control.progress();
        progress.say(phase.name(), READ_SHARE + (STORE_SHARE - READ_SHARE) * percent / 100.0, 0);
        watch(phase.name());
    })??;
    for (phase, seconds) in control.seconds() {
        timing.insert(key(phase), rounded(seconds));
    }
    Ok(Finished { trained, origin, timing, begun })
}

fn key(phase: Phase) -> String {
    phase.name().to_owned()
}

pub fn rounded(seconds: f64) -> Value {
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

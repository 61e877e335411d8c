//! `reco_score` and `reco_scores`: read-only, in the caller's snapshot, by the model or else by the rules.

use pgrx::prelude::*;
use reco_models::{ItemInfo, Parts, Rung, Scored, room};

use super::arguments::ids;
use crate::failure::{Failure, Outcome, or_raise};
use crate::online::counters::{self, Function};
use crate::pg::session::pause;
use crate::pg::spi;
use crate::read::RulesReader;
use crate::site::{Served, Site};

/// One row per element of `item_ids`, in its order, duplicates and unknown ids included.
#[pg_extern(stable, parallel_safe)]
#[allow(clippy::type_complexity)]
fn reco_score(
    user_id: i64,
    item_ids: Array<i64>,
) -> TableIterator<
    'static,
    (
        name!(item_id, i64),
        name!(score, f32),
        name!(collaborative, Option<f32>),
        name!(content_based, Option<f32>),
        name!(popularity, Option<f32>),
        name!(source, &'static str),
        name!(model_version, Option<i64>),
    ),
> {
    let call = counters::begin(Function::Score);
    let items = or_raise(ids("item_ids", item_ids));
    let (scored, version) = or_raise(score(user_id, &items));
    call.ladder(scored.iter().map(|s| s.rung));
    TableIterator::new(items.into_iter().zip(scored).map(move |(item, s)| {
        let Parts { collaborative, content_based, popularity } = s.parts;
        (item, s.score, collaborative, content_based, popularity, s.rung.name(), version)
    }))
}

/// The same scores as one array.
#[pg_extern(stable, parallel_safe)]
fn reco_scores(user_id: i64, item_ids: Array<i64>) -> Vec<f32> {
    let call = counters::begin(Function::Scores);
    let items = or_raise(ids("item_ids", item_ids));
    let (scored, _) = or_raise(score(user_id, &items));
    let mut scores = or_raise(room(scored.len()).map_err(Failure::from));
    scores.extend(scored.iter().map(|s| s.score));
    call.ladder(scored.iter().map(|s| s.rung));
    scores
}

fn score(user: i64, items: &[i64]) -> Outcome<(Vec<Scored>, Option<i64>)> {
    if items.is_empty() {
        return Ok((Vec::new(), None));
    }
    spi::connect(|connection| {
        let site = Site::answering(connection)?;
        match &site.served {
            Some(served) => Ok((by_model(&site, served, user, items)?, Some(served.version))),
            None => Ok((by_rules(&site, user, items)?, None)),
        }
    })
}

/// Items between two checks for interrupts.
const BLOCK: usize = 4096;
/// Items that are looked up in the catalogue by one statement: what is found of them is not kept for the whole array.
const LOOKED_UP: usize = 16 * BLOCK;

fn by_model(site: &Site<'_>, served: &Served, user: i64, items: &[i64]) -> Outcome<Vec<Scored>> {
    let reader = site.reader(served, user)?;
    let user = reader.user(&served.model)?;
    let mut scored = room(items.len())?;
    for some in items.chunks(LOOKED_UP) {
        for block in site.targets(&served.model, some)?.chunks(BLOCK) {
            pause();
            scored.extend(served.model.score(&user, block));
        }
    }
    Ok(scored)
}

fn by_rules(site: &Site<'_>, user: i64, items: &[i64]) -> Outcome<Vec<Scored>> {
    let reader = site.rules_reader(user)?;
    let mut scored = room(items.len())?;
    for some in items.chunks(LOOKED_UP) {
        pause();
        let found = site.items(some.to_vec())?;
        scored.extend(some.iter().map(|id| by_taste(&reader, &found.get_or_unknown(*id))));
    }
    Ok(scored)
}

/// The score that the rules give.
pub fn by_taste(reader: &RulesReader, item: &ItemInfo) -> Scored {
    let score = reader.taste.score(item, reader.now);
    Scored { score, parts: Parts { content_based: Some(score), ..Parts::default() }, rung: Rung::Rules }
}

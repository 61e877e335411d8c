//! `reco_score` and `reco_scores`: read-only, in the caller's snapshot, down the ladder from the model to the rules.

use pgrx::prelude::*;
use reco_models::{ItemInfo, NONE, Parts, Scored, Source};

use super::arguments::ids;
use super::reader::{self, Reader, RulesReader, Served, Site};
use crate::failure::{Outcome, or_raise};
use crate::pg::session::pause;
use crate::pg::spi::{self, Connection};
use crate::read::live;
use crate::read::mapping::Mapping;

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
    let items = or_raise(ids("item_ids", item_ids));
    let (scored, version) = or_raise(score(user_id, &items));
    TableIterator::new(items.into_iter().zip(scored).map(move |(item, s)| {
        let Parts { collaborative, content_based, popularity } = s.parts;
        (item, s.score, collaborative, content_based, popularity, s.source.name(), version)
    }))
}

/// The same scores as one array.
#[pg_extern(stable, parallel_safe)]
fn reco_scores(user_id: i64, item_ids: Array<i64>) -> Vec<f32> {
    let items = or_raise(ids("item_ids", item_ids));
    let (scored, _) = or_raise(score(user_id, &items));
    scored.iter().map(|s| s.score).collect()
}

fn score(user: i64, items: &[i64]) -> Outcome<(Vec<Scored>, Option<i64>)> {
    if items.is_empty() {
        return Ok((Vec::new(), None));
    }
    spi::connect(|connection| {
        let Site { mapping, served } = Site::open(connection)?;
        match served {
            Some(served) => Ok((by_model(connection, &mapping, &served, user, items)?, Some(served.version))),
            None => Ok((by_rules(connection, &mapping, user, items)?, None)),
        }
    })
}

fn by_model(
    connection: &Connection,
    mapping: &Mapping,
    served: &Served,
    user: i64,
    items: &[i64],
) -> Outcome<Vec<Scored>> {
    let reader = Reader::read(connection, mapping, served, user)?;
    let user = reader.user(&served.model)?;
    let targets = reader::targets(connection, mapping, &served.model, items)?;
    let mut scored = Vec::with_capacity(items.len());
    for block in targets.chunks(4096) {
        pause();
        scored.extend(served.model.score(&user, block));
    }
    Ok(scored)
}

fn by_rules(connection: &Connection, mapping: &Mapping, user: i64, items: &[i64]) -> Outcome<Vec<Scored>> {
    let reader = RulesReader::read(connection, mapping, user)?;
    let candidates = live::items(connection, mapping, items.to_vec())?;
    let unknown = ItemInfo { category: NONE, author: NONE, published: NONE };
    Ok(items
        .iter()
        .map(|id| {
            let info = candidates.binary_search_by_key(id, |(id, _)| *id).map_or(unknown, |i| candidates[i].1);
            let score = reader.taste.score(info, reader.now);
            let parts = Parts { content_based: Some(score), ..Parts::default() };
            Scored { score, parts, source: Source::Rules }
        })
        .collect())
}

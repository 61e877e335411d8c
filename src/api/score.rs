//! `reco_score` and `reco_scores`: read-only, in the caller's snapshot, down the ladder from the model to the rules.

use pgrx::prelude::*;
use reco_models::{ItemInfo, NONE, Parts, Scored, Source, Target, Taste, fingerprint};

use crate::cache;
use crate::failure::{Failure, Outcome, or_raise};
use crate::pg::spi::{self, Connection};
use crate::read::live;
use crate::read::mapping::{self, Mapping};
use crate::settings;
use crate::store;

/// One row per element of `item_ids`, in its order, duplicates and unknown ids included.
#[pg_extern(stable, parallel_restricted)]
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
    let items = or_raise(ids(item_ids));
    let (scored, version) = or_raise(score(user_id, &items));
    TableIterator::new(items.into_iter().zip(scored).map(move |(item, s)| {
        let Parts { collaborative, content_based, popularity } = s.parts;
        (item, s.score, collaborative, content_based, popularity, s.source.name(), version)
    }))
}

/// The same scores as one array.
#[pg_extern(stable, parallel_restricted)]
fn reco_scores(user_id: i64, item_ids: Array<i64>) -> Vec<f32> {
    let items = or_raise(ids(item_ids));
    let (scored, _) = or_raise(score(user_id, &items));
    scored.iter().map(|s| s.score).collect()
}

/// The elements, if they are a list that may be scored.
pub fn ids(array: Array<i64>) -> Outcome<Vec<i64>> {
    let nulls = array.contains_nulls();
    let values: Vec<Option<i64>> = if nulls { Vec::new() } else { array.iter().collect() };
    // SAFETY: the array is a valid argument of this call.
    let dimensions = unsafe { pgrx::array::RawArray::from_array(array) }.map_or(1, |raw| raw.dims().len());
    if dimensions > 1 {
        let code = PgSqlErrorCode::ERRCODE_ARRAY_ELEMENT_ERROR;
        return Err(Failure::new(code, format!("item_ids has {dimensions} dimensions, and one is expected")));
    }
    if nulls {
        return Err(Failure::new(PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED, "item_ids holds a NULL")
            .hint("Leave it out: array_remove(item_ids, NULL)."));
    }
    let limit = settings::max_candidates();
    if values.len() > limit {
        let code = PgSqlErrorCode::ERRCODE_PROGRAM_LIMIT_EXCEEDED;
        return Err(Failure::new(
            code,
            format!("item_ids has {} elements, and at most {limit} are scored", values.len()),
        )
        .hint("Score in several calls, or raise reco.max_candidates."));
    }
    Ok(values.into_iter().flatten().collect())
}

fn score(user: i64, items: &[i64]) -> Outcome<(Vec<Scored>, Option<i64>)> {
    if items.is_empty() {
        return Ok((Vec::new(), None));
    }
    spi::connect(|connection| {
        let active = store::active(connection)?;
        let mapping = mapping::resolve(connection, active.revision)?;
        mapping.check()?;
        match active.model.filter(|_| settings::enabled()) {
            Some(key) => Ok((by_model(connection, &mapping, key, user, items)?, Some(key.0))),
            None if settings::fallback() || !settings::enabled() => {
                Ok((by_rules(connection, &mapping, user, items)?, None))
            }
            None => Err(no_model()),
        }
    })
}

pub fn no_model() -> Failure {
    let code = PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE;
    Failure::new(code, "there is no active model, and reco.fallback is off")
        .hint("SELECT * FROM reco_train(); or SET reco.fallback = on;")
}

fn by_model(
    connection: &Connection,
    mapping: &Mapping,
    key: (i64, i64),
    user: i64,
    items: &[i64],
) -> Outcome<Vec<Scored>> {
    let model = cache::model(connection, key)?;
    let (ratings, favorites) = live::interactions(connection, mapping, user)?;
    let history = model.history(&ratings, &favorites);
    let stored = store::user_factor(connection, key.0, user)?;
    let known = &model.fitted.items;
    let now = fingerprint(history.row(), |item| known.id[item as usize]);
    // What the model does not know is a change too, though it cannot be folded in.
    let unchanged = |print: i64| print == now && history.unknown == 0;
    let stored =
        stored.filter(|s| unchanged(s.fingerprint) && s.factor.len() == model.fitted.collaborative.factors.ncols());
    let since = live::since(connection, mapping, user)?;
    let reader = model.user(history.row(), since, stored.map(|s| s.factor))?;
    let targets = targets(connection, mapping, &model, items)?;
    let mut scored = Vec::with_capacity(items.len());
    for block in targets.chunks(4096) {
        pgrx::check_for_interrupts!();
        scored.extend(model.score(&reader, block));
    }
    Ok(scored)
}

/// Items of the model by index; the others as the catalogue has them now, if it does.
fn targets(
    connection: &Connection,
    mapping: &Mapping,
    model: &reco_models::Model,
    items: &[i64],
) -> Outcome<Vec<Target>> {
    let index: Vec<Option<u32>> = items.iter().map(|id| model.fitted.items.index(*id)).collect();
    let missing = items.iter().zip(&index).filter(|(_, i)| i.is_none()).map(|(id, _)| *id).collect();
    let newcomers = live::items(connection, mapping, missing)?;
    let newcomer = |id: &i64| newcomers.binary_search_by_key(id, |(id, _)| *id).ok().map(|i| newcomers[i].1);
    Ok(items
        .iter()
        .zip(index)
        .map(|(id, index)| match (index, newcomer(id)) {
            (Some(index), _) => Target::Known(index),
            (None, Some(info)) => Target::Newcomer(info),
            (None, None) => Target::Unknown,
        })
        .collect())
}

/// Reviews of so many stars count as liked where no model says otherwise.
const LIKED_STARS: f32 = 4.0;

fn by_rules(connection: &Connection, mapping: &Mapping, user: i64, items: &[i64]) -> Outcome<Vec<Scored>> {
    let (ratings, favorites) = live::interactions(connection, mapping, user)?;
    let well_rated =
        ratings.item.iter().zip(&ratings.stars).filter(|(_, stars)| **stars >= LIKED_STARS).map(|(i, _)| *i);
    let mut liked: Vec<i64> = well_rated.chain(favorites.item.iter().copied()).collect();
    liked.sort_unstable();
    liked.dedup();
    let taste = Taste::of(live::items(connection, mapping, liked)?.into_iter().map(|(_, info)| info));
    let candidates = live::items(connection, mapping, items.to_vec())?;
    // SAFETY: no arguments; the time of the transaction, so that a call is stable within it.
    let now = unsafe { pg_sys::GetCurrentTransactionStartTimestamp() } / 1_000_000 + EPOCH_2000;
    let unknown = ItemInfo { category: NONE, author: NONE, published: NONE };
    Ok(items
        .iter()
        .map(|id| {
            let info = candidates.binary_search_by_key(id, |(id, _)| *id).map_or(unknown, |i| candidates[i].1);
            let score = taste.score(info, now);
            let parts = Parts { content_based: Some(score), ..Parts::default() };
            Scored { score, parts, source: Source::Rules }
        })
        .collect())
}

/// PostgreSQL counts from 2000, we from 1970: seconds between.
const EPOCH_2000: i64 = 946_684_800;

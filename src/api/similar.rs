//! `reco_similar`: items that are like an item, as far as the catalogue has them now.

use pgrx::prelude::*;
use reco_models::{ItemInfo, Kinship, NONE, Similar, Target};

use super::arguments::count;
use super::reader::{Served, Site};
use crate::failure::{Outcome, or_raise};
use crate::pg::session::pause;
use crate::pg::spi::{self, Connection};
use crate::read::live;
use crate::read::mapping::Mapping;

/// The nearest items, best first.
#[pg_extern(stable, parallel_safe)]
#[allow(clippy::type_complexity)]
fn reco_similar(
    item_id: Option<i64>,
    n: default!(Option<i32>, "10"),
) -> TableIterator<
    'static,
    (
        name!(rank, i32),
        name!(item_id, i64),
        name!(similarity, f32),
        name!(evidence, &'static str),
        name!(model_version, Option<i64>),
    ),
> {
    let n = or_raise(count(n));
    let Some(item) = item_id else { return TableIterator::new(Vec::new()) };
    let (found, version) = or_raise(spi::connect(|connection| {
        let Site { mapping, served } = Site::open(connection)?;
        match served {
            Some(served) => Ok((by_model(connection, &mapping, &served, item, n)?, Some(served.version))),
            None => Ok((by_catalogue(connection, &mapping, item, n)?, None)),
        }
    }));
    TableIterator::new(
        found
            .into_iter()
            .zip(1..)
            .map(move |((id, similarity, kinship), rank)| (rank, id, similarity, name(kinship), version)),
    )
}

fn name(kinship: Kinship) -> &'static str {
    match kinship {
        Kinship::Readers => "readers",
        Kinship::Factors => "factors",
        Kinship::Author => "author",
        Kinship::Category => "category",
    }
}

type Kin = (i64, f32, Kinship);

fn by_model(connection: &Connection, mapping: &Mapping, served: &Served, item: i64, n: usize) -> Outcome<Vec<Kin>> {
    let model = &served.model;
    let items = model.items();
    let (target, info) = match items.index(item) {
        Some(index) => (Target::Known(index), items.info(index)),
        None => match live::items(connection, mapping, vec![item])?.first() {
            Some((_, info)) => (Target::Newcomer(*info), *info),
            None => return Ok(Vec::new()),
        },
    };
    let mut most = n + 16;
    loop {
        let similar = model.similar(target, info, most, pause)?;
        let ids = similar.iter().map(|s| items.id[s.item as usize]).collect();
        let present = live::items(connection, mapping, ids)?;
        let there = |id: &i64| present.binary_search_by_key(id, |(id, _)| *id).is_ok();
        let exhausted = similar.len() < most;
        let kin = |s: Similar| (items.id[s.item as usize], s.similarity, s.kinship);
        let kin: Vec<Kin> = similar.into_iter().map(kin).filter(|(id, ..)| there(id)).take(n).collect();
        if kin.len() == n || exhausted {
            return Ok(kin);
        }
        // Some were deleted, or are hidden from the caller.
        most *= 8;
    }
}

/// Items of the author and of the category that are looked at without a model, the highest ids first.
const POOL: i64 = 1000;
/// As the model has it for items that nobody read.
const AUTHOR: f32 = 0.2;
const CATEGORY: f32 = 0.1;

fn by_catalogue(connection: &Connection, mapping: &Mapping, item: i64, n: usize) -> Outcome<Vec<Kin>> {
    let found = live::items(connection, mapping, vec![item])?;
    let Some((_, ItemInfo { category, author, .. })) = found.first().copied() else { return Ok(Vec::new()) };
    let mut kin: Vec<Kin> = Vec::new();
    for (role, key, kinship, similarity) in
        [("author", author, Kinship::Author, AUTHOR), ("category", category, Kinship::Category, CATEGORY)]
    {
        if key == NONE {
            continue;
        }
        for (id, _) in live::grouped(connection, mapping, role, vec![key], POOL)?.unwrap_or_default() {
            if id != item && kin.len() < n && kin.iter().all(|(known, ..)| *known != id) {
                kin.push((id, similarity, kinship));
            }
        }
    }
    Ok(kin)
}

//! `reco_similar`: items that are like an item, as far as the catalogue has them now.

use std::collections::HashSet;

use pgrx::prelude::*;
use reco_models::{Kinship, Similar, Target};

use super::arguments::count;
use crate::failure::{Outcome, or_raise};
use crate::online::counters::{self, Function, Source};
use crate::pg::session::pause;
use crate::pg::spi;
use crate::site::{Served, Site};

/// The nearest items, best first.
#[pg_extern(stable, parallel_safe)]
#[allow(clippy::type_complexity)]
fn reco_similar(
    item_id: Option<i64>,
    n: default!(Option<f64>, "10"),
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
    let call = counters::begin(Function::Similar);
    let n = or_raise(count(n));
    let Some(item) = item_id else {
        call.gave(Source::Nothing, 0);
        return TableIterator::new(Vec::new());
    };
    let (found, version) = or_raise(spi::connect(|connection| {
        let site = Site::answering(connection)?;
        match &site.served {
            Some(served) => Ok((by_model(&site, served, item, n)?, Some(served.version))),
            None => Ok((by_catalogue(&site, item, n)?, None)),
        }
    }));
    call.gave(Source::of_model(version.is_some()), found.len());
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

fn by_model(site: &Site<'_>, served: &Served, item: i64, n: usize) -> Outcome<Vec<Kin>> {
    let model = &served.model;
    let items = model.items();
    let Some(target) = site.targets(model, &[item])?.into_iter().next() else { return Ok(Vec::new()) };
    let info = match &target {
        Target::Known(index) => items.info(*index),
        Target::Newcomer(info) => info.clone(),
        Target::Unknown => return Ok(Vec::new()),
    };
    let mut most = n + 16;
    loop {
        let similar = model.similar(&target, &info, most, pause)?;
        let ids = similar.iter().map(|s| items.id[s.item as usize]).collect();
        let present = site.present(ids)?;
        let exhausted = similar.len() < most;
        let kin = |s: Similar| (items.id[s.item as usize], s.similarity, s.kinship);
        let kin: Vec<Kin> = similar.into_iter().map(kin).filter(|(id, ..)| present.contains(*id)).take(n).collect();
        if kin.len() == n || exhausted {
            return Ok(kin);
        }
        // Some were deleted, or are hidden from the caller.
        most *= 8;
    }
}

/// Items of the author and of the category that are looked at without a model, the highest ids first.
const POOL: Option<i64> = Some(1000);
/// The similarities that a model gives to items without a reader.
const SAME_AUTHOR: f32 = 0.2;
const SAME_CATEGORY: f32 = 0.1;

fn by_catalogue(site: &Site<'_>, item: i64, n: usize) -> Outcome<Vec<Kin>> {
    let found = site.items(vec![item])?;
    let Some(info) = found.get(item) else { return Ok(Vec::new()) };
    let of_authors = site.by_authors(info.authors().collect(), POOL)?;
    let of_authors = of_authors.into_iter().map(|(id, _)| (id, SAME_AUTHOR, Kinship::Author));
    let of_categories = site.in_categories(info.categories().collect(), POOL)?;
    let of_categories = of_categories.into_iter().map(|(id, _)| (id, SAME_CATEGORY, Kinship::Category));
    let mut listed = HashSet::from([item]);
    Ok(of_authors.chain(of_categories).filter(|(id, ..)| listed.insert(*id)).take(n).collect())
}

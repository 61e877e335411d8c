//! `reco_audience`: the users whom an item suits best.

use pgrx::prelude::*;
use reco_models::{BestUsers, ItemInfo, Rung, Target};

use super::arguments::{count_up_to, filter};
use super::score::by_taste;
use crate::failure::{Outcome, or_raise};
use crate::online::counters::{self, Function, Source};
use crate::pg::memory::scoped;
use crate::pg::session::pause;
use crate::pg::spi;
use crate::site::{Served, Site};

const MOST: f64 = 100_000.0;
/// Users who are read at once: a few milliseconds.
const BATCH: usize = 500;

/// The users with the highest scores for an item that they have not seen, best first.
#[pg_extern(stable, parallel_safe)]
#[allow(clippy::type_complexity)]
fn reco_audience(
    item_id: Option<i64>,
    n: default!(Option<f64>, "10"),
    among: default!(Option<Array<i64>>, "NULL"),
) -> TableIterator<
    'static,
    (
        name!(rank, i32),
        name!(user_id, i64),
        name!(score, f32),
        name!(source, &'static str),
        name!(model_version, Option<i64>),
    ),
> {
    let call = counters::begin(Function::Audience);
    let n =
        or_raise(count_up_to(MOST, "For more, score the users themselves: reco_score(user_id, ARRAY[item_id]).", n));
    let among = or_raise(among.map(|among| filter("among", among)).transpose());
    let Some(item) = item_id else {
        call.gave(Source::Nothing, 0);
        return TableIterator::new(Vec::new());
    };
    let (found, version) = or_raise(spi::connect(|connection| {
        let site = Site::answering(connection)?;
        let found = audience(&site, item, n, among)?;
        Ok((found, site.served.map(|served| served.version)))
    }));
    call.ladder(found.iter().map(|(_, _, rung)| *rung));
    TableIterator::new(
        found.into_iter().zip(1..).map(move |((user, score, rung), rank)| (rank, user, score, rung.name(), version)),
    )
}

fn audience(site: &Site<'_>, item: i64, n: usize, among: Option<Vec<i64>>) -> Outcome<Vec<(i64, f32, Rung)>> {
    // What the catalogue does not have now, or not for this caller, is for nobody.
    let Some(info) = site.items(vec![item])?.get(item).cloned() else { return Ok(Vec::new()) };
    let mut described = [(item, info)];
    if let Some(served) = &site.served {
        site.describe(&served.model, &mut described)?;
    }
    let [(_, info)] = described;
    let users = match among {
        Some(among) => among,
        None => site.interacting()?,
    };
    let mut best = BestUsers::new(n);
    for users in users.chunks(BATCH) {
        pause();
        scoped(|| match &site.served {
            Some(served) => by_model(site, served, (item, &info), users, &mut best),
            None => by_rules(site, (item, &info), users, &mut best),
        })?;
    }
    Ok(best.into_sorted())
}

fn by_model(
    site: &Site<'_>,
    served: &Served,
    (item, info): (i64, &ItemInfo),
    users: &[i64],
    best: &mut BestUsers<Rung>,
) -> Outcome<()> {
    let model = &served.model;
    let target = model.items().index(item).map_or_else(|| Target::Newcomer(info.clone()), Target::Known);
    for (user, reader) in site.readers(served, users)? {
        if reader.seen.binary_search(&item).is_err() {
            let scored = model.score(&reader.user(model)?, std::slice::from_ref(&target));
            scored.into_iter().for_each(|scored| best.offer(user, scored.score, scored.rung));
        }
    }
    Ok(())
}

fn by_rules(site: &Site<'_>, (item, info): (i64, &ItemInfo), users: &[i64], best: &mut BestUsers<Rung>) -> Outcome<()> {
    let present = site.present_users(users)?;
    for user in users.iter().filter(|user| present.contains(user)) {
        pause();
        let reader = site.rules_reader(*user)?;
        let scored = by_taste(&reader, info);
        if scored.score > 0.0 && reader.seen.binary_search(&item).is_err() {
            best.offer(*user, scored.score, scored.rung);
        }
    }
    Ok(())
}

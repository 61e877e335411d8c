//! `reco_recommend`: the best of the whole catalogue as it is in the caller's snapshot.

mod by_model;
mod by_rules;
mod request;

use pgrx::prelude::*;
use reco_models::{Parts, Scored};

use crate::failure::or_raise;
use crate::pg::spi;
use crate::site::Site;
use request::Request;

/// The top n, best first.
#[pg_extern(stable, parallel_safe)]
#[allow(clippy::type_complexity, clippy::too_many_arguments)]
fn reco_recommend(
    user_id: Option<i64>,
    n: default!(Option<f64>, "10"),
    exclude: default!(Option<Array<i64>>, "'{}'"),
    category: default!(Option<i64>, "NULL"),
    exclude_seen: default!(Option<bool>, "true"),
    diversity: default!(Option<f64>, "0"),
    explore: default!(Option<f64>, "0"),
) -> TableIterator<
    'static,
    (
        name!(rank, i32),
        name!(item_id, i64),
        name!(score, f32),
        name!(collaborative, Option<f32>),
        name!(content_based, Option<f32>),
        name!(popularity, Option<f32>),
        name!(source, &'static str),
        name!(model_version, Option<i64>),
        name!(reason, Option<String>),
        name!(propensity, Option<f32>),
    ),
> {
    let request = or_raise(Request::new(n, exclude, category, exclude_seen, diversity, explore));
    let Some(user) = user_id else { return TableIterator::new(Vec::new()) };
    let (list, version) = or_raise(spi::connect(|connection| {
        let site = Site::answering(connection)?;
        match &site.served {
            Some(served) => Ok((by_model::recommend(&site, served, user, &request)?, Some(served.version))),
            None => Ok((by_rules::recommend(&site, user, &request)?, None)),
        }
    }));
    TableIterator::new(list.into_iter().zip(1..).map(move |(recommendation, rank)| {
        let Recommendation { item, scored, reason, propensity } = recommendation;
        let Scored { score, parts, rung } = scored;
        let Parts { collaborative, content_based, popularity } = parts;
        (rank, item, score, collaborative, content_based, popularity, rung.name(), version, reason, propensity)
    }))
}

struct Recommendation {
    item: i64,
    scored: Scored,
    /// As a page shows it; None where there is none.
    reason: Option<String>,
    /// Of an explored place: how probable it was that the item would get one.
    propensity: Option<f32>,
}

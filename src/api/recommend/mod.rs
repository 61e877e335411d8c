//! `reco_recommend` and `reco_recommend_for`: the best of the whole catalogue as it is in the caller's snapshot, for a user
//! of the site or for somebody of whom only some liked items are known.

mod assigned;
mod by_model;
mod by_rules;
mod request;

use pgrx::prelude::*;
use reco_models::{Parts, Scored};

use crate::api::arguments;
use crate::failure::{Outcome, or_raise};
use crate::online::counters::{self, Call, Function, Source};
use crate::pg::spi::{self, Connection};
use crate::site::{Answerer, Site};

pub use assigned::{Assigned, Shown, assigned, by};
pub use request::Request;

/// A row of the answer, as both functions declare it: pgrx reads the types of a table in the signature itself.
type Row =
    (i32, i64, f32, Option<f32>, Option<f32>, Option<f32>, &'static str, Option<i64>, Option<String>, Option<f32>);

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
    among: default!(Option<Array<i64>>, "NULL"),
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
    let call = counters::begin(Function::Recommend);
    let request = or_raise(Request::new(n, exclude, category, exclude_seen, diversity, explore, among));
    TableIterator::new(answer(call, user_id.map(Who::User), &request))
}

/// The top n for somebody who likes some items and has no account: a guest, or a basket.
#[pg_extern(stable, parallel_safe)]
#[allow(clippy::type_complexity, clippy::too_many_arguments)]
fn reco_recommend_for(
    item_ids: Option<Array<i64>>,
    n: default!(Option<f64>, "10"),
    exclude: default!(Option<Array<i64>>, "'{}'"),
    category: default!(Option<i64>, "NULL"),
    diversity: default!(Option<f64>, "0"),
    explore: default!(Option<f64>, "0"),
    among: default!(Option<Array<i64>>, "NULL"),
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
    let call = counters::begin(Function::RecommendFor);
    let request = or_raise(Request::new(n, exclude, category, None, diversity, explore, among));
    let liked = item_ids.map(|array| or_raise(arguments::liked(array)));
    TableIterator::new(answer(call, liked.map(Who::Guest), &request))
}

/// Whom the items are for.
pub enum Who {
    User(i64),
    /// The ids of the liked items.
    Guest(Vec<i64>),
}

/// The items for somebody, best first, and the model that answered.
pub struct Page {
    pub list: Vec<Recommendation>,
    /// None where the rules answered.
    pub version: Option<i64>,
}

/// By the active model, or by who is to answer instead.
fn page_by(connection: &Connection, who: &Who, request: &Request, answerer: Answerer) -> Outcome<Page> {
    let site = Site::answering_by(connection, answerer)?;
    match &site.served {
        Some(served) => {
            Ok(Page { list: by_model::recommend(&site, served, who, request)?, version: Some(served.version) })
        }
        None => Ok(Page { list: by_rules::recommend(&site, who, request)?, version: None }),
    }
}

/// No rows for nobody.
fn answer(call: Call, who: Option<Who>, request: &Request) -> Vec<Row> {
    let Some(who) = who else {
        call.gave(Source::Nothing, 0);
        return Vec::new();
    };
    let Page { list, version } =
        or_raise(spi::connect(|connection| page_by(connection, &who, request, Answerer::default())));
    call.ladder(list.iter().map(|recommendation| recommendation.scored.rung));
    let row = |(recommendation, rank): (Recommendation, i32)| {
        let Recommendation { item, scored, reason, propensity } = recommendation;
        let Scored { score, parts, rung } = scored;
        let Parts { collaborative, content_based, popularity } = parts;
        (rank, item, score, collaborative, content_based, popularity, rung.name(), version, reason, propensity)
    };
    list.into_iter().zip(1..).map(row).collect()
}

pub struct Recommendation {
    pub item: i64,
    pub scored: Scored,
    /// As a page shows it; None where there is none.
    pub reason: Option<String>,
    /// Of an explored place: how probable it was that the item would get one.
    pub propensity: Option<f32>,
}

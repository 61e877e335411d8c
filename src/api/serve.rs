//! `reco_serve`, `reco_feedback` and `reco_expire`: a page that is logged, what came of it, and when that is deleted.

use pgrx::datum::TimestampWithTimeZone;
use pgrx::prelude::*;
use reco_models::{Parts, Scored};

use super::arguments::{self, given};
use super::recommend::{self, Assigned, Recommendation, Request, Shown};
use crate::failure::{Outcome, or_raise};
use crate::online::counters::{self, Function, Source};
use crate::online::experiment::{self, Assignment, Shadowing, shadow};
use crate::online::impression::{self, Items};
use crate::online::{RequestId, feedback, retention};
use crate::pg::session::refuse_read_only;
use crate::pg::spi::{self, Connection};

/// As the function declares it.
type Row = (
    pgrx::Uuid,
    i32,
    i64,
    f32,
    Option<f32>,
    Option<f32>,
    Option<f32>,
    &'static str,
    Option<i64>,
    Option<String>,
    Option<f32>,
    Option<String>,
    Option<String>,
);

/// The top n, best first, and a row of `reco.impression` for each.
#[pg_extern]
#[allow(clippy::type_complexity, clippy::too_many_arguments)]
fn reco_serve(
    user_id: Option<i64>,
    n: default!(Option<f64>, "10"),
    surface: default!(Option<String>, "''"),
    exclude: default!(Option<Array<i64>>, "'{}'"),
    category: default!(Option<i64>, "NULL"),
    exclude_seen: default!(Option<bool>, "true"),
    diversity: default!(Option<f64>, "0"),
    explore: default!(Option<f64>, "0"),
    among: default!(Option<Array<i64>>, "NULL"),
) -> TableIterator<
    'static,
    (
        name!(request_id, pgrx::Uuid),
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
        name!(experiment, Option<String>),
        name!(variant, Option<String>),
    ),
> {
    let call = counters::begin(Function::Serve);
    let request = or_raise(Request::new(n, exclude, category, exclude_seen, diversity, explore, among));
    let surface = or_raise(arguments::label("surface", surface));
    refuse_read_only(c"reco_serve()");
    let Some(user) = user_id else {
        call.gave(Source::Nothing, 0);
        return TableIterator::new(Vec::new());
    };
    let (id, page) = or_raise(serve(user, &surface, &request));
    call.sources(page.list.iter().map(|shown| shown.by));
    TableIterator::new(id.map_or(Vec::new(), |id| rows(id, page)))
}

/// The page, and the id under which it was logged; None where it is empty.
fn serve(user: i64, surface: &str, request: &Request) -> Outcome<(Option<RequestId>, Assigned)> {
    spi::connect(|connection| {
        let Assignment { answer, shadow } = experiment::assign(connection, user, surface)?;
        let page = recommend::assigned(connection, user, request, answer)?;
        if page.list.is_empty() {
            return Ok((None, page));
        }
        let mut items = Items::default();
        for Shown { recommendation, version, variant, .. } in &page.list {
            items.id.push(recommendation.item);
            items.score.push(recommendation.scored.score);
            items.source.push(recommendation.scored.rung.name());
            items.propensity.push(recommendation.propensity);
            items.version.push(*version);
            items.variant.push(variant.clone());
        }
        let to = impression::Page { user, surface, experiment: page.experiment.as_deref() };
        let id = impression::record(connection, &to, items)?;
        if let Some(shadowing) = shadow {
            shadow::beside(&shadowing.experiment, || ask(connection, (user, id), request, &shadowing, &page.list))?;
        }
        Ok((Some(id), page))
    })
}

/// What a challenger would have shown, beside what was.
fn ask(
    connection: &Connection,
    (user, id): (i64, RequestId),
    request: &Request,
    Shadowing { experiment, challenger }: &Shadowing,
    shown: &[Shown],
) -> Outcome<()> {
    let list = recommend::by(connection, user, request, challenger)?.list;
    let list: Vec<_> = list.iter().map(|of| shadow::Listed { item: of.item, score: of.scored.score }).collect();
    let on_page = |Shown { recommendation, .. }: &Shown| shadow::OnPage {
        item: recommendation.item,
        propensity: recommendation.propensity,
    };
    let page: Vec<_> = shown.iter().map(on_page).collect();
    shadow::record(connection, (id.uuid(), user, experiment), &page, &list)
}

fn rows(id: RequestId, Assigned { experiment, list }: Assigned) -> Vec<Row> {
    let row = |(Shown { recommendation, version, variant, .. }, rank): (Shown, i32)| {
        let Recommendation { item, scored, reason, propensity } = recommendation;
        let Scored { score, parts, rung } = scored;
        let Parts { collaborative, content_based, popularity } = parts;
        let source = rung.name();
        let (id, experiment) = (id.uuid(), experiment.clone());
        (
            id,
            rank,
            item,
            score,
            collaborative,
            content_based,
            popularity,
            source,
            version,
            reason,
            propensity,
            experiment,
            variant,
        )
    };
    list.into_iter().zip(1..).map(row).collect()
}

/// Notes what the user did with an item that was shown; false where that was known already.
#[pg_extern]
fn reco_feedback(
    request_id: Option<pgrx::Uuid>,
    item_id: Option<i64>,
    event: Option<&str>,
    at: default!(Option<TimestampWithTimeZone>, "now()"),
) -> bool {
    let call = counters::begin(Function::Feedback);
    let request = or_raise(given("request_id", request_id));
    let item = or_raise(given("item_id", item_id));
    let event = or_raise(given("event", event).and_then(feedback::Event::parse));
    refuse_read_only(c"reco_feedback()");
    let is_new = spi::connect(|connection| feedback::note(connection, RequestId::from_uuid(request), item, event, at));
    let is_new = or_raise(is_new);
    let source = match event {
        feedback::Event::Click => Source::Click,
        feedback::Event::Dismiss => Source::Dismiss,
    };
    call.gave(source, usize::from(is_new));
    is_new
}

/// Deletes what is older than `reco.keep_impressions` says; gives the number of rows.
#[pg_extern]
fn reco_expire() -> i64 {
    refuse_read_only(c"reco_expire()");
    or_raise(spi::connect(retention::apply)).rows()
}

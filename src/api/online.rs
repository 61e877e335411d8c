//! `reco_online` and `reco_attribution`: figures of what was shown, and which impression has the credit for what.

use pgrx::datum::{Date, TimestampWithTimeZone};
use pgrx::prelude::*;
use reco_models::Tally;

use super::arguments;
use crate::failure::{Failure, Outcome, or_raise};
use crate::online::outcomes::{self, Span};
use crate::online::report::{By, Figures, Key, Report, report};
use crate::pg::session;
use crate::pg::spi;
use crate::site::Site;

/// Share, low and high end.
type Rate = (Option<f64>, Option<f64>, Option<f64>);

/// Clicks, conversions and engagement per impression, with their intervals, by day, surface, model, variant and source.
#[pg_extern(stable)]
#[allow(clippy::type_complexity)]
fn reco_online(
    since: default!(Option<TimestampWithTimeZone>, "now() - interval '30 days'"),
    until: default!(Option<TimestampWithTimeZone>, "NULL"),
    by: default!(Option<Array<&str>>, "'{day,surface,model_version,experiment,variant,source}'"),
) -> TableIterator<
    'static,
    (
        name!(day, Option<Date>),
        name!(surface, Option<String>),
        name!(model_version, Option<i64>),
        name!(experiment, Option<String>),
        name!(variant, Option<String>),
        name!(source, Option<String>),
        name!(impressions, i64),
        name!(users, i64),
        name!(clicks, i64),
        name!(ctr, Option<f64>),
        name!(ctr_low, Option<f64>),
        name!(ctr_high, Option<f64>),
        name!(conversions, Option<i64>),
        name!(conversion, Option<f64>),
        name!(conversion_low, Option<f64>),
        name!(conversion_high, Option<f64>),
        name!(engagements, Option<i64>),
        name!(engagement, Option<f64>),
        name!(engagement_low, Option<f64>),
        name!(engagement_high, Option<f64>),
        name!(dismissals, i64),
    ),
> {
    let by = or_raise(columns(by));
    let span = or_raise(Span::new(since, until));
    let Report { groups, known } = or_raise(spi::connect(|connection| {
        let site = Site::open(connection)?;
        site.check_name()?;
        report(&site, span, by)
    }));
    let rows = groups.into_iter().map(move |(key, figures)| {
        let Key { day, surface, version, experiment, variant, source } = key;
        let Figures { clicks, conversions, engagements, dismissals } = figures;
        let (ctr, ctr_low, ctr_high) = rate(&clicks, true);
        let (conversion, conversion_low, conversion_high) = rate(&conversions, known.conversions);
        let (engagement, engagement_low, engagement_high) = rate(&engagements, known.engagements);
        (
            day.map(Date::saturating_from_raw),
            surface,
            version,
            experiment,
            variant,
            source,
            clicks.x as i64,
            clicks.users as i64,
            clicks.y as i64,
            ctr,
            ctr_low,
            ctr_high,
            known.conversions.then_some(conversions.y as i64),
            conversion,
            conversion_low,
            conversion_high,
            known.engagements.then_some(engagements.y as i64),
            engagement,
            engagement_low,
            engagement_high,
            dismissals as i64,
        )
    });
    TableIterator::new(rows.collect::<Vec<_>>())
}

fn rate(tally: &Tally, is_known: bool) -> Rate {
    let (low, high) = tally.wilson().filter(|_| is_known).unzip();
    ((is_known && tally.x > 0.0).then(|| tally.rate()), low, high)
}

/// What can be grouped by.
const COLUMNS: [&str; 6] = ["day", "surface", "model_version", "experiment", "variant", "source"];

fn columns(names: Option<Array<&str>>) -> Outcome<By> {
    let mut by = By::default();
    let Some(names) = names else { return Err(arguments::null("by")) };
    for name in names.iter() {
        match name {
            Some("day") => by.day = true,
            Some("surface") => by.surface = true,
            Some("model_version") => by.version = true,
            Some("experiment") => by.experiment = true,
            Some("variant") => by.variant = true,
            Some("source") => by.source = true,
            Some(other) => {
                return Err(Failure::invalid(format!("there is no column \"{other}\" to group by"))
                    .detail(format!("The columns are: {}.", COLUMNS.join(", "))));
            }
            None => return Err(arguments::null("an element of by")),
        }
    }
    Ok(by)
}

type Credit = (
    &'static str,
    i64,
    i64,
    Option<TimestampWithTimeZone>,
    pgrx::Uuid,
    i32,
    Option<TimestampWithTimeZone>,
    String,
    Option<i64>,
    Option<String>,
    Option<String>,
    String,
    Option<f32>,
);

/// Clicks, dismissals, favourites and reviews, each with the impression that has the credit for it.
#[pg_extern(stable)]
#[allow(clippy::type_complexity)]
fn reco_attribution(
    since: default!(Option<TimestampWithTimeZone>, "now() - interval '30 days'"),
    until: default!(Option<TimestampWithTimeZone>, "NULL"),
) -> TableIterator<
    'static,
    (
        name!(event, &'static str),
        name!(user_id, i64),
        name!(item_id, i64),
        name!(at, Option<TimestampWithTimeZone>),
        name!(request_id, pgrx::Uuid),
        name!(rank, i32),
        name!(shown_at, Option<TimestampWithTimeZone>),
        name!(surface, String),
        name!(model_version, Option<i64>),
        name!(experiment, Option<String>),
        name!(variant, Option<String>),
        name!(source, String),
        name!(propensity, Option<f32>),
    ),
> {
    let span = or_raise(Span::new(since, until));
    TableIterator::new(or_raise(spi::connect(|connection| {
        let site = Site::open(connection)?;
        site.check_name()?;
        credits(&site, span)
    })))
}

fn credits(site: &Site<'_>, span: Span) -> Outcome<Vec<Credit>> {
    let mut rows: Vec<Credit> = Vec::new();
    outcomes::each(site, span, |impression, came| {
        let events = [
            ("click", came.clicked),
            ("dismiss", came.dismissed),
            ("favorite", came.converted),
            ("review", came.engaged),
        ];
        for (event, at) in events.into_iter().filter_map(|(event, at)| Some((event, at?))) {
            reco_models::more_room(&mut rows, 1)?;
            rows.push((
                event,
                impression.user,
                impression.item,
                session::timestamp(at),
                impression.request.uuid(),
                impression.rank,
                session::timestamp(impression.at),
                impression.surface.clone(),
                impression.version,
                impression.experiment.clone(),
                impression.variant.clone(),
                impression.source.clone(),
                impression.propensity,
            ));
        }
        Ok(())
    })?;
    Ok(rows)
}

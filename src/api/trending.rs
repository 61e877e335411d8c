//! `reco_trending`: what is read now, without a model.

use pgrx::datum::Interval;
use pgrx::prelude::*;

use super::arguments::count;
use crate::failure::{Failure, Outcome, or_raise};
use crate::online::counters::{self, Function, Source};
use crate::pg::spi;
use crate::read::Trend;
use crate::site::Site;

/// The items with the highest decayed sums of interactions, best first.
#[pg_extern(stable, parallel_safe)]
#[allow(clippy::type_complexity)]
fn reco_trending(
    n: default!(Option<f64>, "10"),
    half_life: default!(Option<Interval>, "'7 days'"),
    category: default!(Option<i64>, "NULL"),
) -> TableIterator<'static, (name!(rank, i32), name!(item_id, i64), name!(score, f64), name!(interactions, i64))> {
    let call = counters::begin(Function::Trending);
    let found = or_raise(trending(n, half_life, category));
    call.gave(Source::Nothing, found.len());
    TableIterator::new(
        found.into_iter().zip(1..).map(|(trend, rank)| (rank, trend.item, trend.score, trend.interactions)),
    )
}

fn trending(n: Option<f64>, half_life: Option<Interval>, category: Option<i64>) -> Outcome<Vec<Trend>> {
    let n = count(n)?;
    let half_life = half_life.as_ref().map_or(7.0 * DAY, seconds);
    if half_life <= 0.0 {
        return Err(Failure::invalid(format!("half_life must be more than 0 seconds, not {half_life}"))
            .hint("For instance: reco_trending(10, '7 days')."));
    }
    spi::connect(|connection| {
        let site = Site::open(connection)?;
        site.check_sources()?;
        site.trending(half_life, category, n as i64)?.ok_or_else(|| {
            Failure::new(PgSqlErrorCode::ERRCODE_UNDEFINED_COLUMN, "neither reviews nor favourites have a time")
                .hint("Map one: SELECT reco_configure('rating', ...), with the role \"at\".")
        })
    })
}

const DAY: f64 = 86_400.0;

/// Months count as in PostgreSQL's own arithmetic with intervals: 30 days, and twelve of them 365.25 days.
fn seconds(interval: &Interval) -> f64 {
    let months = interval.months();
    let days = f64::from(months / 12) * 365.25 + f64::from(months % 12) * 30.0 + f64::from(interval.days());
    days * DAY + interval.micros() as f64 / 1e6
}

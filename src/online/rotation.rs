//! What was shown to a user before: less of it is shown, or none.

use std::collections::HashMap;

use reco_models::{COUNTED, rotation_weight};

use super::request::Period;
use crate::failure::Outcome;
use crate::pg::owner::as_owner;
use crate::pg::session;
use crate::pg::spi::{Arg, Connection, arg};
use crate::settings;

/// Of a user who is shown very much the latest impressions count.
const MOST: i64 = 500;

/// What that means for the next page.
#[derive(Clone, Default)]
pub struct Rotation {
    /// Ids, ascending.
    hidden: Vec<i64>,
    weights: HashMap<i64, f32>,
}

impl Rotation {
    /// Ids that are not shown: dismissed, or shown a moment ago.
    pub fn hidden(&self) -> &[i64] {
        &self.hidden
    }

    /// 0 to 1.
    pub fn weight(&self, item: i64) -> f32 {
        self.weights.get(&item).copied().unwrap_or(1.0)
    }
}

/// With that strength, 0 to 1, and by the settings `reco.rotation_half_life` and `reco.repeat_after`.
pub fn of(connection: &Connection, user: i64, strength: f32) -> Outcome<Rotation> {
    as_owner(|| {
        let mut rotation = Rotation { hidden: dismissed(connection, user)?, weights: HashMap::new() };
        let half_life = settings::rotation_half_life() as f64;
        let repeat_after = settings::repeat_after() as f64;
        let counted = if strength > 0.0 { COUNTED * half_life } else { 0.0 };
        let horizon = repeat_after.max(counted);
        if horizon == 0.0 {
            return Ok(rotation);
        }
        let now = session::now_milliseconds() as f64 / 1000.0;
        let (shown, clicked) = history(connection, user, now - horizon)?;
        for (item, times) in shown {
            let ages = || times.iter().map(|at| now - at);
            // The time of the transaction is in milliseconds here, so an age may be a little below 0.
            if repeat_after > 0.0 && ages().any(|age| age < repeat_after) {
                rotation.hidden.push(item);
                continue;
            }
            // A click begins anew.
            let clicked = clicked.get(&item).copied().unwrap_or(f64::NEG_INFINITY);
            let ignored = times.iter().filter(|at| **at > clicked).map(|at| now - at);
            let weight = rotation_weight(strength, half_life, ignored);
            if weight < 1.0 {
                rotation.weights.insert(item, weight);
            }
        }
        rotation.hidden.sort_unstable();
        Ok(rotation)
    })
}

fn dismissed(connection: &Connection, user: i64) -> Outcome<Vec<i64>> {
    let sql = "SELECT item_id FROM reco.dismissal
        WHERE user_id OPERATOR(pg_catalog.=) $1 AND model_name OPERATOR(pg_catalog.=) $2 ORDER BY item_id";
    let rows = connection.read(sql, &[arg(user), arg(settings::model_name())])?;
    rows.iter().filter_map(|mut row| row.take().transpose()).collect()
}

/// When each item was shown, and when it was clicked last, in seconds since 1970.
type History = (HashMap<i64, Vec<f64>>, HashMap<i64, f64>);

/// From the partitions of those weeks only.
fn history(connection: &Connection, user: i64, since: f64) -> Outcome<History> {
    let mut slots = Vec::new();
    let mut period = Period::at(session::now() as f64);
    while period >= Period::at(since) && slots.len() < super::request::SLOTS as usize {
        slots.push(period.slot());
        period = period.before();
    }
    let of_table = |table: &str, condition: &str| -> String {
        let of_slot = |slot: &i16| {
            format!(
                "SELECT item_id, at FROM reco.{table}_{slot}
                 WHERE user_id OPERATOR(pg_catalog.=) $1 AND at OPERATOR(pg_catalog.>=) pg_catalog.to_timestamp($2)
                   AND model_name OPERATOR(pg_catalog.=) $3 {condition}"
            )
        };
        let all: Vec<String> = slots.iter().map(of_slot).collect();
        format!(
            "SELECT item_id, pg_catalog.date_part('epoch'::pg_catalog.text, at) FROM ({}) t ORDER BY at DESC LIMIT {MOST}",
            all.join(" UNION ALL ")
        )
    };
    let args: [Arg; 3] = [arg(user), arg(since), arg(settings::model_name())];
    let mut shown: HashMap<i64, Vec<f64>> = HashMap::new();
    each(connection, &of_table("impression", ""), &args, |item, at| shown.entry(item).or_default().push(at))?;
    let mut clicked: HashMap<i64, f64> = HashMap::new();
    if !shown.is_empty() {
        let clicks = of_table("feedback", "AND event OPERATOR(pg_catalog.=) 'click'::pg_catalog.text");
        each(connection, &clicks, &args, |item, at| {
            let latest = clicked.entry(item).or_insert(at);
            *latest = latest.max(at);
        })?;
    }
    Ok((shown, clicked))
}

fn each(connection: &Connection, sql: &str, args: &[Arg], mut each: impl FnMut(i64, f64)) -> Outcome<()> {
    for mut row in connection.read(sql, args)?.iter() {
        let (item, at): (Option<i64>, Option<f64>) = (row.take()?, row.take()?);
        if let Some((item, at)) = item.zip(at) {
            each(item, at);
        }
    }
    Ok(())
}

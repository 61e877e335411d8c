//! What the challenger of a shadow experiment would have got, from what was shown and how probable that was.
//!
//! The challenger was asked when the page was made. To ask it now would be wrong: a reader's favourites of since then, and a
//! training on them, know what was clicked.

use std::collections::HashSet;

use pgrx::Uuid;
use reco_models::{Estimates, Interval, Tally, Wanted, more_room, off_policy, reserve};

use super::options::Kind;
use super::record::{self, Experiment};
use crate::failure::{Failure, Outcome};
use crate::online::outcomes::{self, Span};
use crate::pg::owner::as_owner;
use crate::pg::session;
use crate::pg::spi::{Connection, arg};
use crate::site::Site;

/// A row of the answer.
pub struct Estimate {
    /// `served`, `snips` or `doubly_robust`.
    pub name: &'static str,
    /// None where the logs cannot tell.
    pub interval: Option<Interval>,
    pub users: f64,
    pub effective_users: f64,
    pub support: f64,
    /// Why the logs cannot tell.
    pub refusal: Option<String>,
}

/// Rows of one look at the cursor.
const BATCH: i64 = 10_000;

/// # Errors
/// 42704 where there is no such experiment, 22023 where it is no shadow.
pub fn offline(connection: &Connection, name: &str) -> Outcome<Vec<Estimate>> {
    let experiment = record::named(connection, name)?;
    if experiment.kind != Kind::Shadow {
        let message =
            format!("the experiment \"{name}\" is of the kind \"{}\", and not \"shadow\"", experiment.kind.name());
        return Err(Failure::invalid(message).hint(
            "Only a challenger that is asked beside what is shown has a list for every page: start one with \
             '{\"kind\": \"shadow\"}'.",
        ));
    }
    let good = good(connection, &experiment)?;
    let (wanted, served) = logs(connection, &experiment, &good)?;
    let promise = experiment.promise_of_one();
    let found = off_policy(&wanted, promise)?;
    let estimate = |name, interval, refusal| Estimate {
        name,
        interval,
        users: found.users,
        effective_users: found.effective_users,
        support: found.support,
        refusal,
    };
    let (snips, doubly_robust, refusal) = match &found.estimates {
        Ok(Estimates { snips, doubly_robust }) => (Some(*snips), Some(*doubly_robust), None),
        Err(why) => (None, None, Some(why.clone())),
    };
    let users = served.users;
    let of_served =
        Estimate { users, effective_users: users, support: 1.0, ..estimate("served", served.interval(promise), None) };
    Ok(vec![of_served, estimate("snips", snips, refusal.clone()), estimate("doubly_robust", doubly_robust, refusal)])
}

type Place = ([u8; 16], i64);

/// The impressions that came out well by the metric of the experiment.
fn good(connection: &Connection, experiment: &Experiment) -> Outcome<HashSet<Place>> {
    let site = Site::open(connection)?;
    let mut good: HashSet<Place> = HashSet::new();
    let span = Span { since: experiment.started_at, until: session::now() as f64 + 1.0 };
    outcomes::each(&site, span, |impression, came| {
        if experiment.metric.holds(came) {
            // It doubles, when it is full.
            reserve(2 * (good.len() + 1) * size_of::<Place>(), || good.try_reserve(1))?;
            good.insert((*impression.request.uuid().as_bytes(), impression.item));
        }
        Ok(())
    })?;
    Ok(good)
}

/// What the challenger wanted, by user, and what the shown pages got.
fn logs(connection: &Connection, experiment: &Experiment, good: &HashSet<Place>) -> Outcome<(Vec<Wanted>, Tally)> {
    let sql = "SELECT user_id, request_id, item_id, rank, shown_rank, propensity FROM reco.shadow
               WHERE experiment OPERATOR(pg_catalog.=) $1 ORDER BY user_id";
    let mut wanted: Vec<Wanted> = Vec::new();
    let mut served = Tally::default();
    // The user whose rows are read, and what was shown to that one.
    let (mut of, mut shown, mut well) = (None, 0.0, 0.0);
    as_owner(|| {
        connection.read_batches(sql, &[arg(experiment.name.clone())], BATCH, |rows| {
            more_room(&mut wanted, rows.len())?;
            for mut row in rows.iter() {
                let (user, request, item): (Option<i64>, Option<Uuid>, Option<i64>) =
                    (row.take()?, row.take()?, row.take()?);
                let (rank, shown_rank): (Option<i32>, Option<i32>) = (row.take()?, row.take()?);
                // Without one it was sure to be shown.
                let propensity = f64::from(row.take::<f32>()?.unwrap_or(1.0));
                let (Some(user), Some(request), Some(item)) = (user, request, item) else { continue };
                let is_good = good.contains(&(*request.as_bytes(), item));
                if of != Some(user) {
                    if of.is_some() {
                        served.add(shown, well);
                    }
                    (of, shown, well) = (Some(user), 0.0, 0.0);
                }
                if shown_rank.is_some() {
                    shown += 1.0;
                    well += f64::from(u8::from(is_good));
                }
                if let Some(rank) = rank {
                    let place = usize::try_from(rank - 1).unwrap_or(0);
                    wanted.push(Wanted { user, place, shown: shown_rank.map(|_| (propensity, is_good)) });
                }
            }
            Ok(())
        })
    })?;
    if of.is_some() {
        served.add(shown, well);
    }
    Ok((wanted, served))
}

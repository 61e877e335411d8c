//! A challenger that is asked and not shown: what it would have listed, as rows of `reco.shadow`.

use std::cell::RefCell;
use std::collections::HashMap;

use pgrx::Uuid;
use reco_models::Tally;

use super::record::Experiment;
use super::report::Line;
use crate::failure::{Failure, Outcome};
use crate::pg::notice;
use crate::pg::owner::as_owner;
use crate::pg::spi::{Connection, arg};
use crate::pg::subtransaction::attempt;

/// An item of a page that was shown.
pub struct OnPage {
    pub item: i64,
    pub propensity: Option<f32>,
}

/// An item of the list of the challenger.
pub struct Listed {
    pub item: i64,
    pub score: f32,
}

thread_local! {
    /// The experiment whose challenger was said to fail, the latest.
    static TOLD: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Runs what a challenger costs beside a page. Nobody sees the challenger, so where it fails the page stays as it is: nothing of it is
/// logged, and the session is told once of each experiment. A row of `reco.alert` would make pages wait for one another.
///
/// # Errors
/// Those that end the transaction: it is cancelled, or cannot be serialized.
pub fn beside(experiment: &str, work: impl FnOnce() -> Outcome<()>) -> Outcome<()> {
    let Err(failure) = attempt(work) else { return Ok(()) };
    if failure.ends_transaction() {
        return Err(failure);
    }
    if TOLD.replace(experiment.to_owned()) != experiment {
        warn(experiment, &failure);
    }
    Ok(())
}

fn warn(experiment: &str, failure: &Failure) {
    let text = format!("the challenger of the experiment \"{experiment}\" failed: {}", failure.message());
    let hint =
        "The page was served without it. If that goes on, end the experiment: SELECT reco_experiment_stop(name);";
    notice::warn(&text, hint);
}

/// Logs both lists, best first, in one statement: a row for each item of either.
pub fn record(
    connection: &Connection,
    (request, user, experiment): (Uuid, i64, &str),
    shown: &[OnPage],
    challenger: &[Listed],
) -> Outcome<()> {
    let mut rank_of: HashMap<i64, (i32, f32)> =
        challenger.iter().zip(1..).map(|(listed, rank)| (listed.item, (rank, listed.score))).collect();
    let (mut items, mut shown_ranks, mut ranks) = (Vec::new(), Vec::new(), Vec::new());
    let (mut scores, mut propensities) = (Vec::new(), Vec::new());
    for (page, shown_rank) in shown.iter().zip(1..) {
        let listed = rank_of.remove(&page.item);
        items.push(page.item);
        shown_ranks.push(Some(shown_rank));
        ranks.push(listed.map(|(rank, _)| rank));
        scores.push(listed.map(|(_, score)| score));
        propensities.push(page.propensity);
    }
    for listed in challenger {
        let Some((rank, score)) = rank_of.get(&listed.item) else { continue };
        items.push(listed.item);
        shown_ranks.push(None::<i32>);
        ranks.push(Some(*rank));
        scores.push(Some(*score));
        propensities.push(None);
    }
    as_owner(|| {
        connection.write(
            "INSERT INTO reco.shadow (request_id, item_id, user_id, at, experiment, shown_rank, rank, score, propensity)
             SELECT $1, t.item, $2, pg_catalog.now(), $3, t.shown_rank, t.rank, t.score, t.propensity
             FROM ROWS FROM (pg_catalog.unnest($4), pg_catalog.unnest($5), pg_catalog.unnest($6), pg_catalog.unnest($7),
                  pg_catalog.unnest($8)) AS t (item, shown_rank, rank, score, propensity)",
            &[
                arg(request),
                arg(user),
                arg(experiment.to_owned()),
                arg(items),
                arg(shown_ranks),
                arg(ranks),
                arg(scores),
                arg(propensities),
            ],
        )
    })?;
    Ok(())
}

/// Users of one look at the cursor.
const BATCH: i64 = 10_000;

/// How much of what was shown the challenger would have listed too, and how often its first item was the first one.
pub fn lines(connection: &Connection, experiment: &Experiment) -> Outcome<Vec<Line>> {
    let sql = "SELECT pg_catalog.count(shown_rank)::pg_catalog.float8,
                      pg_catalog.count(*) FILTER (WHERE shown_rank IS NOT NULL AND rank IS NOT NULL)::pg_catalog.float8,
                      pg_catalog.count(*) FILTER (WHERE shown_rank OPERATOR(pg_catalog.=) 1)::pg_catalog.float8,
                      pg_catalog.count(*) FILTER (WHERE shown_rank OPERATOR(pg_catalog.=) 1
                                                    AND rank OPERATOR(pg_catalog.=) 1)::pg_catalog.float8
               FROM reco.shadow WHERE experiment OPERATOR(pg_catalog.=) $1 GROUP BY user_id";
    let (mut agreement, mut first) = (Tally::default(), Tally::default());
    as_owner(|| {
        connection.read_batches(sql, &[arg(experiment.name.clone())], BATCH, |rows| {
            for mut row in rows.iter() {
                let mut next = || Outcome::Ok(row.take::<f64>()?.unwrap_or_default());
                let (shown, both, pages, same) = (next()?, next()?, next()?, next()?);
                agreement.add(shown, both);
                first.add(pages, same);
            }
            Ok(())
        })
    })?;
    let line = |metric, tally| Line::of(experiment, 1, metric, tally);
    Ok(vec![line("agreement", &agreement), line("first", &first)])
}

//! What a user did with what was shown, as rows of `reco.feedback`.

use pgrx::PgSqlErrorCode;
use pgrx::datum::TimestampWithTimeZone;

use super::request::RequestId;
use crate::failure::{Failure, Outcome};
use crate::pg::owner::as_owner;
use crate::pg::spi::{Connection, arg};

/// What can be told of an item that was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    Click,
    Dismiss,
}

impl Event {
    /// # Errors
    /// 22023 for any other name.
    pub fn parse(name: &str) -> Outcome<Event> {
        match name {
            "click" => Ok(Event::Click),
            "dismiss" => Ok(Event::Dismiss),
            _ => Err(Failure::invalid(format!("event must be \"click\" or \"dismiss\", not \"{name}\""))
                .hint("Favourites and reviews need not be told: they are read where the site keeps them.")),
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Event::Click => "click",
            Event::Dismiss => "dismiss",
        }
    }
}

/// Clocks of a site's servers differ. A time that is outside by less than this counts as the nearest possible one.
const SKEW: &str = "'1 minute'::pg_catalog.interval";

/// An item that was shown, and when the event was.
struct Shown {
    user: i64,
    model: String,
    at: TimestampWithTimeZone,
}

/// Notes an event; whether it is new. Of the same event of the same item of a request the earliest stays, in whatever order
/// they arrive.
///
/// # Errors
/// 42704 where no such item was shown, 22023 where it cannot have been at that time.
pub fn note(
    connection: &Connection,
    request: RequestId,
    item: i64,
    event: Event,
    at: Option<TimestampWithTimeZone>,
) -> Outcome<bool> {
    let slot = request.period().slot();
    as_owner(|| {
        let shown = shown(connection, request, item, at)?;
        let key = || [arg(slot), arg(request.uuid()), arg(item), arg(event.name().to_owned()), arg(shown.at)];
        let insert = format!(
            "INSERT INTO reco.feedback_{slot} (slot, request_id, item_id, event, at, user_id, model_name)
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING RETURNING 1"
        );
        let args: Vec<_> = key().into_iter().chain([arg(shown.user), arg(shown.model.clone())]).collect();
        let is_new = !connection.write(&insert, &args)?.is_empty();
        if !is_new {
            let update = format!(
                "UPDATE reco.feedback_{slot} SET at = $5
                 WHERE slot OPERATOR(pg_catalog.=) $1 AND request_id OPERATOR(pg_catalog.=) $2
                   AND item_id OPERATOR(pg_catalog.=) $3 AND event OPERATOR(pg_catalog.=) $4
                   AND at OPERATOR(pg_catalog.>) $5"
            );
            connection.write(&update, &key())?;
        }
        if event == Event::Dismiss {
            hide(connection, item, &shown)?;
        }
        Ok(is_new)
    })
}

fn shown(connection: &Connection, request: RequestId, item: i64, at: Option<TimestampWithTimeZone>) -> Outcome<Shown> {
    let slot = request.period().slot();
    let sql = format!(
        "SELECT user_id, model_name, GREATEST(at, LEAST($4, pg_catalog.now())),
                $4 OPERATOR(pg_catalog.<) (at OPERATOR(pg_catalog.-) {SKEW}),
                $4 OPERATOR(pg_catalog.>) (pg_catalog.clock_timestamp() OPERATOR(pg_catalog.+) {SKEW}),
                $4::pg_catalog.text, at::pg_catalog.text
         FROM reco.impression_{slot}
         WHERE slot OPERATOR(pg_catalog.=) $1 AND request_id OPERATOR(pg_catalog.=) $2
           AND item_id OPERATOR(pg_catalog.=) $3"
    );
    // Of now and not of the statement's beginning: one statement may serve a page and tell what came of it.
    let rows = connection.write(&sql, &[arg(slot), arg(request.uuid()), arg(item), arg(at)])?;
    let Some(mut row) = rows.first() else { return Err(unknown(connection, request, item)?) };
    let (user, model): (Option<i64>, Option<String>) = (row.take()?, row.take()?);
    let at: Option<TimestampWithTimeZone> = row.take()?;
    let (too_early, too_late): (Option<bool>, Option<bool>) = (row.take()?, row.take()?);
    let (given, from): (Option<String>, Option<String>) = (row.take()?, row.take()?);
    let (given, from) = (given.unwrap_or_default(), from.unwrap_or_default());
    if too_early == Some(true) {
        return Err(Failure::invalid(format!("item {item} was shown at {from}, and at is before that: {given}")));
    }
    if too_late == Some(true) {
        return Err(Failure::invalid(format!("at is in the future: {given}")));
    }
    let none = || Failure::new(PgSqlErrorCode::ERRCODE_INTERNAL_ERROR, "an impression without a user");
    user.zip(at).map(|(user, at)| Shown { user, model: model.unwrap_or_default(), at }).ok_or_else(none)
}

/// Why there is no such impression.
fn unknown(connection: &Connection, request: RequestId, item: i64) -> Outcome<Failure> {
    let slot = request.period().slot();
    let sql = format!(
        "SELECT 1 FROM reco.impression_{slot}
         WHERE slot OPERATOR(pg_catalog.=) $1 AND request_id OPERATOR(pg_catalog.=) $2 LIMIT 1"
    );
    let is_known = !connection.write(&sql, &[arg(slot), arg(request.uuid())])?.is_empty();
    let request = request.uuid();
    Ok(match is_known {
        true => Failure::new(
            PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT,
            format!("item {item} is not among those that request {request} showed"),
        ),
        false => Failure::new(PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT, format!("there is no request {request}")).hint(
            "It is known once the transaction of its reco_serve() has committed, and for as long as \
                 reco.keep_impressions says.",
        ),
    })
}

/// What was dismissed is not shown to the user again.
fn hide(connection: &Connection, item: i64, shown: &Shown) -> Outcome<()> {
    connection.write(
        "INSERT INTO reco.dismissal AS d (user_id, item_id, at, model_name) VALUES ($1, $2, $3, $4)
         ON CONFLICT (user_id, item_id, model_name) DO UPDATE SET at = EXCLUDED.at
         WHERE EXCLUDED.at OPERATOR(pg_catalog.>) d.at",
        &[arg(shown.user), arg(item), arg(shown.at), arg(shown.model.clone())],
    )?;
    Ok(())
}

//! What was shown, as rows of `reco.impression`.

use super::request::RequestId;
use crate::failure::Outcome;
use crate::pg::owner::as_owner;
use crate::pg::spi::{Connection, arg};
use crate::settings;

/// Who is shown something, and where.
pub struct Page<'a> {
    pub user: i64,
    pub surface: &'a str,
    pub experiment: Option<&'a str>,
}

/// The items of a page, best first; all columns are equally long.
#[derive(Default)]
pub struct Items {
    pub id: Vec<i64>,
    pub score: Vec<f32>,
    pub source: Vec<&'static str>,
    pub propensity: Vec<Option<f32>>,
    /// Two answer on a page that is interleaved.
    pub version: Vec<Option<i64>>,
    pub variant: Vec<Option<String>>,
}

/// Logs a page in one statement, as the extension's owner, and gives the id that feedback refers to.
pub fn record(connection: &Connection, page: &Page<'_>, items: Items) -> Outcome<RequestId> {
    let request = RequestId::new()?;
    let slot = request.period().slot();
    // Into the partition itself: through the table each call would look for it, and lock more than it writes.
    let sql = format!(
        "INSERT INTO reco.impression_{slot} (request_id, item_id, user_id, at, model_version, score, propensity, rank, slot,
             source, surface, model_name, experiment, variant)
         SELECT $1, t.item, $2, pg_catalog.now(), t.version, t.score, t.propensity, t.rank::pg_catalog.int4, $3, t.source, $4,
                $5, $6, t.variant
         FROM ROWS FROM (pg_catalog.unnest($7), pg_catalog.unnest($8), pg_catalog.unnest($9), pg_catalog.unnest($10),
              pg_catalog.unnest($11), pg_catalog.unnest($12))
              WITH ORDINALITY AS t (item, score, propensity, source, version, variant, rank)"
    );
    let args = [
        arg(request.uuid()),
        arg(page.user),
        arg(slot),
        arg(page.surface.to_owned()),
        arg(settings::model_name()),
        arg(page.experiment.map(str::to_owned)),
        arg(items.id),
        arg(items.score),
        arg(items.propensity),
        arg(items.source),
        arg(items.version),
        arg(items.variant),
    ];
    as_owner(|| connection.write(&sql, &args))?;
    Ok(request)
}

//! Decayed counts of the interactions: summed by PostgreSQL, which may use an index on their times.

use super::mapping::{FAVORITE, ITEM, Mapping, RATING, SOURCES};
use crate::failure::Outcome;
use crate::pg::spi::{Connection, arg};

/// An item, its decayed sum and its interactions within the window.
pub type Trend = (i64, f64, i64);

/// The half-lives that are looked back: what is older counts less than a thousandth.
const HALF_LIVES: f64 = 10.0;
/// Seconds since 1970 of a moment before all interactions, and within the range of every time type: the year 1000.
const LONG_AGO: f64 = -30_610_224_000.0;

/// The `most` items with the highest sums of 2^(−age/half_life), both in seconds; None where no source has a time.
/// The category has to be mapped where one is given.
pub fn trending(
    connection: &Connection,
    mapping: &Mapping,
    now: f64,
    half_life: f64,
    category: Option<i64>,
    most: i64,
) -> Outcome<Option<Vec<Trend>>> {
    let timed: Vec<String> =
        [RATING, FAVORITE].into_iter().filter_map(|source| interactions(mapping, source)).collect();
    let Some(catalogue) = mapping.get(ITEM).filter(|_| !timed.is_empty()) else { return Ok(None) };
    let column = |role| catalogue.column(&SOURCES[ITEM], role);
    let Some(id) = column("id") else { return Ok(None) };
    let filter = match (category, column("category")) {
        (Some(_), Some(category)) => format!("WHERE c.{} OPERATOR(pg_catalog.=) $5", category.quoted()),
        // The parameter has to have a type even where it is not used.
        _ => "WHERE $5::pg_catalog.int8 IS NULL".into(),
    };
    // A moment of the future counts as now.
    let sql = format!(
        "SELECT t.item, t.score, t.interactions
         FROM (
             SELECT item, pg_catalog.count(*) AS interactions,
                    pg_catalog.sum(pg_catalog.power(0.5::pg_catalog.float8, GREATEST($1 - at, 0) / $2)) AS score
             FROM ({}) i WHERE item IS NOT NULL GROUP BY item
         ) t
         JOIN {} c ON c.{} OPERATOR(pg_catalog.=) t.item
         {filter}
         ORDER BY t.score DESC, t.item LIMIT $4",
        timed.join(" UNION ALL "),
        catalogue.quoted(),
        id.quoted(),
    );
    let since = (now - HALF_LIVES * half_life).max(LONG_AGO);
    let rows = connection.read(&sql, &[arg(now), arg(half_life), arg(since), arg(most), arg(category)])?;
    let trend = |row| Some((rows.get(row, 0)?, rows.get(row, 1)?, rows.get(row, 2)?));
    Ok(Some((0..rows.len()).filter_map(trend).collect()))
}

/// Item and time in seconds of what is recent enough ($3), or None without a time.
fn interactions(mapping: &Mapping, source: usize) -> Option<String> {
    let relation = mapping.get(source)?;
    let item = relation.column(&SOURCES[source], "item")?;
    let at = relation.column(&SOURCES[source], "at")?;
    Some(format!(
        "SELECT {}::pg_catalog.int8 AS item, {} AS at FROM {} WHERE {}",
        item.quoted(),
        at.as_seconds(),
        relation.quoted(),
        at.since("$3")
    ))
}

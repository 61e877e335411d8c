//! Decayed counts of the interactions: summed by PostgreSQL, which may use an index on their times.

use pgrx::pg_sys;

use crate::failure::Outcome;
use crate::pg::session;
use crate::pg::spi::{Arg, Row, arg};
use crate::site::{Column, InteractionSource, ItemSource, Site, Source};

pub struct Trend {
    pub item: i64,
    /// The decayed sum.
    pub score: f64,
    /// The number of interactions that were counted.
    pub interactions: i64,
}

impl Trend {
    const COLUMNS: &str = "t.item, t.score, t.interactions";

    fn read(row: &mut Row<'_>) -> Outcome<Option<Trend>> {
        let (item, score, interactions) = (row.take_id()?, row.take()?, row.take()?);
        let (Some(item), Some(score), Some(interactions)) = (item, score, interactions) else { return Ok(None) };
        Ok(Some(Trend { item, score, interactions }))
    }
}

/// How far back interactions are counted, in half-lives: an older one weighs less than a thousandth.
const HALF_LIVES: f64 = 10.0;
/// Ages count up to this, in half-lives: 2^-1000 is 0 for every ranking, and 2^-1075 an error of PostgreSQL ("underflow").
/// A date stands for its whole day, which may be many half-lives.
const MOST_HALF_LIVES: u32 = 1000;
/// Seconds since 1970 of a moment before all interactions, and within the range of every time type: the year 1000.
const LONG_AGO: f64 = -30_610_224_000.0;

impl Site<'_> {
    /// The `most` items with the highest sums of 2^(−age/half_life), both in seconds, best first; of one category where
    /// it is given. None where no source has a time.
    ///
    /// # Errors
    /// 42703 where a category is given, and the catalogue has no column for it.
    pub fn trending(&self, half_life: f64, category: Option<i64>, most: i64) -> Outcome<Option<Vec<Trend>>> {
        let Some(catalog) = self.mapping.items() else { return Ok(None) };
        let sources = self.mapping.interactions();
        let columns: Vec<&Column> = sources.map(|source| source.item).chain([&catalog.id]).collect();
        let Filter { condition, of_column, of_links } = self.in_category(catalog, category, &columns)?;
        let timed: Vec<String> = self.mapping.interactions().filter_map(|source| timed(&source, &columns)).collect();
        if timed.is_empty() {
            return Ok(None);
        }
        // A time in the future counts as now. An item that the catalogue has several times (a view of books and their
        // categories) has one place.
        let sql = format!(
            "SELECT {}
             FROM (
                 SELECT item, pg_catalog.count(*) AS interactions,
                        pg_catalog.sum(pg_catalog.power('0.5'::pg_catalog.float8, LEAST(
                            GREATEST($1 OPERATOR(pg_catalog.-) at, '0'::pg_catalog.float8) OPERATOR(pg_catalog./) $2,
                            '{MOST_HALF_LIVES}'::pg_catalog.float8)) OPERATOR(pg_catalog.*) weight) AS score
                 FROM ({}) i WHERE item IS NOT NULL GROUP BY item
             ) t
             WHERE EXISTS (SELECT FROM {} WHERE {} OPERATOR(pg_catalog.=) t.item AND {condition})
             ORDER BY t.score DESC, t.item LIMIT $4",
            Trend::COLUMNS,
            timed.join(" UNION ALL "),
            catalog.table().rows(),
            match catalog.id.has_keys() {
                true => comparable(&catalog.id, &columns),
                false => format!("s.{}", catalog.id.quoted()),
            },
        );
        let now = session::now() as f64;
        let since = (now - HALF_LIVES * half_life).max(LONG_AGO);
        let rows =
            self.connection.read(&sql, &[arg(now), arg(half_life), arg(since), arg(most), of_column, of_links])?;
        let trends = rows.iter().filter_map(|mut row| Trend::read(&mut row).transpose());
        trends.collect::<Outcome<Vec<_>>>().map(Some)
    }

    fn in_category(&self, catalog: &ItemSource, category: Option<i64>, columns: &[&Column]) -> Outcome<Filter> {
        let none = || arg(None::<i64>);
        let mut filter = Filter { condition: "true".into(), of_column: none(), of_links: none() };
        let Some(category) = category else { return Ok(filter) };
        self.mapping.check_category()?;
        let mut either = Vec::new();
        if let Some(column) = &catalog.category {
            either.push(column.is_any("$5"));
            filter.of_column = self.ids_as_arg(catalog.table(), column, vec![category])?;
        }
        if let Some(links) = self.mapping.categories() {
            let item = if links.item.has_keys() { comparable(&links.item, columns) } else { links.item.quoted() };
            let (rows, of_key) = (links.table().rows(), links.key.is_any("$6"));
            either.push(format!("EXISTS (SELECT FROM {rows} WHERE {item} OPERATOR(pg_catalog.=) t.item AND {of_key})"));
            filter.of_links = self.ids_as_arg(links.table(), &links.key, vec![category])?;
        }
        filter.condition = format!("({})", either.join(" OR "));
        Ok(filter)
    }
}

/// Which items are counted.
struct Filter {
    /// On `t.item`, whose row of the catalogue is `s`.
    condition: String,
    /// Its parameters 5 and 6.
    of_column: Arg,
    of_links: Arg,
}

/// An id that equals the same of other columns. Keys of several columns may have several collations, and PostgreSQL would
/// not know by which to compare.
fn comparable(column: &Column, others: &[&Column]) -> String {
    let id = column.as_id_like(others);
    let is_text = column.has_keys() && others.iter().any(|other| other.type_oid != pg_sys::UUIDOID);
    if is_text { format!("({id}) COLLATE pg_catalog.\"C\"") } else { id }
}

/// Item, time in seconds and weight of what is recent enough ($3), or None without a time. Of events those that are for the item.
fn timed(source: &InteractionSource<'_>, columns: &[&Column]) -> Option<String> {
    let at = source.at?;
    let (item, table) = (comparable(source.item, columns), source.table.rows());
    let (weight, counts) = match &source.weight {
        Some(weight) => (
            format!("{weight}::pg_catalog.float8"),
            format!("AND {weight} OPERATOR(pg_catalog.>) '0'::pg_catalog.float4"),
        ),
        None => ("'1'::pg_catalog.float8".into(), String::new()),
    };
    Some(format!(
        "SELECT {item} AS item, {} AS at, {weight} AS weight FROM {table} WHERE {} {counts}",
        at.as_seconds(),
        at.since("$3")
    ))
}

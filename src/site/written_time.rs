//! Times that a column holds as text: in ISO 8601, as JavaScript and SQLite write them. Any other text is no time, and no
//! text is an error: a cast of the text of one row would end every call that reads it.

use super::Site;
use super::fragment::{Column, Table};
use super::spellings::is_text;
use crate::failure::Outcome;

/// A date, with or without a time of day, that with or without a zone. The month has at most 31 days.
const TIME: &str = r"E'^[1-9]\\d{3}-(0[1-9]|1[0-2])-(0[1-9]|[12]\\d|3[01])([T ]([01]\\d|2[0-3]):[0-5]\\d(:[0-5]\\d(\\.\\d+)?)?( ?(Z|[+-](0\\d|1[0-5])(:?[0-5]\\d)?))?)?$'::pg_catalog.text";
/// A time of day with a zone.
const ZONED: &str = r"E':\\d\\d(\\.\\d+)? ?(Z|[+-]\\d\\d(:?\\d\\d)?)$'::pg_catalog.text";

/// The text that is compared and cut; where years are possible, a year or a month becomes its first day.
fn text(column: &Column) -> String {
    let text = format!("{}::pg_catalog.text COLLATE pg_catalog.\"C\"", column.quoted());
    match column.may_be_year {
        false => format!("({text})"),
        true => format!(
            "({text} OPERATOR(pg_catalog.||) pg_catalog.substr('-01-01'::pg_catalog.text,
                 pg_catalog.length({text}) OPERATOR(pg_catalog.-) 3))"
        ),
    }
}

/// The condition that a column holds a time.
pub fn is_time(column: &Column) -> String {
    format!("{} OPERATOR(pg_catalog.~) {TIME}", text(column))
}

/// Seconds since 1970 as float8, NULL for what is no time. A time without a zone is in that of the column.
pub fn as_seconds(column: &Column, zone: &str) -> String {
    let (text, is_time) = (text(column), is_time(column));
    // The 30th of February is a text like others. The first of its month is a day, and days are added to that.
    let first = format!(
        "(pg_catalog.substr({text}, 1, 8) OPERATOR(pg_catalog.||) '01'::pg_catalog.text
             OPERATOR(pg_catalog.||) pg_catalog.substr({text}, 11))"
    );
    let days = format!(
        "pg_catalog.make_interval(0, 0, 0,
             pg_catalog.substr({text}, 9, 2)::pg_catalog.int4 OPERATOR(pg_catalog.-) 1)"
    );
    let utc = "'UTC'::pg_catalog.text";
    format!(
        "(CASE WHEN {is_time} THEN pg_catalog.date_part('epoch'::pg_catalog.text,
            CASE WHEN {text} OPERATOR(pg_catalog.~) {ZONED}
                THEN pg_catalog.timezone({utc}, pg_catalog.timezone({utc}, {first}::pg_catalog.timestamptz)
                    OPERATOR(pg_catalog.+) {days})
                ELSE pg_catalog.timezone({zone}, {first}::pg_catalog.timestamp OPERATOR(pg_catalog.+) {days})
            END) END)"
    )
}

/// Rows of a source whose times are looked at, for what is no time.
const SAMPLE: &str = "1000";
/// Letters of an example that are shown.
const SHOWN: &str = "40";

impl Site<'_> {
    /// Columns of written times that hold something else, with an example.
    pub fn unreadable_times(&self, table: &Table) -> Outcome<Vec<String>> {
        let times = table.kind.roles.iter().zip(&table.columns).filter_map(|(role, column)| {
            column.as_ref().filter(|column| role.kind.is_time() && is_text(column.type_oid))
        });
        let mut sentences = Vec::new();
        for column in times {
            let (name, rows, is_time) = (column.quoted(), table.rows(), is_time(column));
            let sql = format!(
                "SELECT pg_catalog.\"left\"({name}::pg_catalog.text, {SHOWN})
                 FROM (SELECT * FROM {rows} WHERE {name} IS NOT NULL LIMIT {SAMPLE}) AS s
                 WHERE ({is_time}) IS NOT TRUE LIMIT 1"
            );
            let example: Option<String> = self.connection.read(&sql, &[])?.single()?;
            sentences.extend(example.map(|example| {
                format!(
                    "column \"{}\" of {} holds '{example}', which is no time as YYYY-MM-DD or YYYY-MM-DD hh:mm:ss",
                    column.name, table.name
                )
            }));
        }
        Ok(sentences)
    }
}

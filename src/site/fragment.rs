//! Tables and columns as fragments of SQL, quoted and cast to the types that are read.

use std::cell::OnceCell;
use std::rc::Rc;

use pgrx::pg_sys;

use reco_models::{MOST_CHARACTERS, MOST_DIMENSIONS};

use super::spellings::{ARRAYS, Kind, Role, SourceKind, is_text};
use super::weights::Weights;
use super::written_time;

/// A column that was found.
#[derive(Clone)]
pub struct Column {
    pub name: String,
    /// Of a domain, the type that it is over.
    pub type_oid: pg_sys::Oid,
    pub is_enum: bool,
    pub collation: pg_sys::Oid,
    /// Small integers are years, and a year or a month may be written: see [`Column::as_seconds`].
    pub may_be_year: bool,
    /// That dates and timestamps without a time zone are in.
    pub zone: Rc<str>,
}

/// Dates and timestamps are read as if they were between these: beyond, a cast or a time zone is an error of PostgreSQL.
/// What is read as the earliest is no time, and what is later than the transaction counts as now: see `src/read/record.rs`.
const EARLIEST: &str = "4000-01-01 BC";
const LATEST: &str = "9999-12-31";

/// Integers below this are seconds since 1970, from it on milliseconds: as seconds it is the year 5138, as milliseconds
/// the year 1973.
const LEAST_MILLISECONDS: &str = "'1e11'::pg_catalog.float8";
/// Integers below this are years, where a year is possible: as seconds it is 2:46 of the first morning of 1970.
const LEAST_SECONDS: &str = "'10000'::pg_catalog.float8";

impl Column {
    pub fn quoted(&self) -> String {
        pgrx::spi::quote_identifier(&self.name)
    }

    /// Whether its values are keys, for which ids stand, and not integers.
    pub fn has_keys(&self) -> bool {
        [pg_sys::UUIDOID, pg_sys::TEXTOID, pg_sys::VARCHAROID, pg_sys::BPCHAROID].contains(&self.type_oid)
            || self.is_enum
    }

    /// Read by [`Row::take_id`](crate::pg::spi::Row::take_id).
    pub fn as_id(&self) -> String {
        match self.type_oid {
            pg_sys::UUIDOID => self.quoted(),
            _ if self.has_keys() => self.as_text(),
            _ => format!("{}::pg_catalog.int8", self.quoted()),
        }
    }

    /// The same, in one type with the same of another column.
    pub fn as_id_like(&self, others: &[&Column]) -> String {
        let is_uuid = |column: &Column| column.type_oid == pg_sys::UUIDOID;
        match others.iter().all(|other| is_uuid(other) == is_uuid(self)) {
            true => self.as_id(),
            false => self.as_text(),
        }
    }

    /// A condition: the column has the value of a parameter.
    pub fn is(&self, parameter: &str) -> String {
        let cast = if self.type_oid == pg_sys::BPCHAROID { "::pg_catalog.bpchar" } else { "" };
        format!("{} OPERATOR(pg_catalog.=) {parameter}{cast}", self.comparable())
    }

    /// An enum is compared by its labels, because a key that is none of them is an error as a value of its type. No index
    /// serves that; but who has few categories reads much of the catalogue for each of them anyway.
    fn comparable(&self) -> String {
        if self.is_enum { self.as_text() } else { self.quoted() }
    }

    pub fn is_array(&self) -> bool {
        ARRAYS.contains(&self.type_oid)
    }

    /// One id and an array of ids, of which one is NULL.
    pub fn as_one_or_several(&self) -> String {
        match self.is_array() {
            true => format!("{NO_ID}, {}::pg_catalog.int8[]", self.quoted()),
            false => format!("{}, {NO_IDS}", self.as_id()),
        }
    }

    /// A condition: the column has one of the values of a parameter, or one of several. An index on it is used, of an array
    /// one of the kind gin.
    pub fn is_any(&self, parameter: &str) -> String {
        let (of, bounds) = match self.type_oid {
            pg_sys::INT2ARRAYOID => ("int2", ("-32768", "32767")),
            pg_sys::INT4ARRAYOID => ("int4", ("-2147483648", "2147483647")),
            pg_sys::INT8ARRAYOID => return format!("{} OPERATOR(pg_catalog.&&) {parameter}", self.quoted()),
            pg_sys::BPCHAROID => {
                return format!("{} OPERATOR(pg_catalog.=) ANY ({parameter}::pg_catalog.bpchar[])", self.quoted());
            }
            _ => return format!("{} OPERATOR(pg_catalog.=) ANY ({parameter})", self.comparable()),
        };
        format!("{} OPERATOR(pg_catalog.&&) {}", self.quoted(), bounded(parameter, of, bounds))
    }

    pub fn as_number(&self) -> String {
        let bounded = match self.type_oid {
            pg_sys::NUMERICOID => "pg_catalog.numeric",
            pg_sys::FLOAT8OID => "pg_catalog.float8",
            _ => return format!("{}::pg_catalog.float4", self.quoted()),
        };
        // A value that float4 does not have would be an error of every call that reads the row. These bounds are no
        // stars either, and no sensible value of an event.
        format!("LEAST(GREATEST({}, '-1e6'::{bounded}), '1e6'::{bounded})::pg_catalog.float4", self.quoted())
    }

    pub fn as_text(&self) -> String {
        format!("{}::pg_catalog.text", self.quoted())
    }

    /// The embedding as an array of float8: NULL where it has not one dimension, or more numbers than any embedding. Whether
    /// there is one comes first.
    pub fn as_embedding(&self) -> String {
        let column = self.quoted();
        let array = match self.type_oid {
            pg_sys::FLOAT4ARRAYOID | pg_sys::FLOAT8ARRAYOID => format!(
                "CASE WHEN pg_catalog.array_ndims({column}) OPERATOR(pg_catalog.=) '1'::pg_catalog.int4
                       AND pg_catalog.cardinality({column})
                           OPERATOR(pg_catalog.<=) '{MOST_DIMENSIONS}'::pg_catalog.int4
                      THEN {column}::pg_catalog.float8[] END"
            ),
            // Through its text, because casts of an extension may be in any schema, or missing.
            _ => format!(
                "pg_catalog.translate({}, '[]'::pg_catalog.text, '{{}}'::pg_catalog.text)::pg_catalog.float8[]",
                self.as_text()
            ),
        };
        format!("{column} IS NOT NULL, {array}")
    }

    /// Seconds since 1970 as float8. An integer is an epoch in seconds or milliseconds, by its magnitude, or a year; a text
    /// is read as ISO 8601 has it.
    ///
    /// Every operator and literal has its schema and type. PostgreSQL has no `-(float8, int4)`: one that somebody
    /// planted in the search_path would be called with the rights of whoever scores.
    pub fn as_seconds(&self) -> String {
        match self.type_oid {
            pg_sys::INT2OID | pg_sys::INT4OID | pg_sys::INT8OID => self.integer_as_seconds(),
            text if is_text(text) => written_time::as_seconds(self, &self.quoted_zone()),
            _ => format!("pg_catalog.date_part('epoch'::pg_catalog.text, {})", self.as_moment()),
        }
    }

    fn as_moment(&self) -> String {
        let of = match self.type_oid {
            pg_sys::DATEOID => "pg_catalog.date",
            pg_sys::TIMESTAMPOID => "pg_catalog.timestamp",
            _ => return self.quoted(),
        };
        let bounded = format!("GREATEST(LEAST({}, '{LATEST}'::{of}), '{EARLIEST}'::{of})", self.quoted());
        format!("pg_catalog.timezone({}, {bounded}::pg_catalog.timestamp)", self.quoted_zone())
    }

    fn quoted_zone(&self) -> String {
        format!("{}::pg_catalog.text", pgrx::spi::quote_literal(&*self.zone))
    }

    fn integer_as_seconds(&self) -> String {
        let value = format!("{}::pg_catalog.float8", self.quoted());
        let below = |limit| format!("pg_catalog.abs({value}) OPERATOR(pg_catalog.<) {limit}");
        let year = match self.may_be_year {
            true => format!(
                "WHEN {} THEN ({value} OPERATOR(pg_catalog.-) '1970'::pg_catalog.float8)
                     OPERATOR(pg_catalog.*) '31556952'::pg_catalog.float8",
                below(LEAST_SECONDS)
            ),
            false => String::new(),
        };
        format!(
            "(CASE {year} WHEN {} THEN {value} ELSE {value} OPERATOR(pg_catalog./) '1000'::pg_catalog.float8 END)",
            below(LEAST_MILLISECONDS)
        )
    }

    /// A condition that can use an index on the column: not before `seconds` since 1970, an expression. A date stands
    /// for its whole day.
    pub fn since(&self, seconds: &str) -> String {
        self.compared(">=", seconds)
    }

    /// As [`Column::since`]: not after `seconds`.
    pub fn until(&self, seconds: &str) -> String {
        self.compared("<=", seconds)
    }

    fn compared(&self, operator: &str, seconds: &str) -> String {
        let moment = format!("pg_catalog.to_timestamp({seconds})");
        let in_zone = format!("pg_catalog.timezone({}, {moment})", self.quoted_zone());
        let limit = match self.type_oid {
            pg_sys::TIMESTAMPTZOID => moment,
            pg_sys::TIMESTAMPOID => in_zone,
            pg_sys::DATEOID => format!("{in_zone}::pg_catalog.date"),
            _ => return format!("{} OPERATOR(pg_catalog.{operator}) {seconds}", self.as_seconds()),
        };
        format!("{} OPERATOR(pg_catalog.{operator}) {limit}", self.quoted())
    }
}

const NO_ID: &str = "NULL::pg_catalog.int8";
const NO_IDS: &str = "NULL::pg_catalog.int8[]";

/// Those of the ids that the type has, as an array of it: the others would be an error, and are in no such column.
fn bounded(ids: &str, of: &str, (least, most): (&str, &str)) -> String {
    format!(
        "ARRAY(SELECT i::pg_catalog.{of} FROM pg_catalog.unnest({ids}) i
               WHERE i OPERATOR(pg_catalog.>=) '{least}'::pg_catalog.int8
                 AND i OPERATOR(pg_catalog.<=) '{most}'::pg_catalog.int8)"
    )
}

pub fn one_or_several(column: Option<&Column>) -> String {
    column.map_or(format!("{NO_ID}, {NO_IDS}"), Column::as_one_or_several)
}

pub fn id_or_null(column: Option<&Column>) -> String {
    column.map_or(NO_ID.into(), Column::as_id)
}

pub fn number_or_null(column: Option<&Column>) -> String {
    column.map_or("NULL::pg_catalog.float4".into(), Column::as_number)
}

pub fn seconds_or_null(column: Option<&Column>) -> String {
    column.map_or("NULL::pg_catalog.float8".into(), Column::as_seconds)
}

pub fn text_or_null(column: Option<&Column>) -> String {
    column.map_or("NULL::pg_catalog.text".into(), Column::as_text)
}

/// The texts of a row as one, each up to where it is read.
pub fn joined_texts<'c>(columns: impl Iterator<Item = &'c Column>) -> String {
    let bounded =
        |column: &Column| format!("pg_catalog.left({}, '{MOST_CHARACTERS}'::pg_catalog.int4)", column.as_text());
    let all: Vec<String> = columns.map(bounded).collect();
    match all.is_empty() {
        true => text_or_null(None),
        false => format!("pg_catalog.concat_ws(' '::pg_catalog.text, {})", all.join(", ")),
    }
}

pub fn embedding_or_null(column: Option<&Column>) -> String {
    column.map_or("false, NULL::pg_catalog.float8[]".into(), Column::as_embedding)
}

/// The table or view of a source, with what was found for each role.
pub struct Table {
    pub kind: &'static SourceKind,
    pub schema: String,
    pub name: String,
    pub oid: pg_sys::Oid,
    /// By `reco_configure`, not detected.
    pub configured: bool,
    /// In the order of the kind's roles.
    pub columns: Vec<Option<Column>>,
    /// Of a role that takes several columns, those after the first.
    pub further: Vec<Column>,
    /// The statement that reads the rows of one key, once it was needed: making the text of the three that a score needs
    /// takes 4 µs.
    pub by_key: OnceCell<String>,
    /// Of events, by their types.
    pub weights: Weights,
    /// Columns of optional roles that are not usable, and why.
    pub unusable: Vec<String>,
    /// Relations that detection did not take, and why.
    pub passed_over: Vec<String>,
    /// Another table may be taken as soon as an empty one has rows.
    pub unsettled: bool,
    /// What can be configured and is not, as a statement to run.
    pub advice: Option<String>,
}

impl Table {
    /// Qualified and quoted.
    pub fn quoted(&self) -> String {
        pgrx::spi::quote_qualified_identifier(&self.schema, &self.name)
    }

    /// What follows FROM: the table, or those of its rows that count, as `s`.
    pub fn rows(&self) -> String {
        let conditions: Vec<String> = self.kind.roles.iter().zip(&self.columns).filter_map(counts).collect();
        match conditions.is_empty() {
            true => format!("{} AS s", self.quoted()),
            false => format!("(SELECT * FROM {} WHERE {}) AS s", self.quoted(), conditions.join(" AND ")),
        }
    }

    /// Name and column of each role.
    pub fn by_role(&self) -> impl Iterator<Item = (&'static str, Option<&Column>)> {
        self.kind.roles.iter().map(|role| role.name).zip(self.columns.iter().map(Option::as_ref))
    }

    /// Roles without a column, as far as they are looked for.
    pub fn lacking(&self) -> Vec<&'static str> {
        let roles = self.kind.roles.iter().zip(&self.columns);
        roles.filter(|(role, column)| role.kind.is_detected() && column.is_none()).map(|(role, _)| role.name).collect()
    }

    /// Without the column of a role, and why.
    pub fn leave_out(&mut self, role: &str, why: Option<String>) {
        let columns = self.kind.roles.iter().zip(&mut self.columns);
        columns.filter(|(of, _)| of.name == role).for_each(|(_, column)| *column = None);
        self.unusable.extend(why);
    }

    /// The columns of the role that takes several.
    pub fn texts(&self) -> impl Iterator<Item = &Column> {
        let first = self.kind.roles.iter().zip(&self.columns).filter(|(role, _)| role.kind.takes_several());
        first.filter_map(|(_, column)| column.as_ref()).chain(&self.further)
    }

    pub fn column(&self, role: &str) -> Option<&Column> {
        self.by_role().find(|(name, _)| *name == role)?.1
    }
}

/// The condition that a column which marks rows sets.
fn counts((role, column): (&Role, &Option<Column>)) -> Option<String> {
    let column = column.as_ref().filter(|_| role.kind.is_mark())?;
    Some(match (role.kind, column.type_oid) {
        (Kind::Active, _) => format!("{} IS NOT FALSE", column.quoted()),
        (_, pg_sys::BOOLOID) => format!("{} IS NOT TRUE", column.quoted()),
        _ => format!("{} IS NULL", column.quoted()),
    })
}

//! Tables and columns as fragments of SQL, quoted and cast to the types that are read.

use std::cell::OnceCell;

use pgrx::pg_sys;

use super::spellings::SourceKind;

/// A column that was found.
#[derive(Clone)]
pub struct Column {
    pub name: String,
    /// Of a domain, the type that it is over.
    pub type_oid: pg_sys::Oid,
}

impl Column {
    pub fn quoted(&self) -> String {
        pgrx::spi::quote_identifier(&self.name)
    }

    pub fn as_id(&self) -> String {
        format!("{}::pg_catalog.int8", self.quoted())
    }

    pub fn as_stars(&self) -> String {
        format!("{}::pg_catalog.float4", self.quoted())
    }

    pub fn as_text(&self) -> String {
        format!("{}::pg_catalog.text", self.quoted())
    }

    /// Seconds since 1970 as float8; an integer is a year.
    pub fn as_seconds(&self) -> String {
        match self.type_oid {
            pg_sys::INT2OID | pg_sys::INT4OID | pg_sys::INT8OID => {
                format!("(({}::pg_catalog.float8 - 1970) * 31556952)", self.quoted())
            }
            _ => format!("pg_catalog.date_part('epoch', {})", self.quoted()),
        }
    }

    /// A condition that can use an index on the column: not before `seconds` since 1970, an expression. A date stands
    /// for its whole day, and a time without a time zone is in UTC, as in [`Column::as_seconds`].
    pub fn since(&self, seconds: &str) -> String {
        let moment = format!("pg_catalog.to_timestamp({seconds})");
        let in_utc = format!("pg_catalog.timezone('UTC', {moment})");
        let least = match self.type_oid {
            pg_sys::TIMESTAMPTZOID => moment,
            pg_sys::TIMESTAMPOID => in_utc,
            pg_sys::DATEOID => format!("{in_utc}::pg_catalog.date"),
            _ => return format!("{} OPERATOR(pg_catalog.>=) {seconds}", self.as_seconds()),
        };
        format!("{} OPERATOR(pg_catalog.>=) {least}", self.quoted())
    }
}

pub fn id_or_null(column: Option<&Column>) -> String {
    column.map_or("NULL::pg_catalog.int8".into(), Column::as_id)
}

pub fn stars_or_null(column: Option<&Column>) -> String {
    column.map_or("NULL::pg_catalog.float4".into(), Column::as_stars)
}

pub fn seconds_or_null(column: Option<&Column>) -> String {
    column.map_or("NULL::pg_catalog.float8".into(), Column::as_seconds)
}

pub fn text_or_null(column: Option<&Column>) -> String {
    column.map_or("NULL::pg_catalog.text".into(), Column::as_text)
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
    /// The statement that reads the rows of one key, once it was needed: making the text of the three that a score needs
    /// takes 4 µs.
    pub by_key: OnceCell<String>,
}

impl Table {
    /// Qualified and quoted.
    pub fn quoted(&self) -> String {
        pgrx::spi::quote_qualified_identifier(&self.schema, &self.name)
    }

    /// Name and column of each role.
    pub fn by_role(&self) -> impl Iterator<Item = (&'static str, Option<&Column>)> {
        self.kind.roles.iter().map(|role| role.name).zip(self.columns.iter().map(Option::as_ref))
    }

    pub fn column(&self, role: &str) -> Option<&Column> {
        self.by_role().find(|(name, _)| *name == role)?.1
    }
}

//! From names to sources: as configured, or else as detected. The result is kept until anything that it depends on
//! changes.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;

use pgrx::prelude::*;
use serde_json::{Map, Value};

use super::fragment::{Column, Table};
use super::sources::{Mapping, Source, Usable, how_to_map};
use super::spellings::{self, Role, SourceKind};
use crate::failure::{Failure, Outcome};
use crate::pg::catalog;
use crate::pg::session;
use crate::pg::spi::Connection;

/// What a mapping was resolved from.
#[derive(PartialEq, Eq, Clone)]
struct Key {
    revision: i64,
    search_path: String,
    user: pg_sys::Oid,
    relation_changes: u64,
}

thread_local! {
    static CACHED: RefCell<Option<(Key, Rc<Mapping>)>> = const { RefCell::new(None) };
    /// How often a relation changed; None until PostgreSQL was asked to report it.
    static RELATION_CHANGES: Cell<Option<u64>> = const { Cell::new(None) };
}

/// Called by PostgreSQL whenever the definition of any relation may have changed.
unsafe extern "C-unwind" fn on_relation_change(_arg: pg_sys::Datum, _relation: pg_sys::Oid) {
    RELATION_CHANGES.set(RELATION_CHANGES.get().map(|n| n.wrapping_add(1)));
}

fn relation_changes() -> u64 {
    if let Some(changes) = RELATION_CHANGES.get() {
        return changes;
    }
    RELATION_CHANGES.set(Some(0));
    // SAFETY: registered once per backend; the callback touches nothing of PostgreSQL.
    unsafe { pg_sys::CacheRegisterRelcacheCallback(Some(on_relation_change), pg_sys::Datum::from(0)) };
    0
}

/// The mapping as the caller sees it now. `revision` is what a look-up in `reco.source` gave.
pub fn resolve(connection: &Connection, revision: i64) -> Outcome<Rc<Mapping>> {
    let (search_path, user) = (session::search_path(), session::user());
    let key = Key { revision, search_path, user, relation_changes: relation_changes() };
    if let Some(found) = CACHED.with_borrow(|c| c.as_ref().filter(|c| c.0 == key).map(|c| Rc::clone(&c.1))) {
        return Ok(found);
    }
    let configured = configured(connection)?;
    let mapping = Rc::new(Mapping {
        ratings: find(&configured),
        favorites: find(&configured),
        items: find(&configured),
        users: find(&configured),
    });
    CACHED.set(Some((key, Rc::clone(&mapping))));
    Ok(mapping)
}

/// A row of `reco.source`.
struct Configured {
    source: String,
    schema: String,
    relation: String,
    columns: Map<String, Value>,
}

fn configured(connection: &Connection) -> Outcome<Vec<Configured>> {
    let rows = connection.read(
        "SELECT source, relation_schema::pg_catalog.text, relation_name::pg_catalog.text, columns FROM reco.source",
        &[],
    )?;
    let read = |mut row: crate::pg::spi::Row<'_>| {
        Ok(Configured {
            source: row.take()?.unwrap_or_default(),
            schema: row.take()?.unwrap_or_default(),
            relation: row.take()?.unwrap_or_default(),
            columns: match row.take::<pgrx::JsonB>()? {
                Some(pgrx::JsonB(Value::Object(columns))) => columns,
                _ => Map::new(),
            },
        })
    };
    rows.iter().map(read).collect()
}

fn find<S: Source>(configured: &[Configured]) -> Usable<S> {
    let table = match configured.iter().find(|c| c.source == S::KIND.name) {
        Some(c) => from_configuration(S::KIND, &c.schema, &c.relation, &c.columns),
        None => detect(S::KIND),
    };
    S::from_table(table?)
}

fn from_configuration(
    kind: &'static SourceKind,
    schema: &str,
    name: &str,
    columns: &Map<String, Value>,
) -> Usable<Table> {
    let quoted = pgrx::spi::quote_qualified_identifier(schema, name);
    let Some(catalog::Relation { oid, schema, name }) = catalog::find(Some(schema), name) else {
        return Err(format!("the configured relation {quoted} does not exist"));
    };
    let all = columns_of(oid);
    let column = |role: &Role| {
        let Some(wanted) = columns.get(role.name).and_then(Value::as_str) else {
            return match role.required {
                true => Err(format!("no column is configured for \"{}\"", role.name)),
                false => Ok(None),
            };
        };
        match all.iter().find(|c| c.name == wanted) {
            Some(column) => typed(role, column, &quoted).map(Some),
            None => Err(format!("{quoted} has no column \"{wanted}\"")),
        }
    };
    let columns = kind.roles.iter().map(column).collect::<Result<Vec<_>, _>>()?;
    Ok(Table { kind, schema, name, oid, configured: true, columns, by_key: OnceCell::new() })
}

fn detect(kind: &'static SourceKind) -> Usable<Table> {
    let Some(catalog::Relation { oid, schema, name }) = kind.tables.iter().find_map(|table| catalog::find(None, table))
    else {
        return Err(format!("none of the tables {} is in the search_path", kind.tables.join(", ")));
    };
    let all = columns_of(oid);
    let column = |role: &Role| {
        let found = role.spellings.iter().find_map(|s| all.iter().find(|c| c.name == **s));
        match found {
            Some(column) if role.required => typed(role, column, &name).map(Some),
            // An optional column of another type (categoria as text, say) is ignored.
            Some(column) => Ok(typed(role, column, &name).ok()),
            None if role.required => {
                Err(format!("{name} has none of the columns {} for \"{}\"", role.spellings.join(", "), role.name))
            }
            None => Ok(None),
        }
    };
    let columns = kind.roles.iter().map(column).collect::<Result<Vec<_>, _>>()?;
    Ok(Table { kind, schema, name, oid, configured: false, columns, by_key: OnceCell::new() })
}

fn typed(role: &Role, column: &Column, relation: &str) -> Usable<Column> {
    if role.kind.accepts(column.type_oid) {
        return Ok(column.clone());
    }
    let (types, found) = (role.kind.types(), catalog::type_name(column.type_oid));
    Err(format!("column \"{}\" of {relation} must be {types}, not {found}", column.name))
}

fn columns_of(relation: pg_sys::Oid) -> Vec<Column> {
    catalog::columns(relation).into_iter().map(|(name, type_oid)| Column { name, type_oid }).collect()
}

/// A source by its name.
///
/// # Errors
/// 22023 where there is none of that name.
pub fn kind(source: &str) -> Outcome<&'static SourceKind> {
    spellings::ALL.into_iter().find(|k| k.name == source).ok_or_else(|| {
        let names: Vec<&str> = spellings::ALL.iter().map(|k| k.name).collect();
        Failure::invalid(format!("unknown source \"{source}\""))
            .detail(format!("The sources are: {}.", names.join(", ")))
    })
}

/// Checks what `reco_configure` was given, by resolving it.
///
/// # Errors
/// 22023 for an unknown source or role; 42703 where the relation does not have what is named.
pub fn validate(source: &str, schema: &str, name: &str, columns: &Map<String, Value>) -> Outcome<()> {
    let kind = kind(source)?;
    if let Some(unknown) = columns.keys().find(|key| kind.roles.iter().all(|r| r.name != key.as_str())) {
        let known: Vec<&str> = kind.roles.iter().map(|r| r.name).collect();
        return Err(Failure::invalid(format!("the source \"{source}\" has no column \"{unknown}\""))
            .detail(format!("Its columns are: {}.", known.join(", "))));
    }
    if let Some((role, value)) = columns.iter().find(|(_, value)| !value.is_string()) {
        return Err(Failure::invalid(format!("the column for \"{role}\" must be a name in quotes, not {value}")));
    }
    from_configuration(kind, schema, name, columns)
        .map(|_| ())
        .map_err(|problem| Failure::new(PgSqlErrorCode::ERRCODE_UNDEFINED_COLUMN, problem).hint(how_to_map(kind)))
}

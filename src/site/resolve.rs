//! From names to sources: as configured, or else as detected.

use std::cell::OnceCell;
use std::rc::Rc;

use pgrx::prelude::*;
use serde_json::{Map, Value};

use super::fragment::{Column, Table};
use super::index;
use super::kept::{self, Key};
use super::mapping::{Mapping, how_to_map};
use super::sources::{ItemSource, LinkSource, Source, Usable};
use super::spellings::{self, EVENT, Kind, Role, SourceKind};
use super::weights::{self, WEIGHTS, Weights};
use crate::failure::{Failure, Outcome};
use crate::pg::catalog;
use crate::pg::spi::{Connection, arg};
use crate::settings;

/// The mapping as the caller sees it now. `revisions` is what a look-up in `reco.source` gave; `zone` is that of dates and
/// of timestamps without one.
/// `trained_on`, what the active model was trained on, is taken where the search_path is empty.
pub fn resolve(
    connection: &Connection,
    revisions: Vec<i64>,
    zone: &str,
    trained_on: Option<&Value>,
) -> Outcome<Rc<Mapping>> {
    let trained_on = trained_on.filter(|_| catalog::searches_nothing());
    let zone: Rc<str> = zone.into();
    let key = Key::now(revisions, Rc::clone(&zone));
    if let Some(found) = kept::find(&key) {
        return Ok(found);
    }
    let configured = configured(connection)?;
    let items: Usable<ItemSource> = find(connection, &configured, &zone, trained_on)?;
    let (categories, authors) = (
        find::<LinkSource<_>>(connection, &configured, &zone, trained_on)?,
        find::<LinkSource<_>>(connection, &configured, &zone, trained_on)?,
    );
    let absent = |kind: &&SourceKind| kind.tables.iter().all(|name| catalog::in_search_path(name).is_empty());
    let mapping = Mapping {
        ratings: find(connection, &configured, &zone, trained_on)?,
        favorites: find(connection, &configured, &zone, trained_on)?,
        events: find(connection, &configured, &zone, trained_on)?,
        items: items.map(|items| items.without_replaced(&categories).without_replaced(&authors)),
        users: find(connection, &configured, &zone, trained_on)?,
        categories,
        authors,
        absent: spellings::ALL.into_iter().filter(absent).collect(),
        configured: spellings::ALL
            .into_iter()
            .filter(|kind| configured.iter().any(|c| c.source == kind.name))
            .collect(),
    };
    let mapping = Rc::new(mapping.of_one_kind());
    if trained_on.is_none() && !mapping.tables().into_iter().any(|(_, table)| table.is_ok_and(|table| table.unsettled))
    {
        kept::keep(key, Rc::clone(&mapping));
    }
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
        "SELECT source, relation_schema::pg_catalog.text, relation_name::pg_catalog.text, columns FROM reco.source
         WHERE model_name OPERATOR(pg_catalog.=) $1",
        &[arg(settings::model_name())],
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

fn find<S: Source>(
    connection: &Connection,
    configured: &[Configured],
    zone: &Rc<str>,
    trained_on: Option<&Value>,
) -> Outcome<Usable<S>> {
    let table = match configured.iter().find(|c| c.source == S::KIND.name) {
        Some(c) => from_configuration(S::KIND, &c.schema, &c.relation, &c.columns, zone),
        None if !settings::model_name().is_empty() && !configured.is_empty() => Err(not_in_mapping(S::KIND)),
        None => detect(connection, S::KIND, zone, trained_on)?,
    };
    Ok(table.and_then(S::from_table))
}

/// What a shop with a name has configured is all that it has: its neighbour's tables, which may be in the search_path, have
/// the same ids for other things.
fn not_in_mapping(kind: &SourceKind) -> String {
    format!("the model \"{}\" has a mapping, and \"{}\" is not in it", settings::model_name(), kind.name)
}

fn from_configuration(
    kind: &'static SourceKind,
    schema: &str,
    name: &str,
    columns: &Map<String, Value>,
    zone: &Rc<str>,
) -> Usable<Table> {
    let quoted = pgrx::spi::quote_qualified_identifier(schema, name);
    let Some(relation) = catalog::find(schema, name) else {
        return Err(format!("the configured relation {quoted} does not exist"));
    };
    if relation.is_temporary() {
        return Err(format!("{quoted} is temporary: other sessions cannot read it"));
    }
    let all = columns_of(relation.oid, zone);
    let named = |role: &Role, wanted: &str| match all.iter().find(|c| c.name == wanted) {
        Some(column) => typed(role, column, &quoted),
        None => Err(format!("{quoted} has no column \"{wanted}\"")),
    };
    let column = |role: &Role| match names_of(role, columns).first() {
        Some(wanted) => named(role, wanted).map(Some),
        None if role.required => Err(format!("no column is configured for \"{}\"", role.name)),
        None => Ok(None),
    };
    let (mut further, mut unusable) = (Vec::new(), Vec::new());
    for role in kind.roles {
        for wanted in names_of(role, columns).into_iter().skip(1) {
            match named(role, wanted) {
                Ok(column) => further.push(column),
                Err(problem) => unusable.push(problem),
            }
        }
    }
    let weights = match kind.name == EVENT.name {
        true => weights::parse(columns).map_err(|failure| failure.message().to_owned())?,
        false => Weights::new(),
    };
    let table = table(kind, relation, true, column)?;
    unusable.splice(..0, table.unusable.iter().cloned());
    Ok(Table { weights, further, unusable, ..table })
}

/// The columns that are configured for a role.
fn names_of<'v>(role: &Role, columns: &'v Map<String, Value>) -> Vec<&'v str> {
    match columns.get(role.name) {
        Some(Value::Array(several)) if role.kind.takes_several() => several.iter().filter_map(Value::as_str).collect(),
        one => one.and_then(Value::as_str).into_iter().collect(),
    }
}

/// A relation with the column that `find` gives for each role. An optional column that is not usable leaves the others
/// as they are.
fn table(
    kind: &'static SourceKind,
    relation: catalog::Relation,
    configured: bool,
    find: impl Fn(&Role) -> Usable<Option<Column>>,
) -> Usable<Table> {
    let (mut columns, mut unusable) = (Vec::new(), Vec::new());
    for role in kind.roles {
        match find(role) {
            Ok(column) => columns.push(column),
            Err(problem) if role.required => return Err(problem),
            Err(problem) => {
                columns.push(None);
                unusable.push(problem);
            }
        }
    }
    let catalog::Relation { oid, schema, name, .. } = relation;
    Ok(Table {
        kind,
        schema,
        name,
        oid,
        configured,
        columns,
        further: Vec::new(),
        weights: Weights::new(),
        unusable,
        passed_over: Vec::new(),
        by_key: OnceCell::new(),
        unsettled: false,
        advice: None,
    })
}

/// A table that may be read unasked, and what was passed over for it.
struct Candidate {
    relation: catalog::Relation,
    passed_over: Vec<String>,
    unsettled: bool,
}

/// The first of the tables that is safe to read and not empty; of empty ones the first.
fn candidate(connection: &Connection, kind: &SourceKind, trained_on: Option<&Value>) -> Outcome<Usable<Candidate>> {
    let mut passed_over = Vec::new();
    let mut pass = |relation: &catalog::Relation, why: &str| {
        let name = pgrx::spi::quote_qualified_identifier(&relation.schema, &relation.name);
        passed_over.push(format!("{name} {why}"));
    };
    let mut safe = Vec::new();
    let trained_on = known(connection, kind, trained_on)?;
    for relation in kind.tables.iter().flat_map(|name| catalog::in_search_path(name)).chain(trained_on) {
        match relation.unsafe_to_detect() {
            Some(why) => pass(&relation, why),
            None => safe.push(relation),
        }
    }
    if kind.rare && safe.len() > 1 {
        let names: Vec<String> =
            safe.iter().map(|r| pgrx::spi::quote_qualified_identifier(&r.schema, &r.name)).collect();
        return Ok(Err(format!("{} could all be it: configure one of them", names.join(", "))));
    }
    // One table is taken as it is, and its size not asked for.
    let mut taken = 0;
    while safe.len() > 1 && taken < safe.len() && index::bytes(connection, safe[taken].oid)? == 0 {
        taken += 1;
    }
    let unsettled = taken > 0;
    taken %= safe.len().max(1);
    safe[..taken].iter().for_each(|empty| pass(empty, "is empty"));
    let Some(relation) = safe.into_iter().nth(taken) else {
        let others = match passed_over.is_empty() {
            true => String::new(),
            false => format!(" (not taken unless configured: {})", passed_over.join("; ")),
        };
        return Ok(Err(format!("none of the tables {} is in the search_path{others}", kind.tables.join(", "))));
    };
    Ok(Ok(Candidate { relation, passed_over, unsettled }))
}

/// The relation that a model was trained on.
fn known(connection: &Connection, kind: &SourceKind, trained_on: Option<&Value>) -> Outcome<Option<catalog::Relation>> {
    let Some(name) = trained_on.and_then(|on| on.get(kind.name)?.as_str()) else { return Ok(None) };
    let sql = "SELECT pg_catalog.to_regclass($1)::pg_catalog.oid::pg_catalog.int8";
    let oid: Option<i64> = connection.read(sql, &[arg(name.to_owned())])?.single()?;
    Ok(oid.and_then(|oid| catalog::relation(pg_sys::Oid::from(oid as u32))))
}

fn detect(
    connection: &Connection,
    kind: &'static SourceKind,
    zone: &Rc<str>,
    trained_on: Option<&Value>,
) -> Outcome<Usable<Table>> {
    Ok(candidate(connection, kind, trained_on)?.and_then(|candidate| detected(kind, candidate, zone)))
}

fn detected(kind: &'static SourceKind, candidate: Candidate, zone: &Rc<str>) -> Usable<Table> {
    let Candidate { relation, passed_over, unsettled } = candidate;
    let (all, name) = (columns_of(relation.oid, zone), relation.name.clone());
    let spelled = |role: &Role| {
        let named = || role.spellings.iter().filter_map(|spelling| all.iter().find(|c| c.name == **spelling));
        named().find(|column| role.kind.accepts(column.type_oid)).or_else(|| named().next())
    };
    let column = |role: &Role| match spelled(role).filter(|_| role.kind.is_detected()) {
        Some(column) => typed(role, column, &name).map(Some),
        None if role.required => {
            Err(format!("{name} has none of the columns {} for \"{}\"", role.spellings.join(", "), role.name))
        }
        None => Ok(None),
    };
    let table = table(kind, relation, false, column)?;
    let marks = kind.roles.iter().filter(|role| role.kind.is_mark());
    let marks = marks.filter_map(|role| Some((role.name, spelled(role).filter(|c| role.kind.accepts(c.type_oid))?)));
    let advice = how_to_leave_out(&table, marks.collect());
    Ok(Table { passed_over, unsettled, advice, ..table })
}

/// How to configure a table that was detected so that the rows which its marks leave out do not count.
fn how_to_leave_out(table: &Table, marks: Vec<(&str, &Column)>) -> Option<String> {
    let names: Vec<&str> = marks.iter().map(|(_, column)| column.name.as_str()).collect();
    let found = table.by_role().filter_map(|(role, column)| Some((role, column?)));
    let columns: Map<String, Value> = found
        .chain(marks.iter().copied())
        .map(|(role, column)| (role.to_owned(), column.name.clone().into()))
        .collect();
    (!names.is_empty()).then(|| {
        format!(
            "rows that {} marks as deleted count too; leave them out: SELECT reco_configure('{}', {}, {});",
            names.join(" or "),
            table.kind.name,
            pgrx::spi::quote_literal(table.quoted()),
            pgrx::spi::quote_literal(Value::Object(columns).to_string())
        )
    })
}

fn typed(role: &Role, column: &Column, relation: &str) -> Usable<Column> {
    if matches!(role.kind, Kind::Id | Kind::Group) && column.has_keys() && !catalog::compares_bytes(column.collation) {
        return Err(format!(
            "column \"{}\" of {relation} has a collation for which other bytes may be the same key",
            column.name
        ));
    }
    if role.kind.accepts(column.type_oid) {
        return Ok(Column { may_be_year: role.kind == Kind::TimeOrYear, ..column.clone() });
    }
    let (types, found) = (role.kind.types(), catalog::type_name(column.type_oid));
    Err(format!("column \"{}\" of {relation} must be {types}, not {found}", column.name))
}

fn columns_of(relation: pg_sys::Oid, zone: &Rc<str>) -> Vec<Column> {
    catalog::columns(relation)
        .into_iter()
        .map(|(name, type_oid, collation)| Column {
            name,
            is_enum: catalog::is_enum(type_oid),
            type_oid,
            collation,
            may_be_year: false,
            zone: Rc::clone(zone),
        })
        .collect()
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
    let is_weights = |key: &str| kind.name == EVENT.name && key == WEIGHTS;
    if let Some(unknown) =
        columns.keys().find(|key| !is_weights(key) && kind.roles.iter().all(|r| r.name != key.as_str()))
    {
        let known: Vec<&str> = kind.roles.iter().map(|r| r.name).collect();
        return Err(Failure::invalid(format!("the source \"{source}\" has no column \"{unknown}\""))
            .detail(format!("Its columns are: {}.", known.join(", "))));
    }
    let is_name = |key: &str, value: &Value| match value {
        Value::Array(names) => {
            let several = kind.roles.iter().any(|role| role.name == key && role.kind.takes_several());
            several && !names.is_empty() && names.iter().all(Value::is_string)
        }
        _ => value.is_string(),
    };
    if let Some((role, value)) = columns.iter().find(|(key, value)| !is_weights(key) && !is_name(key, value)) {
        let several = kind.roles.iter().any(|of| of.name == role.as_str() && of.kind.takes_several());
        let or_array = if several { ", or an array of names" } else { "" };
        return Err(Failure::invalid(format!(
            "the column for \"{role}\" must be a name in quotes{or_array}, not {value}"
        )));
    }
    if kind.name == EVENT.name {
        weights::parse(columns)?;
    }
    from_configuration(kind, schema, name, columns, &"UTC".into())
        .and_then(|table| table.unusable.into_iter().next().map_or(Ok(()), Err))
        .map_err(|problem| Failure::new(PgSqlErrorCode::ERRCODE_UNDEFINED_COLUMN, problem).hint(how_to_map(kind)))
}

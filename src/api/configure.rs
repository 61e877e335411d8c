//! `reco_configure` and `reco_sources`.

use pgrx::AnyElement;
use pgrx::prelude::*;
use serde_json::{Value, json};

use super::{arguments, names};
use crate::failure::{Failure, Outcome, or_raise};
use crate::pg::owner::as_owner;
use crate::pg::spi::{self, arg};
use crate::settings;
use crate::site::{self, Site, Table, WEIGHTS};
use crate::store;

/// Maps a source (`rating`, `favorite`, `event`, `item`, `user`, `category`, `author`) to a table or view and its columns; with a NULL relation it is
/// detected again. Whoever may configure decides what runs when others score: a view's functions run with their rights.
// By hand, because pgrx has no type for regclass, and for `json`.
#[pg_extern(sql = r#"
CREATE FUNCTION reco_configure(source text, relation regclass, columns jsonb) RETURNS void
LANGUAGE c AS 'MODULE_PATHNAME', '@FUNCTION_NAME@';
"#)]
fn reco_configure(source: Option<&str>, relation: Option<pg_sys::Oid>, columns: Option<AnyElement>) {
    let source = source.unwrap_or("NULL");
    or_raise(match (relation, columns) {
        (Some(relation), columns) => columns
            .map_or(Ok(Value::Null), |columns| arguments::json("columns", columns))
            .and_then(|columns| configure(source, relation, &columns)),
        (None, None) => forget(source),
        (None, Some(_)) => Err(Failure::new(
            PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED,
            format!("columns are given for \"{source}\", and the relation is NULL"),
        )
        .hint(format!("Name the relation, or detect it again: SELECT reco_configure('{source}', NULL, NULL);"))),
    });
}

fn forget(source: &str) -> Outcome<()> {
    site::kind(source)?;
    spi::connect(|connection| {
        store::lock_mapping(connection)?;
        as_owner(|| {
            connection.write(
                "DELETE FROM reco.source
                     WHERE source OPERATOR(pg_catalog.=) $1 AND model_name OPERATOR(pg_catalog.=) $2",
                &[arg(source.to_owned()), arg(settings::model_name())],
            )
        })?;
        Ok(())
    })
}

fn configure(source: &str, relation: pg_sys::Oid, columns: &Value) -> Outcome<()> {
    let Value::Object(columns) = columns else {
        let twice = if columns.is_string() { ", a text that a client has encoded twice" } else { "" };
        return Err(Failure::invalid(format!("columns must be a JSON object of column names, not {columns}{twice}"))
            .hint("For example '{\"user\": \"usuario_id\", \"item\": \"libro_id\", \"stars\": \"estrellas\"}'."));
    };
    spi::connect(|connection| {
        let rows = connection.read(
            "SELECT n.nspname::pg_catalog.text, c.relname::pg_catalog.text,
                    c.relpersistence OPERATOR(pg_catalog.=) 't'::pg_catalog.\"char\"
             FROM pg_catalog.pg_class c
             JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
             WHERE c.oid OPERATOR(pg_catalog.=) $1",
            &[arg(relation)],
        )?;
        let Some(mut row) = rows.first() else {
            let code = PgSqlErrorCode::ERRCODE_UNDEFINED_TABLE;
            return Err(Failure::new(code, format!("there is no relation with oid {}", relation.to_u32())));
        };
        let (schema, name): (String, String) = (row.take()?.unwrap_or_default(), row.take()?.unwrap_or_default());
        if row.take()? == Some(true) {
            return Err(Failure::invalid(format!(
                "the relation \"{name}\" is temporary, and other sessions cannot read it"
            ))
            .hint("Configure a table or a view that stays."));
        }
        site::validate(source, &schema, &name, columns)?;
        store::lock_mapping(connection)?;
        as_owner(|| {
            connection.write(
                "INSERT INTO reco.source AS s (source, relation_schema, relation_name, columns, revision, model_name)
                 VALUES ($1, $2::pg_catalog.name, $3::pg_catalog.name, $4,
                         pg_catalog.nextval('reco.revision_seq'::pg_catalog.regclass), $5)
                 ON CONFLICT (model_name, source) DO UPDATE SET relation_schema = EXCLUDED.relation_schema,
                     relation_name = EXCLUDED.relation_name, columns = EXCLUDED.columns, revision = EXCLUDED.revision,
                     configured_at = pg_catalog.now()",
                &[
                    arg(source.to_owned()),
                    arg(schema),
                    arg(name),
                    arg(pgrx::JsonB(Value::Object(columns.clone()))),
                    arg(names::checked(settings::model_name())?),
                ],
            )
        })?;
        Ok(())
    })
}

type SourceRow = (String, Option<String>, Option<pgrx::JsonB>, bool, Option<String>, Option<String>, Option<String>);

/// Which table and columns each source is, what is missing, and which index its look-ups need.
#[pg_extern(stable, parallel_restricted)]
#[allow(clippy::type_complexity)]
fn reco_sources() -> TableIterator<
    'static,
    (
        name!(source, String),
        name!(relation, Option<String>),
        name!(columns, Option<pgrx::JsonB>),
        name!(configured, bool),
        name!(missing, Option<String>),
        name!(advice, Option<String>),
        name!(passed_over, Option<String>),
    ),
> {
    TableIterator::new(or_raise(sources()))
}

fn sources() -> Outcome<Vec<SourceRow>> {
    spi::connect(|connection| {
        let site = Site::open(connection)?;
        let row = |(kind, table): (&site::SourceKind, Result<&Table, &str>)| match table {
            Ok(table) => found(&site, table),
            Err(problem) => {
                let configured = site.mapping.is_configured(kind);
                Ok((kind.name.into(), None, None, configured, Some(problem.into()), None, None))
            }
        };
        site.mapping.noteworthy().map(row).collect()
    })
}

fn found(site: &Site<'_>, table: &Table) -> Outcome<SourceRow> {
    let columns = table.by_role().filter_map(|(role, column)| Some((role.into(), column?.name.clone().into())));
    let several: Vec<&str> = table.texts().map(|column| column.name.as_str()).collect();
    let several = (several.len() > 1).then(|| ("text".to_owned(), json!(several)));
    let weights = table.weights.iter().map(|(of, weight)| (of.clone(), json!(weight))).collect();
    let weights = (!table.weights.is_empty()).then(|| (WEIGHTS.to_owned(), Value::Object(weights)));
    let lacking: Vec<&str> = table.lacking();
    let lacking = (!lacking.is_empty()).then(|| format!("no column for {}", lacking.join(", ")));
    let unreadable = site.unreadable_times(table)?;
    let missing: Vec<String> = lacking.into_iter().chain(table.unusable.iter().cloned()).chain(unreadable).collect();
    let indexes = site.missing_indexes(table)?.into_iter().map(|missing| missing.statement);
    let advice: Vec<String> = indexes.chain(table.advice.clone()).collect();
    let listed = |sentences: &[String]| (!sentences.is_empty()).then(|| sentences.join("; "));
    Ok((
        table.kind.name.into(),
        Some(table.quoted()),
        Some(pgrx::JsonB(Value::Object(columns.chain(weights).chain(several).collect()))),
        table.configured,
        listed(&missing),
        listed(&advice),
        listed(&table.passed_over),
    ))
}

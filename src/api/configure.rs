//! `reco_configure` and `reco_sources`.

use pgrx::prelude::*;
use serde_json::Value;

use crate::failure::{Failure, Outcome, or_raise};
use crate::pg::owner::as_owner;
use crate::pg::spi::{self, arg};
use crate::read::{index, mapping};
use crate::store;

/// Maps a source (`rating`, `favorite`, `item`, `user`) to a table or view and its columns; with a NULL relation it is
/// detected again.
// By hand, because pgrx has no type for regclass.
#[pg_extern(sql = r#"
CREATE FUNCTION reco_configure(source text, relation regclass, columns jsonb) RETURNS void
LANGUAGE c AS 'MODULE_PATHNAME', '@FUNCTION_NAME@';
"#)]
fn reco_configure(source: Option<&str>, relation: Option<pg_sys::Oid>, columns: Option<pgrx::JsonB>) {
    let source = source.unwrap_or("NULL");
    or_raise(match (relation, columns) {
        (Some(relation), columns) => configure(source, relation, &columns.map_or(Value::Null, |c| c.0)),
        (None, _) => forget(source),
    });
}

fn forget(source: &str) -> Outcome<()> {
    mapping::kind(source)?;
    spi::connect(|connection| {
        as_owner(|| {
            connection
                .write("DELETE FROM reco.source WHERE source OPERATOR(pg_catalog.=) $1", &[arg(source.to_owned())])
        })?;
        Ok(())
    })
}

fn configure(source: &str, relation: pg_sys::Oid, columns: &Value) -> Outcome<()> {
    let Value::Object(columns) = columns else {
        return Err(Failure::invalid(format!("columns is {columns}, and a JSON object of names is expected"))
            .hint("For example '{\"user\": \"usuario_id\", \"item\": \"libro_id\", \"stars\": \"estrellas\"}'."));
    };
    spi::connect(|connection| {
        let rows = connection.read(
            "SELECT n.nspname::pg_catalog.text, c.relname::pg_catalog.text FROM pg_catalog.pg_class c
             JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
             WHERE c.oid OPERATOR(pg_catalog.=) $1",
            &[arg(relation)],
        )?;
        if rows.len() == 0 {
            let code = PgSqlErrorCode::ERRCODE_UNDEFINED_TABLE;
            return Err(Failure::new(code, format!("there is no relation with oid {}", relation.to_u32())));
        }
        let text = |column| rows.get::<String>(0, column).unwrap_or_default();
        let (schema, name) = (text(0), text(1));
        mapping::validate(source, &schema, &name, columns)?;
        as_owner(|| {
            connection.write(
                "INSERT INTO reco.source AS s (source, relation_schema, relation_name, columns, revision)
                 VALUES ($1, $2::pg_catalog.name, $3::pg_catalog.name, $4,
                         pg_catalog.nextval('reco.revision_seq'::pg_catalog.regclass))
                 ON CONFLICT (source) DO UPDATE SET relation_schema = EXCLUDED.relation_schema,
                     relation_name = EXCLUDED.relation_name, columns = EXCLUDED.columns, revision = EXCLUDED.revision,
                     configured_at = pg_catalog.now()",
                &[arg(source.to_owned()), arg(schema), arg(name), arg(pgrx::JsonB(Value::Object(columns.clone())))],
            )
        })?;
        Ok(())
    })
}

type SourceRow = (String, Option<String>, Option<pgrx::JsonB>, bool, Option<String>, Option<String>);

/// What is mapped to what, what is missing, and which index a per-user look-up would want.
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
    ),
> {
    TableIterator::new(or_raise(sources()))
}

fn sources() -> Outcome<Vec<SourceRow>> {
    spi::connect(|connection| {
        let active = store::active(connection)?;
        let mapping = mapping::resolve(connection, active.revision)?;
        let rows = mapping::SOURCES.iter().enumerate().map(|(i, kind)| {
            let Some(relation) = mapping.get(i) else {
                return Ok((kind.name.into(), None, None, false, mapping.problem(i).map(str::to_owned), None));
            };
            let column = |name: &str| relation.column(kind, name).map(|c| Value::from(c.name.clone()));
            let columns = kind.roles.iter().filter_map(|r| Some((r.name.to_owned(), column(r.name)?))).collect();
            let lacking: Vec<&str> = kind.roles.iter().map(|r| r.name).filter(|r| column(r).is_none()).collect();
            let missing = (!lacking.is_empty()).then(|| format!("no column for {}", lacking.join(", ")));
            Ok((
                kind.name.into(),
                Some(relation.quoted()),
                Some(pgrx::JsonB(Value::Object(columns))),
                relation.configured,
                missing,
                index::missing(connection, &mapping, i)?,
            ))
        });
        rows.collect()
    })
}

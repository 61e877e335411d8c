//! `reco_schedule` and `reco_unschedule`: the night as a job of pg_cron.

use pgrx::AnyElement;
use pgrx::prelude::*;
use serde_json::{Map, Value};

use super::arguments;
use super::nightly::checked;
use super::train::given;
use crate::failure::{Failure, Outcome, or_raise};
use crate::pg::session::refuse_read_only;
use crate::pg::spi::{self, Connection, arg};
use crate::settings;

/// Makes the job, or gives the one of this model another time, and gives its id.
// By hand, because pgrx declares what it reads as jsonb: see `json`.
#[pg_extern(sql = r#"
CREATE FUNCTION reco_schedule(cron text, options jsonb DEFAULT '{}') RETURNS bigint
LANGUAGE c AS 'MODULE_PATHNAME', '@FUNCTION_NAME@';
"#)]
fn reco_schedule(cron: Option<&str>, options: Option<AnyElement>) -> i64 {
    let null = || arguments::null("cron").hint("Every night at three: SELECT reco_schedule('0 3 * * *');");
    let cron = or_raise(cron.ok_or_else(null));
    or_raise(given(options).and_then(|options| schedule(cron, options)))
}

fn schedule(cron: &str, options: Value) -> Outcome<i64> {
    refuse_read_only(c"reco_schedule()");
    let (name, ..) = checked(&options)?;
    let command = command(&name, options)?;
    spi::connect(|connection| {
        if !has_cron(connection)? {
            return Err(without_cron(cron, &job(&name), &command));
        }
        // With the caller's rights: the job is the caller's, and runs as the caller.
        let sql = "SELECT cron.schedule($1, $2, $3)";
        let args = [job(&name), cron.to_owned(), command].map(arg);
        Ok(connection.write(sql, &args)?.single()?.unwrap_or_default())
    })
}

/// Removes the job of the model that `reco.model` names; false where there is none.
#[pg_extern]
fn reco_unschedule() -> bool {
    or_raise(unschedule())
}

fn unschedule() -> Outcome<bool> {
    refuse_read_only(c"reco_unschedule()");
    let job = job(&settings::model_name());
    spi::connect(|connection| {
        if !has_cron(connection)? {
            return Ok(false);
        }
        let sql = "SELECT cron.unschedule(jobid) FROM cron.job
                   WHERE jobname OPERATOR(pg_catalog.=) $1 AND username OPERATOR(pg_catalog.=) CURRENT_USER";
        Ok(!connection.write(sql, &[arg(job)])?.is_empty())
    })
}

/// The name of the job: one for each model.
fn job(model: &str) -> String {
    if model.is_empty() { "reco_nightly".into() } else { format!("reco_nightly {model}") }
}

/// What the job runs. The model's name stands in it, because a job has no settings of its own.
fn command(name: &str, options: Value) -> Outcome<String> {
    let mut options = match options {
        Value::Object(options) => options,
        _ => Map::new(),
    };
    if !name.is_empty() {
        options.insert("model".into(), name.into());
    }
    let schema: Option<String> = spi::connect(|connection| {
        connection
            .read(
                "SELECT pg_catalog.quote_ident(n.nspname) FROM pg_catalog.pg_extension e
                 JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) e.extnamespace
                 WHERE e.extname OPERATOR(pg_catalog.=) 'reco'::pg_catalog.name",
                &[],
            )?
            .single()
    })?;
    let call = format!("{}.reco_nightly", schema.unwrap_or_else(|| "public".into()));
    if options.is_empty() {
        return Ok(format!("SELECT * FROM {call}()"));
    }
    let text = spi::connect(|connection| {
        connection.read("SELECT pg_catalog.quote_literal($1)", &[arg(Value::Object(options).to_string())])?.single()
    })?;
    Ok(format!("SELECT * FROM {call}({}::pg_catalog.jsonb)", text.unwrap_or_else(|| "'{}'".to_string())))
}

fn has_cron(connection: &Connection) -> Outcome<bool> {
    let sql = "SELECT FROM pg_catalog.pg_extension WHERE extname OPERATOR(pg_catalog.=) 'pg_cron'::pg_catalog.name";
    Ok(!connection.read(sql, &[])?.is_empty())
}

/// pg_cron is in one database of a server, from where it reaches the others.
fn without_cron(cron: &str, job: &str, command: &str) -> Failure {
    let database = database();
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
    Failure::new(
        PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT,
        format!("the extension pg_cron is not in database \"{database}\""),
    )
    .detail(format!(
        "In the database that has it, this does the same: SELECT cron.schedule_in_database({}, {}, {}, {});",
        quoted(job),
        quoted(cron),
        quoted(command),
        quoted(&database)
    ))
    .hint(format!(
        "Or a line of crontab: {cron} psql -X -d {database} -c \"{}\"",
        command.replace('\\', "\\\\").replace('"', "\\\"")
    ))
}

fn database() -> String {
    let name = spi::connect(|connection| {
        connection.read("SELECT pg_catalog.current_database()::pg_catalog.text", &[])?.single()
    });
    name.ok().flatten().unwrap_or_default()
}

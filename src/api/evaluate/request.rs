//! The options of `reco_evaluate`.

use pgrx::AnyElement;
use pgrx::prelude::*;
use reco_models::Error;
use serde_json::Value;

use crate::api::arguments;
use crate::failure::{Failure, Outcome};
use crate::pg::spi::Connection;
use crate::site::Site;

/// What the caller asks for; what is left out is as the training had it.
pub struct Asked {
    version: Option<i64>,
    pub users: Option<usize>,
    pub seed: Option<u64>,
    pub segments: bool,
}

impl Asked {
    /// # Errors
    /// 55000 where no version is asked for and none is active; 42704 where `reco.model` is a name that nothing has.
    pub fn version_or_active(&self, connection: &Connection) -> Outcome<i64> {
        if let Some(version) = self.version {
            return Ok(version);
        }
        let site = Site::open(connection)?;
        site.check_name()?;
        site.active.map(|key| key.version).ok_or_else(|| {
            let code = PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE;
            Failure::new(code, "there is no active model to evaluate").hint(
                "Name one: SELECT * FROM reco_evaluate(options => '{\"version\": 1}'); or SELECT * FROM reco_train();",
            )
        })
    }
}

/// The most users, as of the option "evaluation_users" of a training.
const MOST_USERS: u64 = 10_000_000;
/// A JSON number holds whole numbers up to this one exactly.
const MOST_SEED: u64 = 1 << 53;

/// # Errors
/// 22004 for NULL; 22023 for what is no option, or out of its range.
pub fn parse(options: Option<AnyElement>) -> Outcome<Asked> {
    let options = options.ok_or_else(|| {
        let code = PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED;
        Failure::new(code, "the options of an evaluation must not be NULL")
            .hint("For the defaults: SELECT * FROM reco_evaluate();")
    })?;
    let options = arguments::json("options", options)?;
    let Value::Object(options) = &options else {
        return Err(wrong("options", &options, "a JSON object such as {\"segments\": true}"));
    };
    let mut asked = Asked { version: None, users: None, seed: None, segments: false };
    for (name, value) in options {
        match name.as_str() {
            "version" => asked.version = Some(whole(name, value, 1, i64::MAX as u64)? as i64),
            "users" => asked.users = Some(whole(name, value, 1, MOST_USERS)? as usize),
            "seed" => asked.seed = Some(whole(name, value, 0, MOST_SEED)?),
            "segments" => asked.segments = value.as_bool().ok_or_else(|| wrong(name, value, "true or false"))?,
            _ => {
                return Err(Failure::invalid(format!("unknown option \"{name}\""))
                    .detail("The options are: seed, segments, users, version."));
            }
        }
    }
    Ok(asked)
}

/// jsonb keeps 3.0 as it was written.
fn whole(name: &str, value: &Value, least: u64, most: u64) -> Outcome<u64> {
    let float = || value.as_f64().filter(|v| v.fract() == 0.0 && *v >= 0.0 && *v <= MOST_SEED as f64).map(|v| v as u64);
    let number = value.as_u64().or_else(float).filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| wrong(name, value, &format!("a whole number from {least} to {most}")))
}

fn wrong(name: &str, value: &Value, expected: &str) -> Failure {
    Error::Option { name: name.into(), value: value.to_string(), expected: expected.into() }.into()
}

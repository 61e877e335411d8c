//! The names of models: a site may have several, each with a mapping, a registry and a gate of its own.

use serde_json::Value;

use crate::failure::{Failure, Outcome};
use crate::settings;

/// Bytes of a name, as PostgreSQL has them for its own.
const LONGEST: usize = 63;

/// The option that names the model of a training.
const OPTION: &str = "model";

/// The name of the model that a training with these options trains, and its other options. Without the option "model" the
/// name is that of the setting `reco.model`.
///
/// # Errors
/// 22023 where the name is no text, or too long.
pub fn of_training(options: &Value) -> Outcome<(String, Value)> {
    let mut others = options.clone();
    let name = match others.as_object_mut().and_then(|map| map.remove(OPTION)) {
        None => settings::model_name(),
        Some(Value::String(name)) => name,
        Some(other) => {
            let message = format!("option \"model\" must be a name in quotes, not {other}");
            return Err(Failure::invalid(message).hint("For example '{\"model\": \"tienda_b\"}'."));
        }
    };
    Ok((checked(name)?, others))
}

/// A name that a model or a mapping may get; empty for none.
///
/// # Errors
/// 22023 where it is too long.
pub fn checked(name: String) -> Outcome<String> {
    if name.len() <= LONGEST {
        return Ok(name);
    }
    let length = name.len();
    let message = format!("the name of a model must have at most {LONGEST} bytes, and \"{name}\" has {length}");
    Err(Failure::invalid(message))
}

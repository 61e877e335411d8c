//! One of the things that an experiment compares: who answers, and with which settings.

use reco_models::{Params, WeightChoice};
use serde_json::{Map, Value};

use crate::failure::{Failure, Outcome, shortened};
use crate::site::Answerer;

/// Variants of one experiment.
const MOST: usize = 10;
/// Bytes of a name, as PostgreSQL has them for its own.
pub const LONGEST_NAME: usize = 63;

/// How some of the users are served.
#[derive(Debug, Clone, PartialEq)]
pub struct Variant {
    pub name: String,
    /// Of those who take part, in relation to the other variants.
    pub share: f64,
    pub answerer: Answerer,
    /// None: as the call says.
    pub diversity: Option<f32>,
    pub explore: Option<f32>,
    /// As the setting `reco.rotation`.
    pub rotation: Option<f64>,
}

impl Variant {
    /// Whether it changes nothing but which model answers.
    pub fn is_plain(&self) -> bool {
        let Answerer { weights, rules, .. } = self.answerer;
        weights.is_none() && !rules && self.diversity.is_none() && self.explore.is_none() && self.rotation.is_none()
    }
}

/// The variants of an experiment, the control first.
///
/// # Errors
/// 22023 for anything that is none.
pub fn parse(variants: &Value) -> Outcome<Vec<Variant>> {
    let example =
        "For instance '[{\"name\": \"rules\", \"rules\": true}, {\"name\": \"model\"}]'; the first one is the control.";
    let Value::Array(list) = variants else {
        let twice = if variants.is_string() { "; the client has encoded it twice" } else { "" };
        return Err(Failure::invalid(format!(
            "variants must be a JSON array of objects, not {}{twice}",
            shown(variants)
        ))
        .hint(example));
    };
    if !(2..=MOST).contains(&list.len()) {
        return Err(
            Failure::invalid(format!("an experiment has 2 to {MOST} variants, not {}", list.len())).hint(example)
        );
    }
    let parsed: Vec<Variant> = list.iter().map(one).collect::<Outcome<_>>()?;
    for (place, variant) in parsed.iter().enumerate() {
        if parsed[..place].iter().any(|earlier| earlier.name == variant.name) {
            return Err(Failure::invalid(format!("two variants have the name \"{}\"", variant.name)));
        }
    }
    Ok(parsed)
}

fn one(value: &Value) -> Outcome<Variant> {
    let Value::Object(map) = value else {
        return Err(Failure::invalid(format!("a variant must be a JSON object, not {}", shown(value)))
            .hint("For instance {\"name\": \"diverse\", \"diversity\": 0.3}."));
    };
    let mut variant = Variant {
        name: String::new(),
        share: 1.0,
        answerer: Answerer::default(),
        diversity: None,
        explore: None,
        rotation: None,
    };
    for (key, value) in map {
        match key.as_str() {
            "name" => variant.name = name("the name of a variant", value)?,
            "share" => variant.share = number(key, value, 0.001, 1000.0)?,
            "model" => variant.answerer.version = Some(version(value)?),
            "weights" => variant.answerer.weights = Some(weights(value)?),
            "rules" => variant.answerer.rules = boolean(key, value)?,
            "diversity" => variant.diversity = Some(number(key, value, 0.0, 1.0)? as f32),
            "explore" => variant.explore = Some(number(key, value, 0.0, 1.0)? as f32),
            "rotation" => variant.rotation = Some(number(key, value, 0.0, 1.0)?),
            _ => {
                return Err(Failure::invalid(format!("a variant has no setting \"{key}\""))
                    .detail("The settings are: diversity, explore, model, name, rotation, rules, share, weights."));
            }
        }
    }
    check(map, &variant)?;
    Ok(variant)
}

fn check(map: &Map<String, Value>, variant: &Variant) -> Outcome<()> {
    if variant.name.is_empty() {
        return Err(Failure::invalid(format!("a variant has no name: {}", shown(&Value::Object(map.clone())))));
    }
    let Answerer { version, weights, rules } = variant.answerer;
    if rules && (version.is_some() || weights.is_some()) {
        let message =
            format!("the variant \"{}\" is answered by the rules, which have no model and no weights", variant.name);
        return Err(Failure::invalid(message));
    }
    Ok(())
}

/// A name, not empty and not too long.
pub fn name(what: &str, value: &Value) -> Outcome<String> {
    match value {
        Value::String(name) if (1..=LONGEST_NAME).contains(&name.len()) => Ok(name.clone()),
        _ => Err(Failure::invalid(format!("{what} must be a text of 1 to {LONGEST_NAME} bytes, not {}", shown(value)))),
    }
}

/// A number in a range.
pub fn number(name: &str, value: &Value, least: f64, most: f64) -> Outcome<f64> {
    value.as_f64().filter(|number| (least..=most).contains(number)).ok_or_else(|| {
        Failure::invalid(format!("\"{name}\" must be a number from {least} to {most}, not {}", shown(value)))
    })
}

fn boolean(name: &str, value: &Value) -> Outcome<bool> {
    let wrong = || Failure::invalid(format!("\"{name}\" must be true or false, not {}", shown(value)));
    value.as_bool().ok_or_else(wrong)
}

fn version(value: &Value) -> Outcome<i64> {
    // jsonb keeps 3.0 as it was written.
    let whole =
        value.as_i64().or_else(|| value.as_f64().filter(|v| v.fract() == 0.0 && v.abs() < 9e15).map(|v| v as i64));
    whole.ok_or_else(|| {
        Failure::invalid(format!("\"model\" must be the version of a model, not {}", shown(value)))
            .hint("SELECT version, name, active, ndcg_at_10 FROM reco_models();")
    })
}

/// As the option of a training has them.
fn weights(value: &Value) -> Outcome<reco_models::Weights> {
    let mut params = Params::default();
    params.set("weights", value)?;
    match params.validate()?.weights {
        WeightChoice::Fixed(weights) => Ok(weights),
        WeightChoice::Auto => Err(Failure::invalid("\"weights\" must be \"plan\" or an object, not \"auto\"")
            .hint("Those of the model itself serve where a variant has none.")),
    }
}

/// A value as an error shows it.
pub fn shown(value: &Value) -> String {
    shortened(value.to_string(), 80)
}

//! The weights of the types of events, as `reco_configure` was given them.

use serde_json::{Map, Value};

use super::fragment::Column;
use crate::failure::{Failure, Outcome};

/// Where a mapping has them.
pub const WEIGHTS: &str = "weights";
/// A favourite weighs 1. What would weigh a hundred times as much is not a weight but another scale.
const MOST: f64 = 100.0;
/// A statement compares with each of them in turn.
const MOST_TYPES: usize = 100;

/// Type and weight of each.
pub type Weights = Vec<(String, f32)>;

/// # Errors
/// 22023, with what is wrong and what a weight may be.
pub fn parse(columns: &Map<String, Value>) -> Outcome<Weights> {
    let example = "For example {\"weights\": {\"click\": 0.2, \"purchase\": 3, \"discard\": -1}}.";
    let invalid = |message: String| Err(Failure::invalid(message).hint(example));
    let weights = match columns.get(WEIGHTS) {
        Some(Value::Object(weights)) => weights,
        Some(other) => return invalid(format!("\"weights\" must be an object of numbers by type, not {other}")),
        None => return invalid("no \"weights\" are given: what the types of events weigh".into()),
    };
    if weights.len() > MOST_TYPES {
        return invalid(format!("\"weights\" must have at most {MOST_TYPES} types, not {}", weights.len()));
    }
    let mut parsed = Weights::new();
    for (of, value) in weights {
        match value.as_f64().filter(|weight| (-MOST..=MOST).contains(weight)) {
            Some(weight) => parsed.push((of.clone(), weight as f32)),
            None => {
                return invalid(format!(
                    "the weight of \"{of}\" must be a number between -{MOST} and {MOST}, not {value}"
                ));
            }
        }
    }
    if parsed.iter().all(|(_, weight)| *weight <= 0.0) {
        return invalid("no type in \"weights\" is above 0: nothing to learn from".into());
    }
    Ok(parsed)
}

/// The weight of a row's type as float4, NULL of a type without one.
pub fn weight_of(column: &Column, weights: &Weights) -> String {
    let of = text(column);
    let cases: Vec<String> = weights
        .iter()
        .map(|(name, weight)| {
            let name = pgrx::spi::quote_literal(name);
            format!("WHEN {of} OPERATOR(pg_catalog.=) {name}::pg_catalog.text THEN '{weight}'::pg_catalog.float4")
        })
        .collect();
    format!("(CASE {} END)", cases.join(" "))
}

/// The type as text. A type is not a word: it is the same where its bytes are.
pub fn text(column: &Column) -> String {
    format!("({}::pg_catalog.text COLLATE pg_catalog.\"C\")", column.quoted())
}

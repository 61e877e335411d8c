//! The options of a run: one table with default, range and meaning; only validated parameters can train.

use std::ops::Deref;
use std::time::Duration;

use serde_json::Value;

use crate::data::split::SplitKind;
use crate::error::{Error, Result};
use crate::learn::budget::Budget;
use crate::model::ensemble::Weights;

/// A numeric option. `default: None` means that the run chooses, on validation or from the data.
#[derive(Debug)]
pub struct NumberOption {
    pub name: &'static str,
    pub default: Option<f64>,
    pub min: f64,
    pub max: f64,
    pub integer: bool,
    pub meaning: &'static str,
}

const fn number(
    name: &'static str,
    default: Option<f64>,
    (min, max): (f64, f64),
    integer: bool,
    meaning: &'static str,
) -> NumberOption {
    NumberOption { name, default, min, max, integer, meaning }
}

pub const NUMBERS: [NumberOption; 15] = [
    number("factors", None, (1.0, 256.0), true, "length of the user and item vectors; chosen on validation, 50 or 128"),
    number("epochs", Some(5.0), (1.0, 100.0), true, "passes of ALS over the interactions"),
    number("regularization", None, (1e-6, 100.0), false, "lambda of ALS, scaled by frequency; chosen on validation"),
    number("alpha0", None, (1e-6, 100.0), false, "weight of the pairs without an interaction; chosen on validation"),
    number(
        "neighbours",
        None,
        (0.0, 200.0),
        true,
        "others that an item is predicted from; 0 leaves them out; chosen on validation, 50, 200 or all",
    ),
    number("ridge", None, (0.01, 1e6), false, "regularization of the neighbours, in readers; chosen on validation"),
    number(
        "neighbour_share",
        None,
        (0.0, 1.0),
        false,
        "share of the neighbours in the collaborative part, the rest being ALS; chosen on validation",
    ),
    number(
        "clicks",
        None,
        (0.0, 10.0),
        false,
        "weight of a click on what was shown, a favourite being 1; 0 leaves them out; chosen on validation",
    ),
    number("positive_stars", Some(4.0), (1.0, 5.0), false, "a review of this many stars or more counts as liked"),
    number(
        "min_interactions",
        None,
        (1.0, 1000.0),
        true,
        "users and items with fewer positives are folded in, not trained on; 5, or less on small data",
    ),
    number("holdout", Some(0.2), (0.05, 0.5), false, "share of the positives that is held out to evaluate"),
    number("trees", Some(100.0), (0.0, 1000.0), true, "trees of the content model; 0 leaves it out"),
    number("learning_rate", Some(0.1), (0.001, 1.0), false, "shrinkage of the content model"),
    number("evaluation_users", Some(4000.0), (10.0, 1e7), true, "hold-out users that are ranked, at most"),
    number(
        "seed",
        Some(42.0),
        (0.0, 9007199254740992.0),
        true,
        "same seed, same model, whatever the number of threads",
    ),
];

/// Enough for ten million interactions; smaller data takes less.
const DEFAULT_BUDGET: Duration = Duration::from_secs(300);

/// Which weights the ensemble gets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum WeightChoice {
    Fixed(Weights),
    /// Learned on validation, with the plan's as the prior.
    Auto,
}

/// Options as given. [`Params::validate`] is the only way to train with them.
#[derive(Debug, Clone)]
pub struct Params {
    numbers: [Option<f64>; NUMBERS.len()],
    split: SplitKind,
    weights: WeightChoice,
    budget: Duration,
    force: bool,
    strict: bool,
}

impl Default for Params {
    fn default() -> Self {
        Params {
            numbers: std::array::from_fn(|i| NUMBERS[i].default),
            split: SplitKind::Auto,
            weights: WeightChoice::Auto,
            budget: DEFAULT_BUDGET,
            force: false,
            strict: false,
        }
    }
}

impl Params {
    /// Reads a JSON object, e.g. `{"factors": 64, "weights": "auto"}`.
    ///
    /// # Errors
    /// [`Error::Option`] for a value of the wrong type, [`Error::UnknownOption`], which lists the known ones.
    pub fn from_json(options: &Value) -> Result<Self> {
        let mut params = Params::default();
        let Value::Object(map) = options else {
            // As postgres.js sends a text for a jsonb parameter.
            let twice =
                if options.is_string() { " (not a text that holds one: the client has encoded it twice)" } else { "" };
            return Err(wrong("options", options, &format!("a JSON object such as {{\"factors\": 64}}{twice}")));
        };
        for (name, value) in map {
            params.set(name, value)?;
        }
        Ok(params)
    }

    /// Sets one option by name; checks the type, not yet the range.
    ///
    /// # Errors
    /// As [`Params::from_json`].
    pub fn set(&mut self, name: &str, value: &Value) -> Result<()> {
        match name {
            "split" => self.split = parse_split(value)?,
            "weights" => self.weights = parse_weights(value)?,
            "budget" => self.budget = parse_budget(value)?,
            "force" => self.force = parse_bool(name, value)?,
            "strict" => self.strict = parse_bool(name, value)?,
            _ => {
                let Some(i) = NUMBERS.iter().position(|o| o.name == name) else {
                    return Err(Error::UnknownOption { name: name.into(), known: known_names() });
                };
                let number = value.as_f64().ok_or_else(|| wrong(name, value, &range_text(&NUMBERS[i])))?;
                self.numbers[i] = Some(number);
            }
        }
        Ok(())
    }

    /// The only way to parameters that can train.
    ///
    /// # Errors
    /// [`Error::Option`] for a number out of its range, or a fraction where a whole number is needed.
    pub fn validate(&self) -> Result<ValidParams> {
        for (option, value) in NUMBERS.iter().zip(self.numbers) {
            let Some(value) = value else { continue };
            let in_range = value >= option.min && value <= option.max;
            if !in_range || (option.integer && value.fract() != 0.0) {
                return Err(wrong(option.name, value, &range_text(option)));
            }
        }
        let get = |name: &str| NUMBERS.iter().position(|o| o.name == name).and_then(|i| self.numbers[i]);
        let or_default = |name: &str| get(name).unwrap_or_default();
        Ok(ValidParams(Values {
            factors: get("factors").map(|v| v as usize),
            epochs: or_default("epochs") as usize,
            regularization: get("regularization").map(|v| v as f32),
            alpha0: get("alpha0").map(|v| v as f32),
            neighbours: get("neighbours").map(|v| v as usize),
            ridge: get("ridge").map(|v| v as f32),
            neighbour_share: get("neighbour_share").map(|v| v as f32),
            clicks: get("clicks").map(|v| v as f32),
            positive_stars: or_default("positive_stars") as f32,
            min_interactions: get("min_interactions").map(|v| v as usize),
            holdout: or_default("holdout"),
            trees: or_default("trees") as usize,
            learning_rate: or_default("learning_rate"),
            evaluation_users: or_default("evaluation_users") as usize,
            seed: or_default("seed") as u64,
            split: self.split,
            weights: self.weights,
            budget: Budget::new(self.budget),
            force: self.force,
            strict: self.strict,
        }))
    }
}

/// Parameters that are known to be in range. They can be read and not altered.
#[derive(Debug, Clone)]
pub struct ValidParams(Values);

impl Deref for ValidParams {
    type Target = Values;

    fn deref(&self) -> &Values {
        &self.0
    }
}

/// The values of the options; see [`NUMBERS`] for their meanings and ranges. None: chosen by the run.
#[derive(Debug, Clone)]
pub struct Values {
    pub factors: Option<usize>,
    pub epochs: usize,
    pub regularization: Option<f32>,
    pub alpha0: Option<f32>,
    pub neighbours: Option<usize>,
    pub ridge: Option<f32>,
    pub neighbour_share: Option<f32>,
    pub clicks: Option<f32>,
    pub positive_stars: f32,
    pub min_interactions: Option<usize>,
    pub holdout: f64,
    pub trees: usize,
    pub learning_rate: f64,
    pub evaluation_users: usize,
    pub seed: u64,
    pub split: SplitKind,
    pub weights: WeightChoice,
    pub budget: Budget,
    pub force: bool,
    /// No row that cannot be used is skipped.
    pub strict: bool,
}

fn wrong(name: &str, value: impl std::fmt::Display, expected: &str) -> Error {
    Error::Option { name: name.into(), value: value.to_string(), expected: expected.into() }
}

fn range_text(option: &NumberOption) -> String {
    let kind = if option.integer { "a whole number" } else { "a number" };
    format!("{kind} from {} to {} ({})", option.min, option.max, option.meaning)
}

fn known_names() -> String {
    let numbers = NUMBERS.iter().map(|o| o.name);
    let mut names: Vec<&str> = numbers.chain(["split", "weights", "budget", "force", "strict"]).collect();
    names.sort_unstable();
    names.join(", ")
}

fn parse_bool(name: &str, value: &Value) -> Result<bool> {
    value.as_bool().ok_or_else(|| wrong(name, value, "true or false"))
}

fn parse_split(value: &Value) -> Result<SplitKind> {
    let kind = value.as_str().and_then(SplitKind::from_name);
    kind.ok_or_else(|| wrong("split", value, "\"auto\", \"temporal\" or \"by_user\""))
}

/// "90s", "5min" or "1h".
fn parse_budget(value: &Value) -> Result<Duration> {
    const EXPECTED: &str = "a time such as \"30s\", \"5min\" or \"1h\", from 1s to 24h";
    let text = value.as_str().unwrap_or_default().trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let unit = match text[digits..].trim() {
        "s" => 1,
        "min" => 60,
        "h" => 3600,
        _ => 0,
    };
    let seconds = text[..digits].parse::<u64>().ok().and_then(|n| n.checked_mul(unit));
    let budget = seconds.filter(|s| (1..=86_400).contains(s)).map(Duration::from_secs);
    budget.ok_or_else(|| wrong("budget", value, EXPECTED))
}

fn parse_weights(value: &Value) -> Result<WeightChoice> {
    const EXPECTED: &str = "\"auto\", \"plan\" or {\"collaborative\": 0.5, \"content_based\": 0.3, \"popularity\": 0.2}, \
                            each from 0 to 1 and not all 0";
    match value.as_str() {
        Some("auto") => return Ok(WeightChoice::Auto),
        Some("plan") => return Ok(WeightChoice::Fixed(Weights::default())),
        _ => {}
    }
    let object = value.as_object().ok_or_else(|| wrong("weights", value, EXPECTED))?;
    let mut parts = [0.0f32; 3];
    for (name, weight) in object {
        let part = ["collaborative", "content_based", "popularity"].iter().position(|p| p == name);
        let number = weight.as_f64().filter(|w| (0.0..=1.0).contains(w));
        match (part, number) {
            (Some(part), Some(number)) => parts[part] = number as f32,
            _ => return Err(wrong("weights", value, EXPECTED)),
        }
    }
    Weights::new(parts).map(WeightChoice::Fixed).ok_or_else(|| wrong("weights", value, EXPECTED))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn message(options: Value) -> String {
        Params::from_json(&options).and_then(|p| p.validate()).unwrap_err().to_string()
    }

    #[test]
    fn defaults_are_valid() {
        let params = Params::default().validate().unwrap();
        assert_eq!((params.factors, params.seed, params.regularization), (None, 42, None));
    }

    #[test]
    fn errors_name_the_option_and_its_range() {
        assert_eq!(
            message(json!({"factors": 0})),
            "option \"factors\" must be a whole number from 1 to 256 (length of the user and item vectors; chosen on \
             validation, 50 or 128), not 0"
        );
        assert!(message(json!({"factors": 1.5})).contains("whole number"));
        assert!(
            message(json!({"epochs": "many"})).contains("\"epochs\" must be a whole number")
                && message(json!({"epochs": "many"})).ends_with("not \"many\"")
        );
        assert!(message(json!({"weights": {"collaborative": 2}})).contains("from 0 to 1"));
        assert!(message(json!({"weights": {"collaborative": 0}})).contains("not all 0"));
        assert!(message(json!({"split": "none"})).contains("temporal"));
        assert!(message(json!([1])).contains("JSON object") && !message(json!([1])).contains("twice"));
        assert!(message(json!("{\"factors\": 64}")).contains("twice"));
        for bad in [json!("30"), json!(30), json!("0s"), json!("25h"), json!("-1s"), json!("s"), json!("1 day")] {
            assert!(message(json!({"budget": bad})).contains("from 1s to 24h"), "{bad}");
        }
    }

    #[test]
    fn unknown_options_list_the_known_ones() {
        match Params::from_json(&json!({"factor": 5})).unwrap_err() {
            Error::UnknownOption { name, known } => {
                assert_eq!(name, "factor");
                assert!(known.contains("factors"));
            }
            other => panic!("{other}"),
        }
    }

    #[test]
    fn a_budget_has_a_unit() {
        let seconds = |text: &str| parse_budget(&json!(text)).unwrap().as_secs();
        assert_eq!((seconds("30s"), seconds("5min"), seconds("24 h")), (30, 300, 86_400));
    }

    #[test]
    fn weights_are_normalised() {
        let params = Params::from_json(&json!({"weights": {"collaborative": 1, "popularity": 1}})).unwrap();
        let WeightChoice::Fixed(weights) = params.validate().unwrap().weights else { panic!() };
        assert_eq!(weights.parts(), [0.5, 0.0, 0.5]);
    }
}

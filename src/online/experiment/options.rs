//! The options of an experiment.

use reco_models::Plan;
use serde_json::Value;

use super::variant::{name, number, shown};
use crate::failure::{Failure, Outcome};

/// What two variants do to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Each user is served by one of them.
    Split,
    /// Two of them share each page.
    Interleaving,
    /// The second one is asked and not shown.
    Shadow,
}

const KINDS: [Kind; 3] = [Kind::Split, Kind::Interleaving, Kind::Shadow];

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::Split => "split",
            Kind::Interleaving => "interleaving",
            Kind::Shadow => "shadow",
        }
    }

    pub fn from_name(name: &str) -> Option<Kind> {
        KINDS.into_iter().find(|kind| kind.name() == name)
    }
}

/// What is measured, of the items that were shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    Ctr,
    Conversion,
    Engagement,
    Dismissal,
}

pub const METRICS: [Metric; 4] = [Metric::Ctr, Metric::Conversion, Metric::Engagement, Metric::Dismissal];

impl Metric {
    pub fn name(self) -> &'static str {
        match self {
            Metric::Ctr => "ctr",
            Metric::Conversion => "conversion",
            Metric::Engagement => "engagement",
            Metric::Dismissal => "dismissal",
        }
    }

    pub fn from_name(name: &str) -> Option<Metric> {
        METRICS.into_iter().find(|metric| metric.name() == name)
    }

    pub fn less_is_better(self) -> bool {
        self == Metric::Dismissal
    }

    fn parse(name: &str, value: &str) -> Outcome<Metric> {
        Metric::from_name(value).ok_or_else(|| {
            Failure::invalid(format!("\"{name}\" must be a metric, not \"{value}\""))
                .detail("The metrics are: ctr, conversion, engagement, dismissal.")
        })
    }
}

/// As the caller gave them.
#[derive(Debug, Clone)]
pub struct Options {
    pub kind: Kind,
    pub metric: Metric,
    /// Of the users, 0 to 1.
    pub share: f64,
    /// Empty: all.
    pub surfaces: Vec<String>,
    pub plan: Plan,
    /// None: as it was lately.
    pub baseline: Option<f64>,
    /// A metric, and by how much it may be worse.
    pub guardrails: Vec<(Metric, f64)>,
}

const MOST_SURFACES: usize = 100;

/// # Errors
/// 22023 for what is no option, or out of its range.
pub fn parse(options: &Value) -> Outcome<Options> {
    let Value::Object(map) = options else {
        return Err(Failure::invalid(format!("options must be a JSON object, not {}", shown(options)))
            .hint("For instance '{\"metric\": \"ctr\", \"share\": 0.5, \"surfaces\": [\"home\"]}'."));
    };
    let mut parsed = Options {
        kind: Kind::Split,
        metric: Metric::Ctr,
        share: 1.0,
        surfaces: Vec::new(),
        plan: Plan { lift: 0.1, power: 0.8, alpha: 0.05 },
        baseline: None,
        guardrails: Vec::new(),
    };
    for (name, value) in map {
        match name.as_str() {
            "kind" => parsed.kind = kind(value)?,
            "metric" => parsed.metric = Metric::parse(name, value.as_str().unwrap_or(&shown(value)))?,
            "share" => parsed.share = number(name, value, 0.001, 1.0)?,
            "surfaces" => parsed.surfaces = surfaces(value)?,
            "lift" => parsed.plan.lift = number(name, value, -1.0, 10.0)?,
            "power" => parsed.plan.power = number(name, value, 0.5, 0.99)?,
            "alpha" => parsed.plan.alpha = number(name, value, 0.0001, 0.2)?,
            "baseline" => parsed.baseline = Some(number(name, value, 0.0, 1.0)?),
            "guardrails" => parsed.guardrails = guardrails(value)?,
            _ => {
                return Err(Failure::invalid(format!("an experiment has no option \"{name}\"")).detail(
                    "The options are: alpha, baseline, guardrails, kind, lift, metric, power, share, surfaces.",
                ));
            }
        }
    }
    parsed.plan.check()?;
    Ok(parsed)
}

fn kind(value: &Value) -> Outcome<Kind> {
    value.as_str().and_then(Kind::from_name).ok_or_else(|| {
        let message = format!("\"kind\" must be \"split\", \"interleaving\" or \"shadow\", not {}", shown(value));
        Failure::invalid(message)
    })
}

fn surfaces(value: &Value) -> Outcome<Vec<String>> {
    match value {
        Value::Array(list) if (1..=MOST_SURFACES).contains(&list.len()) => {
            list.iter().map(|surface| name("a surface", surface)).collect()
        }
        _ => Err(Failure::invalid(format!(
            "\"surfaces\" must be an array of 1 to {MOST_SURFACES} names, not {}",
            shown(value)
        ))
        .hint("Without it the experiment is on all surfaces.")),
    }
}

fn guardrails(value: &Value) -> Outcome<Vec<(Metric, f64)>> {
    let Value::Object(map) = value else {
        return Err(Failure::invalid(format!("\"guardrails\" must be a JSON object, not {}", shown(value)))
            .hint("For instance {\"conversion\": 0.05}: it ends where conversion is surely worse by more than 5 %."));
    };
    map.iter().map(|(name, value)| Ok((Metric::parse("guardrails", name)?, number(name, value, 0.0, 1.0)?))).collect()
}

//! What came out so far: counted here, judged by `reco-models`.

use std::collections::HashMap;

use reco_models::{Comparison, Tally, Verdict, Votes, compare, more_entries, sample_ratio};
use serde_json::{Value, json};

use super::options::{Kind, METRICS, Metric, Options};
use super::record::{self, Experiment};
use super::shadow;
use crate::failure::{Failure, Outcome};
use crate::online::outcomes::{self, Came, Impression, Known, Span};
use crate::pg::session;
use crate::pg::spi::Connection;
use crate::site::Site;

/// A row of the report.
#[derive(Debug, Clone, Default)]
pub struct Line {
    pub variant: String,
    pub metric: String,
    pub users: i64,
    pub shown: i64,
    pub value: Option<f64>,
    pub low: Option<f64>,
    pub high: Option<f64>,
    /// Beside the control.
    pub lift: Option<f64>,
    pub lift_low: Option<f64>,
    pub lift_high: Option<f64>,
    pub p_value: Option<f64>,
    pub sample_ratio: Option<f64>,
    pub planned: Option<i64>,
    pub verdict: Option<String>,
}

impl Line {
    /// What the users of a variant, by its place, were shown and took.
    pub fn of(experiment: &Experiment, place: usize, metric: &str, tally: &Tally) -> Line {
        let interval = tally.interval(experiment.promise_of_one());
        Line {
            variant: experiment.variants[place].name.clone(),
            metric: metric.into(),
            users: tally.users as i64,
            shown: tally.x as i64,
            value: (tally.x > 0.0).then(|| tally.rate()),
            low: interval.map(|interval| interval.low.max(0.0)),
            high: interval.map(|interval| interval.high.min(1.0)),
            ..Line::default()
        }
    }

    pub fn to_json(&self) -> Value {
        json!({
            "variant": self.variant, "metric": self.metric, "users": self.users, "shown": self.shown, "value": self.value,
            "low": self.low, "high": self.high, "lift": self.lift, "lift_low": self.lift_low, "lift_high": self.lift_high,
            "p_value": self.p_value, "sample_ratio": self.sample_ratio, "planned": self.planned, "verdict": self.verdict,
        })
    }

    fn from_json(value: &Value) -> Line {
        let text = |name: &str| value[name].as_str().map(str::to_owned);
        let number = |name: &str| value[name].as_f64();
        Line {
            variant: text("variant").unwrap_or_default(),
            metric: text("metric").unwrap_or_default(),
            users: value["users"].as_i64().unwrap_or_default(),
            shown: value["shown"].as_i64().unwrap_or_default(),
            value: number("value"),
            low: number("low"),
            high: number("high"),
            lift: number("lift"),
            lift_low: number("lift_low"),
            lift_high: number("lift_high"),
            p_value: number("p_value"),
            sample_ratio: number("sample_ratio"),
            planned: value["planned"].as_i64(),
            verdict: text("verdict"),
        }
    }
}

/// # Errors
/// 42704 where there is no such experiment.
pub fn report(connection: &Connection, name: &str) -> Outcome<(Experiment, Vec<Line>)> {
    let experiment = record::named(connection, name)?;
    let lines = of(connection, &experiment)?;
    Ok((experiment, lines))
}

/// Of one that has ended, the last report.
pub fn of(connection: &Connection, experiment: &Experiment) -> Outcome<Vec<Line>> {
    if let Some(Value::Array(lines)) = &experiment.outcome {
        return Ok(lines.iter().map(Line::from_json).collect());
    }
    match experiment.kind {
        Kind::Split => split(experiment, &count(connection, experiment)?),
        Kind::Interleaving => interleaving(experiment, &count(connection, experiment)?),
        Kind::Shadow => shadow::lines(connection, experiment),
    }
}

/// Of one user with one variant: how many items were shown, and how many of them came out well by each metric.
#[derive(Clone, Copy, Default)]
struct Count {
    shown: u32,
    good: [u32; METRICS.len()],
}

impl Count {
    fn add(&mut self, came: Came) {
        self.shown += 1;
        for (good, metric) in self.good.iter_mut().zip(METRICS) {
            *good += u32::from(metric.holds(came));
        }
    }
}

impl Metric {
    pub fn holds(self, came: Came) -> bool {
        match self {
            Metric::Ctr => came.clicked,
            Metric::Conversion => came.converted,
            Metric::Engagement => came.engaged,
            Metric::Dismissal => came.dismissed,
        }
        .is_some()
    }

    /// Whether the site says when it happens.
    pub fn is_known(self, known: Known) -> bool {
        match self {
            Metric::Ctr | Metric::Dismissal => true,
            Metric::Conversion => known.conversions,
            Metric::Engagement => known.engagements,
        }
    }

    fn place(self) -> usize {
        self as usize
    }
}

/// What was counted.
struct Counts {
    /// By variant and user.
    of: HashMap<(usize, i64), Count>,
    known: Known,
}

impl Counts {
    fn tally(&self, variant: usize, metric: Metric) -> Tally {
        let mut tally = Tally::default();
        for (_, count) in self.of.iter().filter(|((of, _), _)| *of == variant) {
            tally.add(f64::from(count.shown), f64::from(count.good[metric.place()]));
        }
        tally
    }
}

fn count(connection: &Connection, experiment: &Experiment) -> Outcome<Counts> {
    let site = Site::open(connection)?;
    let mut of: HashMap<(usize, i64), Count> = HashMap::new();
    let span = Span { since: experiment.started_at, until: session::now() as f64 + 1.0 };
    let known = outcomes::each(&site, span, |impression, came| {
        if impression.experiment.as_deref() != Some(&experiment.name) {
            return Ok(());
        }
        let shown = |name: &String| experiment.variants.iter().position(|variant| variant.name == *name);
        let Some(variant) = impression.variant.as_ref().and_then(shown) else { return Ok(()) };
        more_entries(&mut of, 1)?;
        of.entry((variant, impression.user)).or_default().add(came);
        Ok(())
    })?;
    Ok(Counts { of, known })
}

/// A variant, on the surfaces and over this many seconds, as it would have been seen so far.
const LATELY: f64 = 14.0 * 86_400.0;

/// What came of what was shown in the last two weeks; None where that is too little to plan by.
///
/// # Errors
/// 55000 where the site does not say when the metric happens.
pub fn lately(connection: &Connection, options: &Options) -> Outcome<Option<Tally>> {
    let site = Site::open(connection)?;
    let now = session::now() as f64;
    let mut of: HashMap<i64, Count> = HashMap::new();
    let is_here =
        |impression: &Impression| options.surfaces.is_empty() || options.surfaces.contains(&impression.surface);
    let known = outcomes::each(&site, Span { since: now - LATELY, until: now + 1.0 }, |impression, came| {
        if is_here(impression) {
            more_entries(&mut of, 1)?;
            of.entry(impression.user).or_default().add(came);
        }
        Ok(())
    })?;
    let mut metrics = options.guardrails.iter().map(|(metric, _)| *metric).chain([options.metric]);
    if let Some(metric) = metrics.find(|metric| !metric.is_known(known)) {
        let what = if metric == Metric::Conversion { "favourites" } else { "reviews" };
        let code = pgrx::PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE;
        let message = format!("\"{}\" cannot be measured: the site's {what} have no time", metric.name());
        return Err(Failure::new(code, message).hint("SELECT * FROM reco_sources() shows what is read from where."));
    }
    let mut tally = Tally::default();
    of.values().for_each(|count| tally.add(f64::from(count.shown), f64::from(count.good[options.metric.place()])));
    Ok(Some(tally).filter(Tally::suffices))
}

fn split(experiment: &Experiment, counts: &Counts) -> Outcome<Vec<Line>> {
    let promise = experiment.promise();
    let tallies = |metric| -> Vec<Tally> {
        (0..experiment.variants.len()).map(|variant| counts.tally(variant, metric)).collect()
    };
    let users: Vec<f64> = tallies(experiment.metric).iter().map(|tally| tally.users).collect();
    let shares: Vec<f64> = experiment.variants.iter().map(|variant| variant.share).collect();
    let ratio = sample_ratio(&users, &shares);
    let mut lines = Vec::new();
    for metric in METRICS.into_iter().filter(|metric| metric.is_known(counts.known)) {
        let tallies = tallies(metric);
        for (place, tally) in tallies.iter().enumerate() {
            let compared = if place > 0 { compare(&tallies[0], tally, promise) } else { None };
            let lift = compared.as_ref().and_then(|compared| compared.lift_interval);
            let fewest = tallies[0].users.min(tally.users);
            let verdict = (place > 0).then(|| verdict(experiment, metric, ratio, compared.as_ref(), fewest)).flatten();
            lines.push(Line {
                lift: compared.as_ref().filter(|_| tallies[0].y > 0.0).map(|compared| compared.lift),
                lift_low: lift.map(|(low, _)| low),
                lift_high: lift.map(|(_, high)| high),
                p_value: compared.as_ref().map(|compared| compared.difference.p_value),
                sample_ratio: Some(ratio),
                planned: Some(experiment.planned),
                verdict,
                ..Line::of(experiment, place, metric.name(), tally)
            });
        }
    }
    // The metric that decides comes first.
    lines.sort_by_key(|line| line.metric != experiment.metric.name());
    Ok(lines)
}

/// What a guardrail says where it ends the experiment.
pub const HARM: &str = "harm";

fn verdict(
    experiment: &Experiment,
    metric: Metric,
    ratio: f64,
    compared: Option<&Comparison>,
    fewest: f64,
) -> Option<String> {
    let guardrail = experiment.guardrails.iter().find(|(guarded, _)| *guarded == metric);
    let harms = |tolerance: f64| compared.is_some_and(|c| c.is_harm(tolerance, metric.less_is_better()));
    if guardrail.is_some_and(|(_, tolerance)| harms(*tolerance)) {
        return Some(HARM.into());
    }
    if metric == experiment.metric {
        let verdict = Verdict::of(ratio, compared, fewest, experiment.planned as f64);
        let verdict = match verdict {
            Verdict::Better if metric.less_is_better() => Verdict::Worse,
            Verdict::Worse if metric.less_is_better() => Verdict::Better,
            other => other,
        };
        return Some(verdict.name().into());
    }
    guardrail.map(|_| "no harm found".into())
}

/// One row: how many more of the users who did something prefer the second ranking than the first.
fn interleaving(experiment: &Experiment, counts: &Counts) -> Outcome<Vec<Line>> {
    let place = experiment.metric.place();
    let mut by_user: HashMap<i64, [f64; 2]> = HashMap::new();
    let mut shown = 0;
    for ((variant, user), count) in &counts.of {
        more_entries(&mut by_user, 1)?;
        by_user.entry(*user).or_default()[*variant] += f64::from(count.good[place]);
        shown += i64::from(count.shown);
    }
    let mut votes = Votes::default();
    by_user.values().for_each(|[first, second]| votes.add(*first, *second));
    let users = votes.first + votes.second + votes.ties;
    let preference = votes.preference(experiment.promise_of_one());
    let compared = preference.map(|difference| Comparison { difference, lift: 0.0, lift_interval: None });
    Ok(vec![Line {
        variant: experiment.variants[1].name.clone(),
        metric: "preference".into(),
        users: users as i64,
        shown,
        value: (users > 0.0).then(|| (votes.second - votes.first) / users),
        low: preference.map(|preference| preference.low.max(-1.0)),
        high: preference.map(|preference| preference.high.min(1.0)),
        p_value: preference.map(|preference| preference.p_value),
        planned: Some(experiment.planned),
        verdict: Some(Verdict::of(1.0, compared.as_ref(), users, experiment.planned as f64).name().into()),
        ..Line::default()
    }])
}

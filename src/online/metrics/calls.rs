//! The counters of the functions.

use super::family::{Family, Labels, Sample, counter, gauge, number};
use crate::online::counters::{self, BOUNDS, Database, Function, Latency, Source, bound};

/// Nothing where nothing can be counted.
pub fn families() -> Vec<Family> {
    let Some((database, place)) = counters::counted() else { return Vec::new() };
    let started = (vec![("place", place.name().into())], database.since() as f64);
    vec![
        counter("reco_requests_total", "Calls that have ended.", requests(database)),
        counter("reco_rows_total", "Rows that calls gave: scores, recommendations, predictions.", rows(database)),
        Family {
            name: "reco_request_duration_seconds",
            kind: "histogram",
            help: "How long calls took, without what the client waits for beside.",
            samples: durations(database),
        },
        gauge("reco_counters_start_time_seconds", "When the counting began, since 1970.", vec![started]),
    ]
}

fn labels(function: Function, source: Option<Source>) -> Labels {
    let (source, outcome) = source.map_or((Source::Nothing, "error"), |source| (source, "ok"));
    vec![("function", function.name().into()), ("source", source.name().into()), ("outcome", outcome.into())]
}

/// Each of what may answer a function, and its failures.
fn each_outcome(function: Function) -> impl Iterator<Item = (Function, Option<Source>)> {
    function.sources().iter().map(|source| Some(*source)).chain([None]).map(move |source| (function, source))
}

/// Those that never happened too: what appears with its first value has no rate until the second.
fn requests(database: &Database) -> Vec<(Labels, f64)> {
    let all = Function::ALL.into_iter().flat_map(each_outcome);
    all.map(|(function, source)| (labels(function, source), database.latency(function, source).calls() as f64))
        .collect()
}

fn rows(database: &Database) -> Vec<(Labels, f64)> {
    let all = Function::ALL.into_iter().flat_map(|function| function.sources().iter().map(move |s| (function, *s)));
    let labels = |function: Function, source: Source| {
        vec![("function", function.name().to_owned()), ("source", source.name().to_owned())]
    };
    all.map(|(function, source)| (labels(function, source), database.rows(function, source) as f64)).collect()
}

/// Of what has happened: the others would be eighteen samples each.
fn durations(database: &Database) -> Vec<Sample> {
    let all = Function::ALL.into_iter().flat_map(each_outcome);
    let met = all.map(|(function, source)| (function, source, database.latency(function, source)));
    met.filter(|(.., latency)| latency.calls() > 0)
        .flat_map(|(function, source, latency)| histogram(&labels(function, source), latency))
        .collect()
}

fn histogram(labels: &Labels, latency: &Latency) -> Vec<Sample> {
    // Read once, so that the count is the last bucket's though calls go on.
    let (counts, mut below) = (latency.counts(), 0);
    let mut samples: Vec<Sample> = counts
        .into_iter()
        .enumerate()
        .map(|(bucket, calls)| {
            below += calls;
            let least = if bucket < BOUNDS { bound(bucket) } else { f64::INFINITY };
            let mut labels = labels.clone();
            labels.push(("le", number(least)));
            Sample { suffix: "_bucket", labels, value: below as f64 }
        })
        .collect();
    samples.push(Sample { suffix: "_sum", labels: labels.clone(), value: latency.seconds() });
    samples.push(Sample { suffix: "_count", labels: labels.clone(), value: below as f64 });
    samples
}

//! A metric and its samples, and the text that Prometheus reads.

use std::fmt::Write;

/// Names and values, in the order in which they are shown.
pub type Labels = Vec<(&'static str, String)>;

/// One value.
pub struct Sample {
    /// Of a histogram `_bucket`, `_sum` or `_count`, else empty.
    pub suffix: &'static str,
    pub labels: Labels,
    pub value: f64,
}

/// All samples of one metric.
pub struct Family {
    pub name: &'static str,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    pub help: &'static str,
    pub samples: Vec<Sample>,
}

pub fn gauge(name: &'static str, help: &'static str, samples: Vec<(Labels, f64)>) -> Family {
    Family { name, kind: "gauge", help, samples: plain(samples) }
}

/// A number that only grows until the server restarts; its name ends with `_total`.
pub fn counter(name: &'static str, help: &'static str, samples: Vec<(Labels, f64)>) -> Family {
    Family { name, kind: "counter", help, samples: plain(samples) }
}

fn plain(samples: Vec<(Labels, f64)>) -> Vec<Sample> {
    samples.into_iter().map(|(labels, value)| Sample { suffix: "", labels, value }).collect()
}

/// The text exposition format, version 0.0.4.
pub fn text(families: &[Family]) -> String {
    let mut text = String::new();
    for Family { name, kind, help, samples } in families {
        // Writing to a String does not fail.
        let _ = writeln!(text, "# HELP {name} {}\n# TYPE {name} {kind}", escaped(help, false));
        for Sample { suffix, labels, value } in samples {
            let labels: Vec<String> =
                labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value, true))).collect();
            let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
            let _ = writeln!(text, "{name}{suffix}{labels} {}", number(*value));
        }
    }
    text
}

fn escaped(text: &str, quotes: bool) -> String {
    let text = text.replace('\\', "\\\\").replace('\n', "\\n");
    if quotes { text.replace('"', "\\\"") } else { text }
}

/// As Go reads it, and as an upper bound is written.
pub fn number(value: f64) -> String {
    match value {
        f64::INFINITY => "+Inf".into(),
        f64::NEG_INFINITY => "-Inf".into(),
        _ => value.to_string(),
    }
}

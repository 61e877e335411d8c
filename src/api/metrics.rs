//! `reco_metrics` and `reco_metrics_text`: what a monitor collects.

use pgrx::JsonB;
use pgrx::prelude::*;
use serde_json::{Map, Value};

use crate::failure::or_raise;
use crate::online::metrics::{self, Family, Sample};
use crate::pg::spi;

/// One row per sample.
// By hand, because `type` is a word of Rust.
#[pg_extern(sql = r#"
CREATE FUNCTION reco_metrics() RETURNS TABLE (name text, type text, help text, labels jsonb, value double precision)
STABLE LANGUAGE c AS 'MODULE_PATHNAME', '@FUNCTION_NAME@';
"#)]
#[allow(clippy::type_complexity)]
fn reco_metrics() -> TableIterator<
    'static,
    (
        name!(name, String),
        name!(kind, &'static str),
        name!(help, &'static str),
        name!(labels, JsonB),
        name!(value, f64),
    ),
> {
    let families = or_raise(spi::connect(metrics::collect));
    let rows = families.into_iter().flat_map(|family| {
        let Family { name, kind, help, samples } = family;
        samples.into_iter().map(move |Sample { suffix, labels, value }| {
            let labels: Map<String, Value> =
                labels.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
            (format!("{name}{suffix}"), kind, help, JsonB(Value::Object(labels)), value)
        })
    });
    TableIterator::new(rows)
}

/// The same in the text format that Prometheus reads.
#[pg_extern(stable)]
fn reco_metrics_text() -> String {
    metrics::text(&or_raise(spi::connect(metrics::collect)))
}

//! The active models, their trainings, and what was found when somebody looked last.

use super::family::{Family, Labels, gauge};
use crate::failure::Outcome;
use crate::online::alert::Kind;
use crate::online::signals;
use crate::pg::owner::as_owner;
use crate::pg::spi::{Connection, Row};

pub fn families(connection: &Connection) -> Outcome<Vec<Family>> {
    let mut families = active(connection)?;
    families.push(quality(connection)?);
    families.extend(trainings(connection)?);
    families.push(alerts(connection)?);
    families.extend(checked(connection)?);
    Ok(families)
}

/// The samples that a query gives: labels first, then the value.
fn samples(connection: &Connection, names: &[&'static str], sql: &str) -> Outcome<Vec<(Labels, f64)>> {
    as_owner(|| {
        let rows = connection.read(sql, &[])?;
        rows.iter().map(|mut row| Ok((labels(names, &mut row)?, row.take()?.unwrap_or(f64::NAN)))).collect()
    })
}

fn labels(names: &[&'static str], row: &mut Row<'_>) -> Outcome<Labels> {
    names.iter().map(|name| Ok((*name, row.take::<String>()?.unwrap_or_default()))).collect()
}

/// The model that is served under each name.
const ACTIVE: &str = "
    (SELECT DISTINCT ON (a.model_name) a.model_name, a.version, a.activated_at FROM reco.activation a
     WHERE a.rolled_back_at IS NULL ORDER BY a.model_name, a.id DESC) a
    JOIN reco.model m ON m.version OPERATOR(pg_catalog.=) a.version";

/// Name, help, and the value as an expression.
const OF_A_MODEL: [(&str, &str, &str); 8] = [
    ("reco_model_version", "The model that is served.", "m.version"),
    (
        "reco_model_age_seconds",
        "Time since the model that is served was trained.",
        "pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) m.created_at)",
    ),
    (
        "reco_model_activated_timestamp_seconds",
        "When the model that is served was activated, since 1970.",
        "pg_catalog.date_part('epoch', a.activated_at)",
    ),
    ("reco_model_size_bytes", "Stored bytes of the model that is served.", "m.bytes"),
    ("reco_model_training_seconds", "How long the training of the model that is served took.", "m.seconds"),
    ("reco_model_users", "Users that the model that is served was trained on.", "m.users"),
    ("reco_model_items", "Items that the model that is served was trained on.", "m.items"),
    ("reco_model_interactions", "Interactions that the model that is served was trained on.", "m.interactions"),
];

fn active(connection: &Connection) -> Outcome<Vec<Family>> {
    let values: Vec<String> = OF_A_MODEL.iter().map(|(.., value)| format!("({value})::pg_catalog.float8")).collect();
    let sql = format!("SELECT a.model_name, {} FROM {ACTIVE}", values.join(", "));
    as_owner(|| {
        let mut all: Vec<Vec<(Labels, f64)>> = vec![Vec::new(); OF_A_MODEL.len()];
        for mut row in connection.read(&sql, &[])?.iter() {
            let labels = labels(&["model"], &mut row)?;
            for samples in &mut all {
                samples.push((labels.clone(), row.take()?.unwrap_or(f64::NAN)));
            }
        }
        Ok(OF_A_MODEL.iter().zip(all).map(|((name, help, _), samples)| gauge(name, help, samples)).collect())
    })
}

fn quality(connection: &Connection) -> Outcome<Family> {
    let sql = format!(
        "SELECT a.model_name, t.part, v.metric, v.value::pg_catalog.float8 FROM {ACTIVE}
         JOIN reco.metric t ON t.model_version OPERATOR(pg_catalog.=) a.version AND t.k OPERATOR(pg_catalog.=) 10
         CROSS JOIN LATERAL (VALUES ('ndcg_at_10'::pg_catalog.text, t.ndcg), ('precision_at_10', t.precision),
             ('recall_at_10', t.recall), ('map_at_10', t.map)) AS v (metric, value)
         ORDER BY 1, 2, 3"
    );
    let samples = samples(connection, &["model", "part", "metric"], &sql)?;
    Ok(gauge("reco_model_quality_ratio", "Ranking metrics of the model that is served, on its hold-out.", samples))
}

fn trainings(connection: &Connection) -> Outcome<[Family; 2]> {
    let runs = samples(
        connection,
        &["model", "outcome"],
        "SELECT model_name, outcome, pg_catalog.count(*)::pg_catalog.float8 FROM reco.run GROUP BY 1, 2 ORDER BY 1, 2",
    )?;
    let latest = samples(
        connection,
        &["model"],
        "SELECT model_name, pg_catalog.max(pg_catalog.date_part('epoch', ended_at)) FROM reco.run
         WHERE outcome OPERATOR(pg_catalog.=) ANY ('{trained,kept,skipped}'::pg_catalog.text[]) GROUP BY 1 ORDER BY 1",
    )?;
    Ok([
        gauge("reco_training_runs", "Trainings in the journal, which keeps the latest thousand.", runs),
        gauge(
            "reco_training_success_timestamp_seconds",
            "When a training last ended with a model, or had nothing to do, since 1970.",
            latest,
        ),
    ])
}

fn alerts(connection: &Connection) -> Outcome<Family> {
    let kinds: Vec<String> = Kind::ALL.iter().map(|kind| format!("('{}'::pg_catalog.text)", kind.name())).collect();
    let sql = format!(
        "SELECT m.name, k.kind, pg_catalog.count(a.raised_at)::pg_catalog.float8
         FROM (SELECT model_name FROM reco.activation UNION SELECT model_name FROM reco.alert) m (name)
         CROSS JOIN (VALUES {}) k (kind)
         LEFT JOIN reco.alert a ON a.model_name OPERATOR(pg_catalog.=) m.name AND a.kind OPERATOR(pg_catalog.=) k.kind
             AND a.closed_at IS NULL
         GROUP BY 1, 2 ORDER BY 1, 2",
        kinds.join(", ")
    );
    let samples = samples(connection, &["model", "kind"], &sql)?;
    Ok(gauge("reco_alerts_open", "Alerts that are open.", samples))
}

/// Figure of the check, name and help.
const OF_A_CHECK: [(&str, &str, &str); 4] = [
    ("stale_interactions", "reco_data_stale_ratio", "Share of the interactions that are newer than the model."),
    (
        "unknown_items",
        "reco_data_unknown_items_ratio",
        "Share of the newer interactions whose item the model does not know.",
    ),
    (
        "unknown_users",
        "reco_data_unknown_users_ratio",
        "Share of the users of the newer interactions whom the model does not know.",
    ),
    ("catalogue_coverage", "reco_data_coverage_ratio", "Share of the catalogue that the model knows."),
];

fn checked(connection: &Connection) -> Outcome<Vec<Family>> {
    let signals = signals::kept(connection)?;
    let of = |model: &String| vec![("model", model.clone())];
    let mut families: Vec<Family> = OF_A_CHECK
        .iter()
        .map(|(figure, name, help)| {
            let kept = signals.iter().filter(|signal| signal.name == *figure);
            gauge(name, help, kept.map(|signal| (of(&signal.model), signal.value)).collect())
        })
        .collect();
    let mut ages: Vec<(Labels, f64)> = Vec::new();
    for signal in &signals {
        match ages.iter_mut().find(|(labels, _)| *labels == of(&signal.model)) {
            Some((_, age)) => *age = age.min(signal.age),
            None => ages.push((of(&signal.model), signal.age)),
        }
    }
    let help = "Time since the figures of reco_data_* were measured, by reco_check or reco_nightly.";
    families.push(gauge("reco_data_checked_age_seconds", help, ages));
    Ok(families)
}

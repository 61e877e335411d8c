//! What ends an experiment, or makes it worth a look, without anybody asking: guardrails and the sample ratio.

use reco_models::MISMATCH;
use serde_json::json;

use super::record::{self, Experiment};
use super::report::{self, HARM, Line};
use crate::failure::Outcome;
use crate::online::alert::{Finding, Kind};
use crate::pg::session::{self, session_user};
use crate::pg::spi::Connection;
use crate::settings;
use crate::store;

/// Days before what an experiment was begun with expires, on which somebody may still raise the setting.
const DAYS_AHEAD: f64 = 7.0;

/// What is to be told of an experiment that outlives what it is counted from. How long that is kept is for the site to say, and an
/// experiment does not keep it longer.
pub fn outlives(experiment: &Experiment) -> Option<String> {
    let days = |seconds: f64| seconds / 86_400.0;
    let kept = days(settings::keep_impressions() as f64);
    let runs = days(session::now() as f64 - experiment.started_at);
    (experiment.is_running && runs > kept - DAYS_AHEAD.min(kept / 2.0)).then(|| {
        format!(
            "the experiment \"{}\" has run for {runs:.0} days, and reco.keep_impressions keeps {kept:.0} days of what was shown: what \
             has expired is not counted. End the experiment, or raise the setting",
            experiment.name
        )
    })
}

/// Of all that run under the name that `reco.model` sets.
pub fn outliving(connection: &Connection) -> Outcome<Vec<String>> {
    Ok(record::running(connection)?.iter().filter_map(outlives).collect())
}

/// Looks at all experiments that run under the name that `reco.model` sets, and ends those that do harm.
pub fn check(connection: &Connection) -> Outcome<Vec<Finding>> {
    let mut findings = Vec::new();
    for experiment in record::running(connection)? {
        session::pause();
        let lines = report::of(connection, &experiment)?;
        findings.extend(judge(connection, &experiment, &lines)?);
    }
    Ok(findings)
}

/// Of one experiment whose report was just made. A sample ratio means that nothing which it reports means anything; where a
/// guardrail says so, it is ended.
pub fn judge(connection: &Connection, experiment: &Experiment, lines: &[Line]) -> Outcome<Vec<Finding>> {
    let mut findings = Vec::new();
    if !experiment.is_running {
        return Ok(findings);
    }
    let finding = |kind, message| Finding { kind, subject: experiment.name.clone(), message, detail: json!({}) };
    if let Some(ratio) = lines.iter().find_map(|line| line.sample_ratio).filter(|ratio| *ratio < MISMATCH) {
        let text = format!(
            "users did not fall on the variants of the experiment \"{}\" as they should have (p = {ratio:.2e})",
            experiment.name
        );
        findings.push(finding(Kind::SampleRatio, text));
    }
    if let Some(line) = lines.iter().find(|line| line.verdict.as_deref() == Some(HARM)) {
        let text = format!(
            "the variant \"{}\" changes {} by {:.1} % (at most {:.1} %, at least {:.1} %)",
            line.variant,
            line.metric,
            100.0 * line.lift.unwrap_or_default(),
            100.0 * line.lift_high.unwrap_or_default(),
            100.0 * line.lift_low.unwrap_or_default(),
        );
        // On a subscriber and a standby it only tells: its publisher, or primary, ends it.
        if session::may_write() && store::refuse_on_subscriber(connection, "experiment").is_ok() {
            record::end(connection, experiment, lines, &session_user(), &format!("guardrail: {text}"))?;
            findings
                .push(finding(Kind::Guardrail, format!("the experiment \"{}\" was ended: {text}", experiment.name)));
        } else {
            findings
                .push(finding(Kind::Guardrail, format!("the experiment \"{}\" does harm: {text}", experiment.name)));
        }
    }
    Ok(findings)
}

//! What serves a user: asked for each page.

use reco_models::draft_seed;

use super::options::Kind;
use super::variant::{self, Variant};
use crate::failure::Outcome;
use crate::pg::owner::as_owner;
use crate::pg::session::now;
use crate::pg::spi::{Connection, arg};
use crate::settings;

/// How a page is answered, and who else is asked.
#[derive(Debug, Default)]
pub struct Assignment {
    pub answer: Answer,
    pub shadow: Option<Shadowing>,
}

/// How a page is answered.
#[derive(Debug, Default)]
pub enum Answer {
    /// As without experiments.
    #[default]
    Ordinary,
    /// As the experiment that was promoted last says.
    Promoted(Variant),
    /// By the variant of the user.
    Split { experiment: String, variant: Variant },
    /// By both.
    Interleaved { experiment: String, first: Box<Variant>, second: Box<Variant>, seed: u64 },
}

/// Who is asked without being shown.
#[derive(Debug)]
pub struct Shadowing {
    pub experiment: String,
    pub challenger: Variant,
}

/// What applies to a user on a surface. Without experiments it is one look-up; it writes nothing. With `reco.enabled` off
/// nobody takes part: the rules answer all.
pub fn assign(connection: &Connection, user: i64, surface: &str) -> Outcome<Assignment> {
    let mut assignment = Assignment::default();
    if !settings::enabled() {
        return Ok(assignment);
    }
    for found in applying(connection, surface)? {
        let Found { name, kind, promoted, .. } = &found;
        if let Some(promoted) = promoted {
            let variant = found.variants()?.into_iter().find(|variant| variant.name == *promoted);
            // Latest first, and what runs comes before.
            if let (Answer::Ordinary, Some(variant)) = (&assignment.answer, variant.filter(|v| !v.is_plain())) {
                // The version was activated, and may have been followed by others.
                let answerer = crate::site::Answerer { version: None, ..variant.answerer };
                assignment.answer = Answer::Promoted(Variant { answerer, ..variant });
            }
            break;
        }
        let mut variants = found.variants()?;
        let Some(place) = found.place(&variants, user) else { continue };
        let experiment = name.clone();
        match kind {
            Kind::Split => assignment.answer = Answer::Split { experiment, variant: variants.swap_remove(place) },
            Kind::Interleaving => {
                let seed = draft_seed(&found.salt, user, now().div_euclid(86_400));
                let mut two = variants.into_iter().map(Box::new);
                if let (Some(first), Some(second)) = (two.next(), two.next()) {
                    assignment.answer = Answer::Interleaved { experiment, first, second, seed };
                }
            }
            Kind::Shadow => {
                assignment.shadow = variants.pop().map(|challenger| Shadowing { experiment, challenger });
            }
        }
    }
    Ok(assignment)
}

/// An experiment as it is stored, as far as serving needs it.
struct Found {
    name: String,
    kind: Kind,
    variants: serde_json::Value,
    salt: String,
    share: f64,
    promoted: Option<String>,
}

impl Found {
    fn variants(&self) -> Outcome<Vec<Variant>> {
        variant::parse(&self.variants)
    }

    /// The variant of a user, by its place; None for one who does not take part.
    fn place(&self, variants: &[Variant], user: i64) -> Option<usize> {
        let shares: Vec<f64> = variants.iter().map(|variant| variant.share).collect();
        reco_models::assign(&self.salt, self.share, &shares, user)
    }
}

const COLUMNS: &str = "name, kind, variants, salt, share, promoted";

/// What runs on a surface, then the one that was promoted last.
fn applying(connection: &Connection, surface: &str) -> Outcome<Vec<Found>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM reco.experiment
         WHERE model_name OPERATOR(pg_catalog.=) $1
           AND (stopped_at IS NULL OR promoted IS NOT NULL)
           AND (surfaces OPERATOR(pg_catalog.=) '{{}}'::pg_catalog.text[] OR $2 OPERATOR(pg_catalog.=) ANY (surfaces))
         ORDER BY stopped_at DESC NULLS FIRST LIMIT 3"
    );
    found(connection, &sql, &[arg(settings::model_name()), arg(surface.to_owned())])
}

fn found(connection: &Connection, sql: &str, args: &[crate::pg::spi::Arg]) -> Outcome<Vec<Found>> {
    as_owner(|| {
        let rows = connection.read(sql, args)?;
        let mut all = Vec::with_capacity(rows.len());
        for mut row in rows.iter() {
            let (name, kind, variants): (Option<String>, Option<String>, Option<pgrx::JsonB>) =
                (row.take()?, row.take()?, row.take()?);
            let (salt, share, promoted) = (row.take()?, row.take()?, row.take()?);
            let kind = kind.as_deref().and_then(Kind::from_name);
            if let (Some(name), Some(kind), Some(variants), Some(salt), Some(share)) =
                (name, kind, variants, salt, share)
            {
                all.push(Found { name, kind, variants: variants.0, salt, share, promoted });
            }
        }
        Ok(all)
    })
}

/// The variant of a user in an experiment that runs; None where there is no such experiment, and for a user who does not take
/// part.
pub fn variant_of(connection: &Connection, experiment: &str, user: i64) -> Outcome<Option<String>> {
    let sql =
        format!("SELECT {COLUMNS} FROM reco.experiment WHERE name OPERATOR(pg_catalog.=) $1 AND stopped_at IS NULL");
    for found in found(connection, &sql, &[arg(experiment.to_owned())])? {
        let mut variants = found.variants()?;
        if let Some(place) = found.place(&variants, user).filter(|_| found.kind == Kind::Split) {
            return Ok(Some(variants.swap_remove(place).name));
        }
    }
    Ok(None)
}

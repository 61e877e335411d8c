//! Explanations: a score as contributions that sum to it.
//!
//! The raw score of each part is a sum: of what each liked item adds (both collaborative models are linear in them), of
//! the mean of the forest and the Shapley values of the features, of the four terms of popularity. Calibration maps the
//! sum by a function that is monotone but not linear, so that what a term adds to the calibrated part has to be defined:
//! see [`spread`].

use crate::error::Result;
use crate::model::calibration::Calibration;
use crate::model::ensemble::{COLLABORATIVE, CONTENT_BASED};
use crate::model::model::Model;
use crate::model::score::{Scored, Target};
use crate::model::uncalibrated::User;
use crate::parts::popularity;

/// Where a contribution comes from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Evidence {
    /// The part's value without any of its evidence.
    Base,
    /// A liked item, by its index in the model.
    Liked(u32),
    /// A feature or a term of popularity with its value; None where the value is not known.
    Named(&'static str, Option<f32>),
    /// The part has no evidence about the item.
    Unknown,
}

/// A summand of a score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Term {
    /// Place of the part in [`crate::PART_NAMES`].
    pub part: usize,
    pub evidence: Evidence,
    /// What it adds to the score, −1 to 1.
    pub contribution: f64,
}

impl Model {
    /// The score of one item and the terms that sum to it: part by part, the base first, the others by falling size.
    ///
    /// # Errors
    /// [`crate::Error::NotFinite`] where the user's system cannot be solved.
    ///
    /// ```
    /// use reco_models::Target;
    ///
    /// # let trained: reco_models::Trained = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/common/trained.rs"));
    /// # let model = trained.model;
    /// # let user = model.user(trained.data.events.row(0), reco_models::NONE, None)?;
    /// let (scored, terms) = model.explain(&user, &Target::Known(3))?;
    /// let sum: f64 = terms.iter().map(|term| term.contribution).sum();
    /// assert!((sum - f64::from(scored.score)).abs() < 1e-6);
    /// # Ok::<(), reco_models::Error>(())
    /// ```
    pub fn explain(&self, user: &User<'_>, target: &Target) -> Result<(Scored, Vec<Term>)> {
        let scored = self.score_one(user, target);
        let shares = self.weights().shares(&scored.parts);
        let mut terms = Vec::new();
        for (part, value) in scored.parts.as_array().into_iter().enumerate() {
            let Some(value) = value else { continue };
            let (base, evidence) = match part {
                COLLABORATIVE => (0.0, self.liked(user, target)?),
                CONTENT_BASED => self.features_of(user, target),
                _ => (0.0, self.popularity_of(target)),
            };
            let raw: Vec<f64> = evidence.iter().map(|(_, raw)| *raw).collect();
            let (base, added) = match raw.is_empty() {
                true => (f64::from(value), Vec::new()),
                false => spread(&self.calibrations()[part], base, &raw, f64::from(value)),
            };
            let evidence: Vec<Evidence> = evidence.into_iter().map(|(evidence, _)| evidence).collect();
            terms.append(&mut part_terms(part, shares[part], base, &evidence, &added));
        }
        Ok((scored, terms))
    }

    fn score_one(&self, user: &User<'_>, target: &Target) -> Scored {
        // One target, one element.
        self.score(user, std::slice::from_ref(target))[0]
    }

    fn liked(&self, user: &User<'_>, target: &Target) -> Result<Vec<(Evidence, f64)>> {
        let Target::Known(item) = *target else { return Ok(Vec::new()) };
        let contributions = self.collaborative_part().contributions(user.likes(), usize::MAX)?.of(item)?;
        Ok(contributions.iter().map(|c| (Evidence::Liked(c.item), c.whole())).collect())
    }

    /// The mean of the forest, and what each feature adds to a raw score.
    fn features_of(&self, user: &User<'_>, target: &Target) -> (f64, Vec<(Evidence, f64)>) {
        let Some((values, attribution)) = self.attribute(user, std::slice::from_ref(target)).remove(0) else {
            return (0.0, Vec::new());
        };
        let layout = self.encoder().layout();
        let value = |i: usize| if layout.age_is_unknown(i, values[i]) { None } else { Some(values[i]) };
        let named = layout.names().enumerate().map(|(i, name)| Evidence::Named(name, value(i)));
        (attribution.mean, named.zip(attribution.by_feature).collect())
    }

    fn popularity_of(&self, target: &Target) -> Vec<(Evidence, f64)> {
        let Target::Known(item) = *target else { return Vec::new() };
        let (items, i) = (self.items(), item as usize);
        let terms = self.popularity_terms(item);
        let shown = [items.ratings[i] as f32, 5.0 * terms[1], items.favorites[i] as f32, terms[3]];
        let evidence = popularity::TERM_NAMES.iter().zip(shown).map(|(name, v)| Evidence::Named(name, Some(v)));
        let weighted = terms.iter().zip(popularity::TERM_WEIGHTS).map(|(t, w)| f64::from(t * w));
        evidence.zip(weighted).collect()
    }
}

/// The terms of one part of the given weight: its base, then the evidence by falling size of what it adds to the part.
fn part_terms(part: usize, weight: f64, base: f64, evidence: &[Evidence], added: &[f64]) -> Vec<Term> {
    let term = |(evidence, added): (&Evidence, &f64)| Term { part, evidence: *evidence, contribution: weight * added };
    let mut terms: Vec<Term> = evidence.iter().zip(added).map(term).collect();
    terms.retain(|term| term.contribution != 0.0);
    terms.sort_by(|a, b| b.contribution.abs().total_cmp(&a.contribution.abs()));
    // A part whose terms are all 0 keeps its base of 0, so that every part of a score is explained.
    if base != 0.0 || terms.is_empty() {
        let base_evidence = if evidence.is_empty() { Evidence::Unknown } else { Evidence::Base };
        terms.insert(0, Term { part, evidence: base_evidence, contribution: weight * base });
    }
    terms
}

/// What each raw term adds to a calibrated part, and what is left as the base. Together they sum to `value`, the calibrated
/// part.
///
/// The base is the calibrated raw base. Terms of one sign share what they add together in proportion to their size, as
/// the rule of Aumann and Shapley (1974) has it for a function of a sum. Over both signs that rule would divide by a sum
/// that may be near zero. The positive and the negative terms are therefore two players, and what each adds is its Shapley
/// value, as in the value of Owen (1977) for unions of players. No term then gets the wrong sign, or more than the whole
/// scale.
fn spread(calibration: &Calibration, base: f64, terms: &[f64], value: f64) -> (f64, Vec<f64>) {
    let at = |raw: f64| f64::from(calibration.apply(raw as f32));
    let sum = |keep: fn(&f64) -> bool| terms.iter().copied().filter(keep).sum::<f64>();
    let (pros, cons) = (sum(|t| *t > 0.0), sum(|t| *t < 0.0));
    let start = at(base);
    let gain = value - start;
    let up = match (pros > 0.0, cons < 0.0) {
        // The maxima only correct rounding errors.
        (true, true) => (0.5 * (at(base + pros) - start + value - at(base + cons))).max(gain).max(0.0),
        (true, false) => gain,
        (false, _) => 0.0,
    };
    let down = if cons < 0.0 { gain - up } else { 0.0 };
    let share = |term: &f64| match *term {
        t if t > 0.0 => up * t / pros,
        t if t < 0.0 => down * t / cons,
        _ => 0.0,
    };
    (value - up - down, terms.iter().map(share).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(calibration: &Calibration, base: f64, terms: &[f64]) -> Vec<f64> {
        let raw = (base + terms.iter().sum::<f64>()) as f32;
        let value = f64::from(calibration.apply(raw));
        let (rest, shares) = spread(calibration, base, terms, value);
        let sum = rest + shares.iter().sum::<f64>();
        assert!((sum - value).abs() < 1e-12, "{sum} {value}");
        for (share, term) in shares.iter().zip(terms) {
            assert!(share * term >= 0.0 && share.abs() <= 1.0 + 1e-12, "{term} became {share}");
        }
        shares
    }

    #[test]
    fn signs_are_kept_and_sums_are_exact() {
        let ramp = Calibration::fit((0..1000).map(|i| i as f32 / 100.0 - 3.0).collect(), 1000);
        // Nine in ten scores are 0: there the calibrated score jumps.
        let jump = Calibration::fit((0..1000).map(|i| if i < 900 { 0.0 } else { i as f32 / 100.0 }).collect(), 1000);
        for calibration in [ramp, jump] {
            for base in [0.0, -2.0, 1.5] {
                let cases: [&[f64]; 6] =
                    [&[], &[0.0], &[0.5, 1.0], &[-0.5, -1e-9], &[3.0, -2.999_999_99, 0.0], &[0.4, -3.0, 0.4]];
                for terms in cases {
                    check(&calibration, base, terms);
                }
            }
        }
    }

    #[test]
    fn terms_of_one_sign_share_in_proportion() {
        let ramp = Calibration::fit((0..1000).map(|i| i as f32 / 100.0).collect(), 1000);
        let shares = check(&ramp, 1.0, &[1.0, 2.0, 4.0]);
        assert!((shares[1] - 2.0 * shares[0]).abs() < 1e-12 && (shares[2] - 4.0 * shares[0]).abs() < 1e-12);
    }
}

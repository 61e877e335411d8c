//! Why a score is what it is, in contributions that sum to it.
//!
//! Each part's raw score is a sum: of what the liked items add (both collaborative models are linear in them), of the
//! Shapley values of the features over the forest's mean, of the four terms of popularity. Calibration then maps the
//! sum by a monotone, nowhere linear function, so that what the terms add to the calibrated part has to be defined;
//! [`spread`] does it.

use crate::error::Result;
use crate::model::calibration::Calibration;
use crate::model::ensemble::{COLLABORATIVE, CONTENT_BASED};
use crate::model::model::Model;
use crate::model::score::{Scored, Target};
use crate::model::uncalibrated::User;
use crate::parts::content::{FEATURE_NAMES, age_is_unknown};
use crate::parts::popularity;

/// What a contribution comes from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Evidence {
    /// What the part says where none of its evidence speaks.
    Base,
    /// A liked item, by its index in the model.
    Liked(u32),
    /// A named quantity as the part sees it; None where it is not known.
    Named(&'static str, Option<f32>),
    /// The part knows nothing of the item.
    Unknown,
}

/// A part of a score: to be summed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Term {
    /// Which of [`crate::PART_NAMES`].
    pub part: usize,
    pub evidence: Evidence,
    pub contribution: f64,
}

impl Model {
    /// The score of one item and the terms that sum to it: part by part, the base first, then by size.
    pub fn explain(&self, user: &User<'_>, target: Target) -> Result<(Scored, Vec<Term>)> {
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
            let weight = shares[part];
            let (base, spread) = if evidence.is_empty() {
                (f64::from(value), Vec::new())
            } else {
                let raw: Vec<f64> = evidence.iter().map(|(_, raw)| *raw).collect();
                spread(&self.calibrations()[part], base, &raw, f64::from(value))
            };
            let named = evidence.iter().map(|(evidence, _)| *evidence).zip(spread);
            let mut rows: Vec<Term> = named
                .map(|(evidence, contribution)| Term { part, evidence, contribution: weight * contribution })
                .filter(|term| term.contribution != 0.0)
                .collect();
            rows.sort_by(|a, b| b.contribution.abs().total_cmp(&a.contribution.abs()));
            // Nothing counted is worth a row, so that no item is left without an explanation.
            if base != 0.0 || rows.is_empty() {
                let evidence = if evidence.is_empty() { Evidence::Unknown } else { Evidence::Base };
                terms.push(Term { part, evidence, contribution: weight * base });
            }
            terms.append(&mut rows);
        }
        Ok((scored, terms))
    }

    fn score_one(&self, user: &User<'_>, target: Target) -> Scored {
        // One target, one element.
        self.score(user, &[target])[0]
    }

    fn liked(&self, user: &User<'_>, target: Target) -> Result<Vec<(Evidence, f64)>> {
        let Target::Known(item) = target else { return Ok(Vec::new()) };
        let contributions = self.collaborative_part().contributions(user.likes(), &[item])?;
        Ok(contributions.iter().flatten().map(|c| (Evidence::Liked(c.item), c.whole())).collect())
    }

    /// The mean of the forest, and what each feature adds.
    fn features_of(&self, user: &User<'_>, target: Target) -> (f64, Vec<(Evidence, f64)>) {
        let Some((values, attribution)) = self.attribute(user, &[target]).remove(0) else { return (0.0, Vec::new()) };
        let value = |i: usize| if age_is_unknown(i, values[i]) { None } else { Some(values[i]) };
        let named = FEATURE_NAMES.iter().enumerate().map(|(i, name)| Evidence::Named(name, value(i)));
        (attribution.mean, named.zip(attribution.by_feature).collect())
    }

    fn popularity_of(&self, target: Target) -> Vec<(Evidence, f64)> {
        let Target::Known(item) = target else { return Vec::new() };
        let (items, i) = (self.items(), item as usize);
        let terms = self.popularity_terms(item);
        let shown = [items.ratings[i] as f32, 5.0 * terms[1], items.favorites[i] as f32, terms[3]];
        let evidence = popularity::TERM_NAMES.iter().zip(shown).map(|(name, v)| Evidence::Named(name, Some(v)));
        let weighted = terms.iter().zip(popularity::TERM_WEIGHTS).map(|(t, w)| f64::from(t * w));
        evidence.zip(weighted).collect()
    }
}

/// What each raw term adds to a calibrated part, and what is left as the base; together exactly `value`.
///
/// The base is the calibrated raw base. Terms of one sign share what they add together in proportion: along the
/// straight line from nothing to all of them, a function of their sum alone gives to each the slope times the term
/// (Aumann and Shapley, 1974). Across the signs that rule breaks down, for a sum near zero may stand on a steep place
/// and be divided by; so those for and those against are two players whose Shapley value is taken (as in Owen's value
/// for unions, 1977). No term then gets the wrong sign, or more than the whole scale.
fn spread(calibration: &Calibration, base: f64, terms: &[f64], value: f64) -> (f64, Vec<f64>) {
    let at = |raw: f64| f64::from(calibration.apply(raw as f32));
    let sum = |keep: fn(&f64) -> bool| terms.iter().copied().filter(keep).sum::<f64>();
    let (pros, cons) = (sum(|t| *t > 0.0), sum(|t| *t < 0.0));
    let start = at(base);
    let gain = value - start;
    let up = match (pros > 0.0, cons < 0.0) {
        // The maximum only ever undoes the rounding of a raw score.
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
        // Nine in ten are tied at nothing: there the scale jumps.
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
    fn like_terms_share_in_proportion() {
        let ramp = Calibration::fit((0..1000).map(|i| i as f32 / 100.0).collect(), 1000);
        let shares = check(&ramp, 1.0, &[1.0, 2.0, 4.0]);
        assert!((shares[1] - 2.0 * shares[0]).abs() < 1e-12 && (shares[2] - 4.0 * shares[0]).abs() < 1e-12);
    }
}

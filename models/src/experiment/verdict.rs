//! What an experiment says of a variant.

use crate::experiment::confidence::{Comparison, FEWEST};
use crate::experiment::ratio::MISMATCH;

/// What may be said of a variant beside the control, at any look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Users did not fall on the variants as they should have: no figure means anything.
    Mismatch,
    /// Fewer users than an interval needs, or nothing came of anything yet.
    TooEarly,
    Better,
    Worse,
    /// As many users as were planned, and still no difference: it is smaller than what was looked for.
    NoDifference,
    /// No difference yet, and fewer users than were planned.
    Undecided,
}

impl Verdict {
    /// As the report has it.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Mismatch => "sample ratio mismatch",
            Verdict::TooEarly => "too early",
            Verdict::Better => "better",
            Verdict::Worse => "worse",
            Verdict::NoDifference => "no difference",
            Verdict::Undecided => "undecided",
        }
    }

    /// `sample_ratio` is the p-value of the counts, `users` those of the smaller of both, and `planned` how many of each there
    /// should be.
    pub fn of(sample_ratio: f64, comparison: Option<&Comparison>, users: f64, planned: f64) -> Verdict {
        match comparison.map(|comparison| comparison.difference) {
            _ if sample_ratio < MISMATCH => Verdict::Mismatch,
            None if users < FEWEST.max(planned) => Verdict::TooEarly,
            // Nothing came of anything for so many users.
            None => Verdict::NoDifference,
            Some(difference) if difference.low > 0.0 => Verdict::Better,
            Some(difference) if difference.high < 0.0 => Verdict::Worse,
            Some(_) if users >= planned => Verdict::NoDifference,
            Some(_) => Verdict::Undecided,
        }
    }
}

impl Comparison {
    /// Whether the metric is surely worse than that of the control, by more than a relative `tolerance` (0.05: 5 %). Of some
    /// metrics less is better.
    pub fn is_harm(&self, tolerance: f64, less_is_better: bool) -> bool {
        self.lift_interval.is_some_and(|(low, high)| if less_is_better { low > tolerance } else { high < -tolerance })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::confidence::Interval;

    fn comparison(low: f64, high: f64) -> Comparison {
        let difference = Interval { estimate: (low + high) / 2.0, low, high, p_value: 0.5 };
        Comparison { difference, lift: 10.0 * difference.estimate, lift_interval: Some((10.0 * low, 10.0 * high)) }
    }

    #[test]
    fn a_verdict_follows_from_the_interval_and_the_number_of_users() {
        let verdict = |low, high, users| Verdict::of(0.4, Some(&comparison(low, high)), users, 1000.0);
        assert_eq!(verdict(0.01, 0.03, 200.0), Verdict::Better);
        assert_eq!(verdict(-0.03, -0.01, 200.0), Verdict::Worse);
        assert_eq!(verdict(-0.03, 0.01, 200.0), Verdict::Undecided);
        assert_eq!(verdict(-0.03, 0.01, 1000.0), Verdict::NoDifference);
        assert_eq!(Verdict::of(0.4, None, 999.0, 1000.0), Verdict::TooEarly);
        assert_eq!(Verdict::of(0.4, None, 2000.0, 1000.0), Verdict::NoDifference);
        assert_eq!(Verdict::of(0.0001, Some(&comparison(0.01, 0.03)), 5000.0, 1000.0), Verdict::Mismatch);
    }

    #[test]
    fn harm_is_what_is_surely_worse_than_is_tolerated() {
        assert!(comparison(-0.03, -0.01).is_harm(0.05, false) && !comparison(-0.03, -0.01).is_harm(0.15, false));
        assert!(!comparison(-0.03, 0.01).is_harm(0.0, false) && !comparison(0.01, 0.03).is_harm(0.0, false));
        assert!(comparison(0.01, 0.03).is_harm(0.05, true) && !comparison(-0.03, -0.01).is_harm(0.0, true));
    }
}

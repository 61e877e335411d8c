//! How many users an experiment needs.

use libm::erfc;

use crate::error::{Error, Result};
use crate::experiment::confidence::tightest;

/// What is asked of an experiment: that it finds a difference, if there is one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plan {
    /// The relative gain over the control that must be found: 0.1 is 10 %. Negative for a loss.
    pub lift: f64,
    /// How probable it is that a gain of that size is found, up to the planned number of users.
    pub power: f64,
    /// How probable it may be, over all looks, that a difference is found where there is none.
    pub alpha: f64,
}

impl Plan {
    /// # Errors
    /// [`Error::Option`] where a number is out of its range.
    pub fn check(&self) -> Result<()> {
        let wrong = |name: &str, value: f64, expected: &str| {
            Err(Error::Option { name: name.into(), value: value.to_string(), expected: expected.into() })
        };
        match *self {
            Plan { lift, .. } if !(lift.abs() >= 0.001 && (-1.0..=10.0).contains(&lift)) => {
                wrong("lift", lift, "between -1 and 10, and at least 0.001 from 0")
            }
            Plan { power, .. } if !(0.5..=0.99).contains(&power) => wrong("power", power, "between 0.5 and 0.99"),
            Plan { alpha, .. } if !(0.0001..=0.2).contains(&alpha) => wrong("alpha", alpha, "between 0.0001 and 0.2"),
            _ => Ok(()),
        }
    }

    /// Users per variant where each is one observation that comes out well with the probability `baseline` in the control.
    /// Users who are observed several times are worth more: see [`Plan::users`].
    ///
    /// # Errors
    /// [`Error::Option`] where a number is out of its range.
    ///
    /// ```
    /// use reco_models::Plan;
    ///
    /// let plan = Plan { lift: 0.1, power: 0.8, alpha: 0.05 };
    /// // Twice the 18 900 of a test that may be looked at once.
    /// assert_eq!(plan.users_of_share(0.08)?, 36_131);
    /// # Ok::<(), reco_models::Error>(())
    /// ```
    pub fn users_of_share(&self, baseline: f64) -> Result<u64> {
        let gained = baseline * (1.0 + self.lift);
        if !(baseline > 0.0 && baseline < 1.0 && gained < 1.0) {
            let expected = format!("above 0 and below 1, also with a lift of {}", self.lift);
            return Err(Error::Option { name: "baseline".into(), value: baseline.to_string(), expected });
        }
        self.users(baseline, baseline * (1.0 - baseline) + gained * (1.0 - gained))
    }

    /// Users per variant, given the rate of the control and the sum of the variances of what one user of each variant
    /// contributes to its rate: [`crate::Tally::variance`].
    ///
    /// The interval is as narrow as it gets at the planned number of users, where its end is `z` standard errors away. The
    /// difference is found there if it is `z` standard errors and the quantile of the power: that is this number of users. It
    /// is also found where an earlier look finds it, so the power is a little higher.
    ///
    /// # Errors
    /// [`Error::Option`] where a number is out of its range.
    pub fn users(&self, baseline: f64, variances: f64) -> Result<u64> {
        self.check()?;
        let errors = tightest(self.alpha).sqrt() + quantile(self.power);
        let users = variances * (errors / (baseline * self.lift)).powi(2);
        // More users than people: such a gain cannot be found.
        Ok(if users.is_finite() { users.ceil().clamp(1.0, 1e15) as u64 } else { 1_000_000_000_000_000 })
    }
}

/// The point that a standard normal variable is below with this probability.
pub(super) fn quantile(probability: f64) -> f64 {
    let (mut low, mut high) = (-10.0f64, 10.0f64);
    for _ in 0..100 {
        let middle = (low + high) / 2.0;
        let below = 0.5 * erfc(-middle / std::f64::consts::SQRT_2);
        if below < probability { low = middle } else { high = middle }
    }
    (low + high) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_tables() {
        for (probability, point) in [(0.5, 0.0), (0.8, 0.841_621_2), (0.975, 1.959_964), (0.999, 3.090_232_3)] {
            assert!((quantile(probability) - point).abs() < 1e-6);
        }
    }

    #[test]
    fn half_the_gain_needs_four_times_the_users() {
        let users = |lift| Plan { lift, power: 0.8, alpha: 0.05 }.users(0.1, 0.18).unwrap() as f64;
        assert!((users(0.05) / users(0.1) - 4.0).abs() < 1e-3);
    }

    #[test]
    fn what_cannot_be_planned_is_refused() {
        let plan = Plan { lift: 0.1, power: 0.8, alpha: 0.05 };
        assert!(plan.users_of_share(0.0).is_err() && plan.users_of_share(0.95).is_err());
        assert!(plan.users_of_share(f64::NAN).is_err());
        for plan in [Plan { lift: 0.0, ..plan }, Plan { lift: f64::NAN, ..plan }, Plan { power: 1.0, ..plan }] {
            assert!(plan.users_of_share(0.1).is_err());
        }
        let error = Plan { alpha: 0.5, ..plan }.users_of_share(0.1).unwrap_err().to_string();
        assert_eq!(error, "option \"alpha\" must be between 0.0001 and 0.2, not 0.5");
    }
}

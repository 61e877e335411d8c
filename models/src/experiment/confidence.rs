//! A rate of a variant, and what it differs by from that of the control, with intervals that hold at all looks together: the
//! asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas ("Time-uniform central limit theory and
//! asymptotic confidence sequences", Annals of Statistics 2024), which is Robbins' normal mixture with the standard error that
//! was observed.
//!
//! It assumes that users are independent of each other, that each has a variance, and that there are many: below
//! [`FEWEST`] users per variant nothing is said. Of one user any number of impressions may depend on each other in any way: a
//! user is one observation, of how often something was shown and how often it came out well. Users come back, so what is
//! known of each grows from look to look; the paper has observations that are complete when they come. The simulation beside
//! this file has users who come back for a month: false positives stay below what is promised.

use crate::experiment::tally::Tally;

/// Users of a variant that an interval needs.
pub const FEWEST: f64 = 100.0;

/// The squared distance of the narrowest interval's end, in standard errors, plus the weight at which it is reached.
///
/// The squared distance at a weight x is (1 + 1/x)(ln(1 + x) − 2 ln α). Its derivative is 0 where x = ln(1 + x) − 2 ln α, and
/// there it is x + 1.
pub(super) fn tightest(alpha: f64) -> f64 {
    tightest_weight(alpha) + 1.0
}

fn tightest_weight(alpha: f64) -> f64 {
    let least = -2.0 * alpha.ln();
    // Each step shrinks the error by 1 + x, at least 4.
    (0..60).fold(least, |x, _| (1.0 + x).ln() + least)
}

/// Over all looks, how probable a wrong statement may be, and the number of users, of both variants together, at which intervals
/// are narrowest. It must be chosen before anything was seen, and costs little if it is off: for ten times as many
/// users an interval is 7 % wider than the narrowest, in standard errors, and for a tenth of them 26 %.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Promise {
    pub alpha: f64,
    pub planned: f64,
}

impl Promise {
    /// The observed users as a multiple of the mixture's own.
    fn weight(&self, users: f64) -> f64 {
        tightest_weight(self.alpha) * users / self.planned.max(1.0)
    }

    /// How many standard errors the ends of an interval are from the estimate.
    fn reach(&self, users: f64) -> f64 {
        let x = self.weight(users);
        ((1.0 + 1.0 / x) * ((1.0 + x).ln() - 2.0 * self.alpha.ln())).sqrt()
    }

    /// The smallest `alpha` at which an estimate that many standard errors from 0 would be told from it, with the same mixture.
    fn p_value(&self, users: f64, errors: f64) -> f64 {
        let x = self.weight(users);
        (0.5 * (1.0 + x).ln() - 0.5 * errors * errors * x / (1.0 + x)).exp().min(1.0)
    }

    /// An estimate with a standard error, from so many users.
    pub(super) fn interval(&self, estimate: f64, error: f64, users: f64) -> Interval {
        let reach = self.reach(users) * error;
        let p_value = if error > 0.0 { self.p_value(users, estimate / error) } else { 1.0 };
        Interval { estimate, low: estimate - reach, high: estimate + reach, p_value }
    }
}

/// An estimate, the ends of its interval, and the p-value of 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    pub estimate: f64,
    pub low: f64,
    pub high: f64,
    pub p_value: f64,
}

impl Tally {
    /// Whether an interval would mean something: enough users, who are not all the same.
    pub fn suffices(&self) -> bool {
        self.users >= FEWEST && self.variance() > 0.0
    }

    /// The rate with its interval; None where the users do not suffice.
    pub fn interval(&self, promise: Promise) -> Option<Interval> {
        self.suffices().then(|| promise.interval(self.rate(), self.squared_error().sqrt(), self.users))
    }
}

/// A variant beside the control.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Comparison {
    /// The rate of the variant minus that of the control.
    pub difference: Interval,
    /// The same relative to the control: 0.1 is 10 % more.
    pub lift: f64,
    /// The interval of the lift, which has 0 in it where that of the difference has; None where the rate of the control cannot
    /// be told from 0.
    pub lift_interval: Option<(f64, f64)>,
}

/// Compares a variant with the control; None where the users of either do not suffice.
pub fn compare(control: &Tally, variant: &Tally, promise: Promise) -> Option<Comparison> {
    if !control.suffices() || !variant.suffices() {
        return None;
    }
    let users = control.users + variant.users;
    let error = (control.squared_error() + variant.squared_error()).sqrt();
    let difference = promise.interval(variant.rate() - control.rate(), error, users);
    let lift = if control.rate() > 0.0 { variant.rate() / control.rate() - 1.0 } else { 0.0 };
    Some(Comparison { difference, lift, lift_interval: lift_interval(control, variant, promise.reach(users)) })
}

/// Fieller's: all lifts whose product with the control's rate the variant's rate cannot be told from, by the same reach. So the
/// lift and the difference never contradict each other.
fn lift_interval(control: &Tally, variant: &Tally, reach: f64) -> Option<(f64, f64)> {
    let (a, b, reach) = (control.rate(), variant.rate(), reach * reach);
    let (leading, last) = (a * a - reach * control.squared_error(), b * b - reach * variant.squared_error());
    if leading <= 0.0 {
        return None;
    }
    let root = (a * a * b * b - leading * last).max(0.0).sqrt();
    Some(((a * b - root) / leading - 1.0, (a * b + root) / leading - 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(users: &[(f64, f64)]) -> Tally {
        let mut tally = Tally::default();
        users.iter().for_each(|(x, y)| tally.add(*x, *y));
        tally
    }

    /// Four hundred users who were shown 1 to 7 things and took some of them.
    fn users(every: usize) -> Vec<(f64, f64)> {
        let user =
            |i: usize| ((1 + i * 5 % 7) as f64, if i.is_multiple_of(every) { (1 + i * 3 % 2) as f64 } else { 0.0 });
        (0..400).map(user).collect()
    }

    /// As the paper writes it, for a mean with a standard deviation.
    #[test]
    fn the_interval_is_that_of_the_paper() {
        let promise = Promise { alpha: 0.05, planned: 1000.0 };
        let rho2 = tightest_weight(0.05) / 1000.0;
        for t in [100.0f64, 1000.0, 50_000.0] {
            let margin = (2.0 * (t * rho2 + 1.0) / (t * t * rho2) * ((t * rho2 + 1.0).sqrt() / 0.05).ln()).sqrt();
            let interval = promise.interval(0.3, 0.7 / t.sqrt(), t);
            assert!((interval.high - 0.3 - 0.7 * margin).abs() < 1e-12, "{t}");
            assert!((0.3 - interval.low - 0.7 * margin).abs() < 1e-12, "{t}");
        }
    }

    #[test]
    fn it_is_narrowest_where_it_was_planned_and_little_wider_elsewhere() {
        let promise = Promise { alpha: 0.05, planned: 1000.0 };
        assert!((promise.reach(1000.0) - 3.0351).abs() < 1e-3 && (tightest(0.05).sqrt() - 3.0351).abs() < 1e-3);
        assert!([900.0, 1100.0, 10.0, 1e6].iter().all(|users| promise.reach(*users) > promise.reach(1000.0)));
        assert!(promise.reach(100.0) < 1.27 * promise.reach(1000.0));
        assert!(promise.reach(10_000.0) < 1.08 * promise.reach(1000.0));
    }

    #[test]
    fn the_p_value_is_where_the_interval_ends_at_0() {
        let promise = Promise { alpha: 0.05, planned: 800.0 };
        for users in [100.0, 800.0, 9000.0] {
            let end = promise.reach(users);
            assert!((promise.p_value(users, end) - 0.05).abs() < 1e-9);
            assert!(promise.p_value(users, end * 1.01) < 0.05 && promise.p_value(users, 0.1) > 0.05);
        }
    }

    /// The jackknife: leave out one user after the other.
    #[test]
    fn the_standard_error_of_a_rate_is_that_of_the_jackknife() {
        let users = users(3);
        let all = tally(&users);
        let without = |user: &(f64, f64)| (all.y - user.1) / (all.x - user.0);
        let rates: Vec<f64> = users.iter().map(without).collect();
        let mean = rates.iter().sum::<f64>() / 400.0;
        let jackknife = rates.iter().map(|rate| (rate - mean).powi(2)).sum::<f64>() * 399.0 / 400.0;
        assert!((all.squared_error() / jackknife - 1.0).abs() < 0.02, "{} {jackknife}", all.squared_error());
    }

    #[test]
    fn the_lift_excludes_0_where_the_difference_does() {
        let promise = Promise { alpha: 0.05, planned: 800.0 };
        let control = tally(&users(9));
        let mut excluding = 0;
        for every in 2..30 {
            let comparison = compare(&control, &tally(&users(every)), promise).unwrap();
            let (low, high) = comparison.lift_interval.unwrap();
            assert!(low <= comparison.lift && comparison.lift <= high);
            let Interval { low: least, high: most, p_value, .. } = comparison.difference;
            assert_eq!((low > 0.0, high < 0.0), (least > 0.0, most < 0.0), "{every}");
            assert_eq!(p_value < 0.05, least > 0.0 || most < 0.0);
            excluding += usize::from(p_value < 0.05);
        }
        assert!((1..27).contains(&excluding), "{excluding}");
    }

    #[test]
    fn little_data_say_nothing() {
        let promise = Promise { alpha: 0.05, planned: 800.0 };
        let (few, same) = (tally(&users(3)[..99]), tally(&[(1.0, 0.0); 500]));
        assert!(compare(&few, &tally(&users(3)), promise).is_none());
        assert!(compare(&tally(&users(3)), &same, promise).is_none());
        assert!(Tally::default().interval(promise).is_none());
        // A control with a single click: its rate cannot be told from 0, and no lift has an end.
        let mut rare = vec![(1.0, 0.0); 400];
        rare[0].1 = 1.0;
        assert_eq!(compare(&tally(&rare), &tally(&users(3)), promise).unwrap().lift_interval, None);
    }
}

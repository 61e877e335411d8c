//! How often something came out well per time that it was shown, from sums over users, and its interval at one look.

/// Sums over users, each of whom is one observation: x of how often something was shown to one, y of how often that came out well.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Tally {
    pub users: f64,
    pub x: f64,
    pub y: f64,
    pub xx: f64,
    pub xy: f64,
    pub yy: f64,
}

/// The upper 2.5 % point of the normal distribution.
const NORMAL: f64 = 1.959_963_984_540_054;

impl Tally {
    /// Takes in one user.
    pub fn add(&mut self, x: f64, y: f64) {
        self.users += 1.0;
        self.x += x;
        self.y += y;
        self.xx += x * x;
        self.xy += x * y;
        self.yy += y * y;
    }

    /// y per x; 0 where nothing was shown.
    pub fn rate(&self) -> f64 {
        if self.x > 0.0 { self.y / self.x } else { 0.0 }
    }

    /// The variance of what one user contributes to the rate, (y − rate·x) / mean(x): that of the rate is this by the number
    /// of users (the delta method).
    pub fn variance(&self) -> f64 {
        if self.users < 2.0 || self.x <= 0.0 {
            return 0.0;
        }
        let rate = self.rate();
        // Sums of large numbers may be rounded to below 0.
        let residual = (self.yy - 2.0 * rate * self.xy + rate * rate * self.xx).max(0.0);
        let mean = self.x / self.users;
        residual / (self.users - 1.0) / (mean * mean)
    }

    /// Of the rate.
    pub fn squared_error(&self) -> f64 {
        if self.users > 0.0 { self.variance() / self.users } else { 0.0 }
    }

    /// A 95 % interval for one look: Wilson's, for the number of independent trials that would tell as much as these do. That
    /// number is p(1 − p) by the variance of the rate over users (the linearised variance of a ratio of sums), made smaller for few
    /// users by the t distribution (Korn and Graubard 1998; Dean and Pagano 2015). It assumes that users are independent of each
    /// other, and nothing of what one is shown. None where nothing was shown.
    ///
    /// Where all came out alike, nothing tells how alike those of one user are: then a user is one trial.
    pub fn wilson(&self) -> Option<(f64, f64)> {
        if self.x <= 0.0 {
            return None;
        }
        let p = self.rate();
        let n = self.effective(p);
        let z2 = NORMAL * NORMAL;
        let middle = (p + z2 / (2.0 * n)) / (1.0 + z2 / n);
        let reach = NORMAL / (1.0 + z2 / n) * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
        Some(((middle - reach).clamp(0.0, p), (middle + reach).clamp(p, 1.0)))
    }

    fn effective(&self, p: f64) -> f64 {
        if p <= 0.0 || p >= 1.0 {
            return self.users;
        }
        if self.users < 2.0 {
            return 1.0;
        }
        let variance = self.squared_error();
        let alone = if variance > 0.0 { p * (1.0 - p) / variance } else { self.x };
        let few = NORMAL / student(self.users - 1.0);
        (alone.min(self.x) * few * few).max(1.0)
    }
}

/// The upper 2.5 % point of Student's distribution: the first terms of its expansion around the normal one. With 3 degrees of
/// freedom it is 3.11 and should be 3.18, with 10 the fourth digit is right.
fn student(freedom: f64) -> f64 {
    let z = NORMAL;
    let (z3, z5, z7) = (z.powi(3), z.powi(5), z.powi(7));
    z + (z3 + z) / (4.0 * freedom)
        + (5.0 * z5 + 16.0 * z3 + 3.0 * z) / (96.0 * freedom.powi(2))
        + (3.0 * z7 + 19.0 * z5 + 17.0 * z3 - 15.0 * z) / (384.0 * freedom.powi(3))
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_pcg::Pcg64Mcg;

    use super::*;

    fn tally(users: impl IntoIterator<Item = (u32, u32)>) -> Tally {
        let mut tally = Tally::default();
        users.into_iter().for_each(|(shown, well)| tally.add(f64::from(shown), f64::from(well)));
        tally
    }

    #[test]
    fn of_single_trials_it_is_wilsons_interval() {
        // 30 of 1000; statsmodels' proportion_confint(30, 1000, method="wilson").
        let single = tally((0..1000).map(|i| (1, u32::from(i < 30))));
        let (low, high) = single.wilson().unwrap();
        assert!((low - 0.021_094).abs() < 1e-4 && (high - 0.042_503).abs() < 1e-4, "{low} {high}");
        assert_eq!((single.users, single.x, single.y), (1000.0, 1000.0, 30.0));
    }

    #[test]
    fn trials_that_go_together_tell_less() {
        let apart = tally((0..1000).map(|i| (10, u32::from(i % 5 == 0) * 2)));
        let together = tally((0..1000).map(|i| (10, u32::from(i % 25 == 0) * 10)));
        assert_eq!(apart.rate(), together.rate());
        let width = |tally: &Tally| tally.wilson().map(|(low, high)| high - low).unwrap();
        assert!(width(&together) > 2.0 * width(&apart));
    }

    #[test]
    fn nothing_is_certain() {
        assert_eq!(Tally::default().wilson(), None);
        let (low, high) = tally((0..50).map(|_| (20, 0))).wilson().unwrap();
        assert!(low == 0.0 && (0.06..0.08).contains(&high), "as of 50 trials: {high}");
        let (low, high) = tally([(1000, 100)]).wilson().unwrap();
        assert!(high - low > 0.6, "one user tells next to nothing");
    }

    /// Users who differ: a share of each, drawn from a beta distribution with the mean 0.1, and pages of ten.
    #[test]
    fn it_covers_the_truth_as_often_as_it_says() {
        let mut rng = Pcg64Mcg::seed_from_u64(7);
        for users in [30, 300] {
            let mut covered = 0;
            for _ in 0..1000 {
                let mut sums = Tally::default();
                for _ in 0..users {
                    // Beta(1, 9) by its inverse.
                    let own = 1.0 - (1.0 - rng.random::<f64>()).powf(1.0 / 9.0);
                    let trials = 10 * rng.random_range(1..6);
                    sums.add(f64::from(trials), (0..trials).filter(|_| rng.random::<f64>() < own).count() as f64);
                }
                let (low, high) = sums.wilson().unwrap();
                covered += u32::from((low..=high).contains(&0.1));
            }
            assert!((930..=975).contains(&covered), "{users} users: {covered} of 1000");
        }
    }
}

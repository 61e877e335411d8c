//! A share of successes among trials that come in clusters, and its interval.

/// Sums over clusters, each with a number of trials and of successes.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Share {
    clusters: f64,
    trials: f64,
    successes: f64,
    trials_squared: f64,
    product: f64,
    successes_squared: f64,
}

/// The upper 2.5 % point of the normal distribution.
const NORMAL: f64 = 1.959_963_984_540_054;

impl Share {
    /// Takes in a cluster.
    pub fn add(&mut self, trials: f64, successes: f64) {
        self.clusters += 1.0;
        self.trials += trials;
        self.successes += successes;
        self.trials_squared += trials * trials;
        self.product += trials * successes;
        self.successes_squared += successes * successes;
    }

    pub fn clusters(&self) -> u64 {
        self.clusters as u64
    }

    pub fn trials(&self) -> u64 {
        self.trials as u64
    }

    pub fn successes(&self) -> u64 {
        self.successes as u64
    }

    /// None without a trial.
    pub fn estimate(&self) -> Option<f64> {
        (self.trials > 0.0).then(|| self.successes / self.trials)
    }

    /// A 95 % interval: Wilson's, for the number of independent trials that would tell as much as these do. That number is
    /// p(1 − p) by the variance of the share over clusters (the linearised variance of a ratio of sums), made smaller for few
    /// clusters by the t distribution (Korn and Graubard 1998; Dean and Pagano 2015). It assumes that clusters are independent
    /// of each other, and nothing of the trials within one.
    ///
    /// Where all trials have the same outcome, nothing tells how alike those of a cluster are: then a cluster is one trial.
    pub fn interval(&self) -> Option<(f64, f64)> {
        let p = self.estimate()?;
        let n = self.effective(p);
        let z2 = NORMAL * NORMAL;
        let middle = (p + z2 / (2.0 * n)) / (1.0 + z2 / n);
        let reach = NORMAL / (1.0 + z2 / n) * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
        Some(((middle - reach).clamp(0.0, p), (middle + reach).clamp(p, 1.0)))
    }

    fn effective(&self, p: f64) -> f64 {
        if p <= 0.0 || p >= 1.0 {
            return self.clusters;
        }
        if self.clusters < 2.0 {
            return 1.0;
        }
        let squares = self.successes_squared - 2.0 * p * self.product + p * p * self.trials_squared;
        let variance = squares.max(0.0) * self.clusters / (self.clusters - 1.0) / (self.trials * self.trials);
        let alone = if variance > 0.0 { p * (1.0 - p) / variance } else { self.trials };
        let few = NORMAL / student(self.clusters - 1.0);
        (alone.min(self.trials) * few * few).max(1.0)
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

    fn share(clusters: impl IntoIterator<Item = (u32, u32)>) -> Share {
        let mut share = Share::default();
        clusters.into_iter().for_each(|(trials, successes)| share.add(f64::from(trials), f64::from(successes)));
        share
    }

    #[test]
    fn of_single_trials_it_is_wilsons_interval() {
        // 30 of 1000; statsmodels' proportion_confint(30, 1000, method="wilson").
        let single = share((0..1000).map(|i| (1, u32::from(i < 30))));
        let (low, high) = single.interval().unwrap();
        assert!((low - 0.021_094).abs() < 1e-4 && (high - 0.042_503).abs() < 1e-4, "{low} {high}");
        assert_eq!((single.clusters(), single.trials(), single.successes()), (1000, 1000, 30));
    }

    #[test]
    fn trials_that_go_together_tell_less() {
        let apart = share((0..1000).map(|i| (10, u32::from(i % 5 == 0) * 2)));
        let together = share((0..1000).map(|i| (10, u32::from(i % 25 == 0) * 10)));
        assert_eq!(apart.estimate(), together.estimate());
        let width = |share: &Share| share.interval().map(|(low, high)| high - low).unwrap();
        assert!(width(&together) > 2.0 * width(&apart));
    }

    #[test]
    fn nothing_is_certain() {
        assert_eq!(Share::default().interval(), None);
        let (low, high) = share((0..50).map(|_| (20, 0))).interval().unwrap();
        assert!(low == 0.0 && (0.06..0.08).contains(&high), "as of 50 trials: {high}");
        let (low, high) = share([(1000, 100)]).interval().unwrap();
        assert!(high - low > 0.6, "one user tells next to nothing");
    }

    /// Users who differ: a share of each, drawn from a beta distribution with the mean 0.1, and pages of ten.
    #[test]
    fn it_covers_the_truth_as_often_as_it_says() {
        let mut rng = Pcg64Mcg::seed_from_u64(7);
        for users in [30, 300] {
            let mut covered = 0;
            for _ in 0..1000 {
                let mut sums = Share::default();
                for _ in 0..users {
                    // Beta(1, 9) by its inverse.
                    let own = 1.0 - (1.0 - rng.random::<f64>()).powf(1.0 / 9.0);
                    let trials = 10 * rng.random_range(1..6);
                    sums.add(f64::from(trials), (0..trials).filter(|_| rng.random::<f64>() < own).count() as f64);
                }
                let (low, high) = sums.interval().unwrap();
                covered += u32::from((low..=high).contains(&0.1));
            }
            assert!((930..=975).contains(&covered), "{users} users: {covered} of 1000");
        }
    }
}

//! Whether a challenger replaces the champion.

use crate::learn::metrics::paired_interval;

/// Better by this share, or not worth the change.
const MIN_GAIN: f64 = 0.02;
/// A model is replaced on the word of at least this many users. The bootstrap knows only those that it is given: of one
/// user the interval has no width.
const MIN_USERS: usize = 30;

#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    pub promoted: bool,
    pub reason: String,
    /// The champion's NDCG on the same hold-out.
    pub previous_ndcg: Option<f64>,
}

/// The active model in a contest.
#[derive(Debug, Clone, Copy)]
pub enum Opponent<'a> {
    None,
    /// Its hold-out does not have all of this one: it was trained on the rest.
    Incomparable,
    /// NDCG by user.
    Evaluated(&'a [f64]),
}

/// NDCG by user of the challenger and of popularity, and the champion.
pub struct Contest<'a> {
    pub challenger: &'a [f64],
    pub popularity: &'a [f64],
    pub champion: Opponent<'a>,
    pub force: bool,
    pub seed: u64,
}

impl Contest<'_> {
    pub fn decide(&self) -> Decision {
        let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len().max(1) as f64;
        let new = mean(self.challenger);
        let previous_ndcg = match self.champion {
            Opponent::Evaluated(ndcg) => Some(mean(ndcg)),
            _ => None,
        };
        let decision = |promoted: bool, reason: String| Decision { promoted, reason, previous_ndcg };
        if self.force {
            return decision(true, "forced".into());
        }
        if self.challenger.is_empty() {
            return decision(
                false,
                "no user with a liked item in the hold-out: nothing to judge by; see {\"force\": true}".into(),
            );
        }
        let champion = match self.champion {
            Opponent::Evaluated(ndcg) => ndcg,
            Opponent::Incomparable => {
                return decision(
                    false,
                    "the active model was trained on interactions of this hold-out (its own was later, smaller or cut in \
                     another way) and cannot be compared; see {\"force\": true}"
                        .into(),
                );
            }
            Opponent::None => {
                let popularity = mean(self.popularity);
                let verdict = if new > popularity { "beats" } else { "does not beat" };
                let reason = format!("first model: NDCG@10 {new:.4} {verdict} popularity's {popularity:.4}");
                return decision(new > popularity, reason);
            }
        };
        if champion.len() < MIN_USERS {
            let reason = format!(
                "too few users to judge by: {} in the hold-out, and {MIN_USERS} are needed to replace a model; see \
                 {{\"force\": true}}",
                champion.len()
            );
            return decision(false, reason);
        }
        let old = mean(champion);
        let (low, high) = paired_interval(self.challenger, champion, self.seed);
        let gain = if old > 0.0 { new / old - 1.0 } else { f64::from(u8::from(new > 0.0)) };
        let facts = format!(
            "NDCG@10 {new:.4} against {old:.4} ({:+.1} %), 95 % interval of the difference {low:+.4} to {high:+.4}, {} users",
            100.0 * gain,
            champion.len(),
        );
        if gain >= MIN_GAIN && low > 0.0 {
            return decision(true, format!("better: {facts}"));
        }
        let resolvable = (high - low) / 2.0 <= MIN_GAIN * old;
        let small = if resolvable { "" } else { "; too few users to resolve 2 %" };
        decision(false, format!("not clearly better: {facts}{small}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decide(challenger: &[f64], champion: Option<&[f64]>, force: bool) -> Decision {
        let popularity = vec![0.1; challenger.len()];
        let champion = champion.map_or(Opponent::None, Opponent::Evaluated);
        Contest { challenger, popularity: &popularity, champion, force, seed: 1 }.decide()
    }

    fn users(base: f64) -> Vec<f64> {
        (0..1000).map(|i| base + f64::from(i % 7) / 100.0).collect()
    }

    #[test]
    fn the_first_model_must_beat_popularity() {
        assert!(decide(&users(0.2), None, false).promoted);
        let worse = decide(&users(0.0), None, false);
        assert!(!worse.promoted && worse.reason.contains("does not beat popularity"));
    }

    #[test]
    fn a_challenger_must_be_clearly_better() {
        let better = decide(&users(0.2), Some(&users(0.1)), false);
        assert!(better.promoted && better.reason.starts_with("better"));
        assert!((better.previous_ndcg.unwrap() - 0.13).abs() < 1e-3);
        assert!(!decide(&users(0.1), Some(&users(0.1)), false).promoted);
        assert!(!decide(&users(0.1005), Some(&users(0.1)), false).promoted);
    }

    #[test]
    fn force_overrides_and_nobody_to_ask_refuses() {
        assert!(decide(&users(0.0), Some(&users(0.1)), true).promoted);
        assert!(!decide(&[], None, false).promoted);
    }

    #[test]
    fn what_cannot_be_compared_is_not_replaced() {
        let challenger = users(0.2);
        let contest = |force| Contest {
            challenger: &challenger,
            popularity: &challenger,
            champion: Opponent::Incomparable,
            force,
            seed: 1,
        };
        assert!(!contest(false).decide().promoted && contest(true).decide().promoted);
    }

    #[test]
    fn too_few_users_are_said() {
        let noisy: Vec<f64> = (0..40).map(|i| f64::from(i % 2)).collect();
        let other: Vec<f64> = (0..40).map(|i| f64::from(i % 3) / 2.0).collect();
        assert!(decide(&noisy, Some(&other), false).reason.contains("too few users to resolve"));
    }

    #[test]
    fn one_user_replaces_nothing() {
        for n in [1, 29] {
            let decision = decide(&vec![1.0; n], Some(&vec![0.5; n]), false);
            assert!(!decision.promoted && decision.reason.contains("too few users to judge by"), "{}", decision.reason);
            assert!(decide(&vec![1.0; n], Some(&vec![0.5; n]), true).promoted);
        }
        assert!(decide(&[1.0; 30], Some(&[0.5; 30]), false).promoted);
    }
}

//! What another ranking would have got, from the logs of the one that was served.
//!
//! Where the served ranking left something to chance, the logs hold how probable each item was that was shown: its
//! propensity. An item that the other ranking would have listed, and that was shown with the propensity p, stands for 1/p of
//! them. Two estimates of the share of listed items that come out well:
//!
//! - self-normalised inverse propensities (SNIPS; Swaminathan and Joachims, NIPS 2015): the weighted share among those shown;
//! - doubly robust (Dudík, Langford and Li, ICML 2011): a guess for every item that would have been listed, from what is
//!   known of its place in the list, corrected by what was shown. The guess for a user comes from the other users
//!   (two halves), so that nobody's clicks predict themselves.
//!
//! Both assume that an item comes out well by itself, whatever else is on the page and in whichever place it stands.
//! What the served ranking could not have shown has no propensity: if that is much of what the other one lists, or if few
//! heavy weights decide, the logs cannot tell, and no estimate is given.

use xxhash_rust::xxh3::xxh3_64;

use crate::error::{Error, Result};
use crate::experiment::confidence::{FEWEST, Interval, Promise};
use crate::experiment::tally::Tally;

/// Of what the other ranking would have listed, this much must have been possible to show.
const LEAST_SUPPORT: f64 = 0.5;
/// What the weighted users must be worth, in users with equal weights.
const FEWEST_EFFECTIVE: f64 = FEWEST;
/// Items that the average of all places counts as, in the guess for one place.
const PRIOR: f64 = 20.0;
/// Places with a guess of their own; those behind the last one share its guess.
pub const MOST_PLACES: usize = 100;

/// An item that the other ranking would have listed for a request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wanted {
    pub user: i64,
    /// Its place in the list that was not shown, from 0.
    pub place: usize,
    /// Where it was shown all the same: with which probability, above 0 and at most 1, and whether it came out well.
    pub shown: Option<(f64, bool)>,
}

/// What the logs say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimates {
    pub snips: Interval,
    pub doubly_robust: Interval,
}

/// How much the logs can say, and what they do.
#[derive(Debug, Clone, PartialEq)]
pub struct OffPolicy {
    /// Users with an item that was wanted and shown.
    pub users: f64,
    /// Users with equal weights whom they are worth (Kish).
    pub effective_users: f64,
    /// How much of what would have been listed could have been shown, 0 to 1, as the weights tell.
    pub support: f64,
    /// Or why there is none.
    pub estimates: std::result::Result<Estimates, String>,
}

/// What one user adds: by weight and weighted outcome, and by wanted items and their corrected guesses.
#[derive(Clone, Copy, Default)]
struct Sums {
    weight: f64,
    weighted: f64,
    wanted: f64,
    corrected: f64,
}

/// Estimates from the items that the other ranking would have listed, all of one user together.
///
/// # Errors
/// [`Error::Value`] where a propensity is not above 0 and at most 1.
pub fn off_policy(wanted: &[Wanted], promise: Promise) -> Result<OffPolicy> {
    let is_propensity = |p: f64| p > 0.0 && p <= 1.0;
    if let Some((wrong, _)) = wanted.iter().filter_map(|item| item.shown).find(|(p, _)| !is_propensity(*p)) {
        let range = "propensities above 0 and at most 1";
        return Err(Error::Value { column: "propensity", value: wrong.to_string(), range });
    }
    let guesses = guesses(wanted);
    let (mut snips, mut doubly_robust) = (Tally::default(), Tally::default());
    for of_user in wanted.chunk_by(|a, b| a.user == b.user) {
        let sums = of_user.iter().fold(Sums::default(), |sums, item| {
            let guess = guesses[half(item.user)][item.place.min(MOST_PLACES - 1)];
            let (weight, outcome) = item.shown.map_or((0.0, 0.0), |(p, well)| (1.0 / p, f64::from(u8::from(well))));
            Sums {
                weight: sums.weight + weight,
                weighted: sums.weighted + weight * outcome,
                wanted: sums.wanted + 1.0,
                corrected: sums.corrected + guess + weight * (outcome - guess),
            }
        });
        doubly_robust.add(sums.wanted, sums.corrected);
        if sums.weight > 0.0 {
            snips.add(sums.weight, sums.weighted);
        }
    }
    let effective_users = if snips.xx > 0.0 { snips.x * snips.x / snips.xx } else { 0.0 };
    let support = if doubly_robust.x > 0.0 { (snips.x / doubly_robust.x).min(1.0) } else { 0.0 };
    let estimates = match refusal(&snips, effective_users, support) {
        Some(why) => Err(why),
        None => snips
            .interval(promise)
            .zip(doubly_robust.interval(promise))
            .map(|(snips, doubly_robust)| Estimates { snips, doubly_robust })
            .ok_or_else(|| "all outcomes are the same".into()),
    };
    Ok(OffPolicy { users: snips.users, effective_users, support, estimates })
}

/// Why the logs cannot tell.
fn refusal(snips: &Tally, effective_users: f64, support: f64) -> Option<String> {
    let share = 100.0 * support;
    match () {
        () if snips.users < FEWEST => Some(format!(
            "only {} users were shown something that this ranking would have listed, and {FEWEST} are needed",
            snips.users
        )),
        () if support < LEAST_SUPPORT => Some(format!(
            "only {share:.0} % of what this ranking would have listed could have been shown, and {:.0} % are needed",
            100.0 * LEAST_SUPPORT
        )),
        () if effective_users < FEWEST_EFFECTIVE => Some(format!(
            "few users with small propensities decide: the {} users are worth {effective_users:.0}, and \
             {FEWEST_EFFECTIVE} are needed",
            snips.users
        )),
        () => None,
    }
}

/// Which half of the users somebody is in.
fn half(user: i64) -> usize {
    (xxh3_64(&user.to_le_bytes()) & 1) as usize
}

/// For the users of each half, by place: the share that came out well among the users of the other half, drawn towards that
/// of all places.
fn guesses(wanted: &[Wanted]) -> [Vec<f64>; 2] {
    let mut sums = [vec![(0.0, 0.0); MOST_PLACES], vec![(0.0, 0.0); MOST_PLACES]];
    for item in wanted {
        if let Some((propensity, well)) = item.shown {
            let (shown, good) = &mut sums[1 - half(item.user)][item.place.min(MOST_PLACES - 1)];
            *shown += 1.0 / propensity;
            *good += f64::from(u8::from(well)) / propensity;
        }
    }
    sums.map(|places| {
        let (shown, good) = places.iter().fold((0.0, 0.0), |all, place| (all.0 + place.0, all.1 + place.1));
        let overall = if shown > 0.0 { good / shown } else { 0.0 };
        places.iter().map(|(shown, good)| (good + PRIOR * overall) / (shown + PRIOR)).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_pcg::Pcg64Mcg;

    const PROMISE: Promise = Promise { alpha: 0.05, planned: 1000.0 };

    /// How good item `i` of ten is for a user of one of two kinds.
    fn quality(user: i64, item: usize) -> f64 {
        if item.is_multiple_of(2) == (user % 2 == 0) { 0.1 + 0.04 * item as f64 } else { 0.05 }
    }

    /// Three of ten items are shown, by chance, the first items most often; the other ranking would have listed the last
    /// four. The share of them that comes out well, and the logs.
    fn logs(users: i64, seed: u64, least: f64) -> (f64, Vec<Wanted>) {
        let mut rng = Pcg64Mcg::seed_from_u64(seed);
        let (mut truth, mut logs) = (0.0, Vec::new());
        for user in 0..users {
            for place in 0..4 {
                let item = 9 - place;
                let propensity = least + 0.05 * ((user as usize + item) % 5) as f64;
                let shown = rng.random_bool(propensity);
                let well = rng.random_bool(quality(user, item));
                truth += quality(user, item) / 4.0 / users as f64;
                logs.push(Wanted { user, place, shown: shown.then_some((propensity, well)) });
            }
        }
        (truth, logs)
    }

    #[test]
    fn the_intervals_hold_the_truth() {
        let mut missed = [0; 2];
        for seed in 0..300 {
            let (truth, logs) = logs(1500, seed, 0.15);
            let Estimates { snips, doubly_robust } = off_policy(&logs, PROMISE).unwrap().estimates.unwrap();
            for (missed, Interval { estimate, low, high, .. }) in missed.iter_mut().zip([snips, doubly_robust]) {
                *missed += i32::from(!(low..=high).contains(&truth));
                assert!((estimate - truth).abs() < 0.08, "{estimate} {truth}");
            }
        }
        // Of 300 intervals that are looked at once, 15 may miss; looked at every day as well.
        assert!(missed.iter().all(|missed| *missed <= 15), "{missed:?}");
    }

    /// What is shown more often where it is worse: without weights the estimate would be far off.
    #[test]
    fn propensities_undo_what_was_shown_more_often() {
        let mut rng = Pcg64Mcg::seed_from_u64(3);
        let (mut logs, mut plain) = (Vec::new(), Tally::default());
        for user in 0..20_000 {
            let is_good = user % 2 == 0;
            let propensity = if is_good { 0.1 } else { 0.9 };
            let (shown, well) = (rng.random_bool(propensity), rng.random_bool(if is_good { 0.4 } else { 0.1 }));
            if shown {
                plain.add(1.0, f64::from(u8::from(well)));
            }
            logs.push(Wanted { user, place: 0, shown: shown.then_some((propensity, well)) });
        }
        let Estimates { snips, doubly_robust } = off_policy(&logs, PROMISE).unwrap().estimates.unwrap();
        assert!((snips.estimate - 0.25).abs() < 0.02 && (doubly_robust.estimate - 0.25).abs() < 0.02);
        assert!(plain.rate() < 0.15, "{}", plain.rate());
    }

    /// By hand: one place, so the guess of each half is the other half's weighted share.
    #[test]
    fn both_estimates_are_what_their_definitions_give() {
        let (_, logs) = logs(400, 5, 0.3);
        let weight = |item: &Wanted| item.shown.map_or(0.0, |(p, _)| 1.0 / p);
        let good = |item: &Wanted| item.shown.map_or(0.0, |(p, well)| if well { 1.0 / p } else { 0.0 });
        let snips = logs.iter().map(good).sum::<f64>() / logs.iter().map(weight).sum::<f64>();
        let guess = |of: &Wanted, place: Option<usize>| {
            let others = || logs.iter().filter(|o| half(o.user) != half(of.user));
            let here = || others().filter(|o| place.is_none_or(|place| o.place == place));
            (here().map(good).sum::<f64>(), here().map(weight).sum::<f64>())
        };
        let corrected = |item: &Wanted| {
            let (all_good, all) = guess(item, None);
            let (here_good, here) = guess(item, Some(item.place));
            let guess = (here_good + PRIOR * all_good / all) / (here + PRIOR);
            guess + good(item) - weight(item) * guess
        };
        let doubly_robust = logs.iter().map(corrected).sum::<f64>() / logs.len() as f64;
        let found = off_policy(&logs, PROMISE).unwrap().estimates.unwrap();
        assert!((found.snips.estimate - snips).abs() < 1e-12);
        assert!((found.doubly_robust.estimate - doubly_robust).abs() < 1e-12);
    }

    #[test]
    fn logs_that_cannot_tell_are_refused() {
        let why = |logs: &[Wanted]| off_policy(logs, PROMISE).unwrap().estimates.unwrap_err();
        assert!(why(&[]).starts_with("only 0 users"));
        assert!(why(&logs(150, 1, 0.1).1).contains("100 are needed"));
        // Most of what would be listed can never be shown.
        let mut hidden = logs(3000, 1, 0.3).1;
        hidden.iter_mut().filter(|item| item.place > 0).for_each(|item| item.shown = None);
        assert!(why(&hidden).contains("could have been shown"), "{}", why(&hidden));
        // One user in a thousand stands for all.
        let heavy = |user| Wanted { user, place: 0, shown: Some((if user < 3 { 0.0001 } else { 1.0 }, user % 3 == 0)) };
        let heavy: Vec<Wanted> = (0..3000).map(heavy).collect();
        assert!(why(&heavy).contains("are worth 4"), "{}", why(&heavy));
        let same: Vec<Wanted> = (0..500).map(|user| Wanted { user, place: 0, shown: Some((0.5, false)) }).collect();
        assert_eq!(why(&same), "all outcomes are the same");
        let wrong = |p| off_policy(&[Wanted { user: 1, place: 0, shown: Some((p, true)) }], PROMISE).is_err();
        assert!(wrong(0.0) && wrong(1.5) && wrong(f64::NAN) && !wrong(1.0));
    }
}

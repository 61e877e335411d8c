//! Two rankings on one page: team draft (Radlinski, Kurup and Joachims, "How Does Clickthrough Data Reflect Retrieval
//! Quality?", CIKM 2008). As captains pick players, the rankings take turns, a coin says who is first in each round, and
//! each takes its best item that is not on the page yet. A click is credited to the ranking that took the item. Every reader
//! sees both, so that readers' habits cancel out, and far fewer of them decide than where each sees one.

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::experiment::confidence::{FEWEST, Interval, Promise};

/// Which ranking took an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Team {
    First,
    Second,
}

/// A seed that depends on the salt, the user and the day only: a page that is loaded again on the same day is the same. The day
/// is any number that identifies it.
pub fn draft_seed(salt: &str, user: i64, day: i64) -> u64 {
    let mut key = [0u8; 16];
    key[..8].copy_from_slice(&user.to_le_bytes());
    key[8..].copy_from_slice(&day.to_le_bytes());
    xxh3_64_with_seed(&key, xxh3_64_with_seed(salt.as_bytes(), 0))
}

/// `n` items of two rankings, best first, or fewer where both are shorter. The same seed gives the same page.
///
/// ```
/// use reco_models::{Team, team_draft};
///
/// let page = team_draft(&[1, 2, 3], &[2, 4, 1], 4, 7);
/// assert_eq!(page.len(), 4);
/// assert_eq!(page.iter().filter(|(_, team)| *team == Team::First).count(), 2);
/// ```
pub fn team_draft(first: &[i64], second: &[i64], n: usize, seed: u64) -> Vec<(i64, Team)> {
    let mut rng = Pcg64Mcg::seed_from_u64(seed);
    let mut page: Vec<(i64, Team)> = Vec::new();
    while page.len() < n {
        let round = match rng.random_bool(0.5) {
            true => [(first, Team::First), (second, Team::Second)],
            false => [(second, Team::Second), (first, Team::First)],
        };
        let before = page.len();
        for (ranking, team) in round {
            let next = ranking.iter().find(|item| page.iter().all(|(taken, _)| taken != *item));
            page.extend(next.filter(|_| page.len() < n).map(|item| (*item, team)));
        }
        if page.len() == before {
            break;
        }
    }
    page
}

/// Users by which of the two got more of their clicks.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Votes {
    pub first: f64,
    pub second: f64,
    /// As many clicks for both; those who clicked nothing are none.
    pub ties: f64,
}

impl Votes {
    /// Takes in one user with so many clicks for each.
    pub fn add(&mut self, first: f64, second: f64) {
        match () {
            () if first > second => self.first += 1.0,
            () if second > first => self.second += 1.0,
            () if first > 0.0 => self.ties += 1.0,
            () => {}
        }
    }

    /// How much of the users prefers the second ranking, minus that of the first: -1 to 1, 0 where they are equally good, with
    /// an interval that holds at all looks together. The credit is fair: where both rankings are equally good each has the same
    /// chance of each place. None where fewer than [`FEWEST`] users clicked.
    ///
    /// ```
    /// use reco_models::{Promise, Votes};
    ///
    /// let promise = Promise { alpha: 0.05, planned: 1000.0 };
    /// let votes = Votes { first: 200.0, second: 300.0, ties: 100.0 };
    /// assert!(votes.preference(promise).is_some_and(|preference| preference.low > 0.0));
    /// ```
    pub fn preference(&self, promise: Promise) -> Option<Interval> {
        let users = self.first + self.second + self.ties;
        let mean = (self.second - self.first) / users;
        // As if both were equally good: a little more than the variance where they are not, and never 0.
        let error = ((self.first + self.second) / users / users).sqrt();
        (users >= FEWEST && error > 0.0).then(|| promise.interval(mean, error, users))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_team_takes_its_best_item_that_is_left() {
        let (first, second) = ([1, 2, 3, 4, 5, 6], [4, 9, 1, 8, 7, 3]);
        for seed in 0..200 {
            let page = team_draft(&first, &second, 6, seed);
            for (place, (item, team)) in page.iter().enumerate() {
                let ranking = if *team == Team::First { &first } else { &second };
                let taken: Vec<i64> = page[..place].iter().map(|(item, _)| *item).collect();
                assert_eq!(ranking.iter().find(|item| !taken.contains(item)), Some(item));
                // Neither is ever two ahead, and each has one of each round.
                assert!(place % 2 == 0 || page[place - 1].1 != *team);
            }
            assert_eq!(page, team_draft(&first, &second, 6, seed));
        }
    }

    #[test]
    fn each_ranking_is_first_half_of_the_time() {
        let leads = |seed: &u64| team_draft(&[1, 2], &[3, 4], 2, *seed)[0].1 == Team::First;
        let first = (0..4000).filter(leads).count();
        assert!((1873..=2127).contains(&first), "{first}"); // Four standard errors.
        let others = |day: i64| (0..100).any(|user| draft_seed("s", user, day) != draft_seed("s", user, 5));
        assert!(others(6) && draft_seed("s", 1, 5) != draft_seed("t", 1, 5));
        assert!(!others(5));
    }

    #[test]
    fn short_rankings_give_what_they_have() {
        assert_eq!(team_draft(&[], &[], 5, 1), []);
        assert_eq!(team_draft(&[7], &[7], 5, 1).len(), 1);
        let mut page: Vec<i64> = team_draft(&[1], &[2, 3, 4], 10, 3).into_iter().map(|(item, _)| item).collect();
        page.sort_unstable();
        assert_eq!(page, [1, 2, 3, 4]);
    }

    #[test]
    fn votes_count_users_and_not_clicks() {
        let mut votes = Votes::default();
        [(1.0, 9.0), (3.0, 2.0), (2.0, 2.0), (0.0, 0.0)].iter().for_each(|(a, b)| votes.add(*a, *b));
        assert_eq!(votes, Votes { first: 1.0, second: 1.0, ties: 1.0 });
        let promise = Promise { alpha: 0.05, planned: 1000.0 };
        assert_eq!(votes.preference(promise), None);
        let even = Votes { first: 400.0, second: 400.0, ties: 100.0 }.preference(promise).unwrap();
        assert_eq!((even.estimate, even.p_value), (0.0, 1.0));
        assert!(even.low < 0.0 && even.high > 0.0);
    }
}

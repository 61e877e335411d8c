//! Experiments as a site has them, by the code that it runs: readers who come back, looks every day, and an end at the first
//! look that tells.

use rand::{RngExt, SeedableRng};
use rand_distr::{Beta, Binomial, Distribution};
use rand_pcg::Pcg64Mcg;

use crate::experiment::assign::assign;
use crate::experiment::confidence::{Promise, compare};
use crate::experiment::interleave::{Team, Votes, draft_seed, team_draft};
use crate::experiment::ratio::{MISMATCH, sample_ratio};
use crate::experiment::size::Plan;
use crate::experiment::tally::Tally;

const DAYS: usize = 30;
const PROMISE: Promise = Promise { alpha: 0.05, planned: 3000.0 };

/// A reader of a site whose readers click on 8 % of what they are shown, each on another share.
struct Reader {
    variant: usize,
    taste: f64,
    shown: f64,
    clicked: f64,
}

/// What the looks of an experiment said.
#[derive(Default)]
struct Looks {
    found: bool,
    mismatch: bool,
    /// An interval that is only sound for one look.
    found_plainly: bool,
}

/// An experiment of two variants that are the same. Every day a hundred new readers, and one in five of those who were here
/// before; each is shown one to three pages of ten.
fn same_variants(number: u64) -> Looks {
    let mut rng = Pcg64Mcg::seed_from_u64(number);
    let tastes = Beta::new(0.8, 9.2).unwrap();
    let salt = format!("experiment {number}");
    let (mut readers, mut looks) = (Vec::<Reader>::new(), Looks::default());
    let mut tallies = [Tally::default(); 2];
    for _ in 0..DAYS {
        let known = readers.len();
        for user in known..known + 100 {
            let variant = assign(&salt, 1.0, &[0.5, 0.5], user as i64).unwrap();
            readers.push(Reader { variant, taste: tastes.sample(&mut rng), shown: 0.0, clicked: 0.0 });
        }
        for (number, reader) in readers.iter_mut().enumerate() {
            if number < known && !rng.random_bool(0.2) {
                continue;
            }
            let shown = 10 * rng.random_range(1..=3u64);
            let clicked = Binomial::new(shown, reader.taste).unwrap().sample(&mut rng);
            let tally = &mut tallies[reader.variant];
            let Reader { shown: before, clicked: well_before, .. } = *reader;
            reader.shown += shown as f64;
            reader.clicked += clicked as f64;
            tally.users += f64::from(u8::from(before == 0.0));
            tally.x += shown as f64;
            tally.y += clicked as f64;
            tally.xx += reader.shown * reader.shown - before * before;
            tally.xy += reader.shown * reader.clicked - before * well_before;
            tally.yy += reader.clicked * reader.clicked - well_before * well_before;
        }
        if let Some(comparison) = compare(&tallies[0], &tallies[1], PROMISE) {
            looks.found |= comparison.difference.low > 0.0 || comparison.difference.high < 0.0;
            let error = tallies.iter().map(|tally| tally.variance() / tally.users).sum::<f64>().sqrt();
            looks.found_plainly |= comparison.difference.estimate.abs() > 1.96 * error;
        }
        looks.mismatch |= sample_ratio(&[tallies[0].users, tallies[1].users], &[0.5, 0.5]) < MISMATCH;
    }
    looks
}

#[test]
fn of_a_thousand_experiments_without_a_difference_at_most_five_in_a_hundred_find_one() {
    let looks: Vec<Looks> = (0..1000).map(same_variants).collect();
    let count = |what: fn(&Looks) -> bool| looks.iter().filter(|looks| what(looks)).count();
    let (found, plainly, mismatches) =
        (count(|looks| looks.found), count(|looks| looks.found_plainly), count(|looks| looks.mismatch));
    println!("always valid: {found} of 1000; for one look: {plainly}; sample-ratio alarms: {mismatches}");
    assert!(found <= 50, "{found}");
    // Otherwise this test would pass whatever the intervals are.
    assert!(plainly > 150, "{plainly}");
    assert!(mismatches <= 5, "{mismatches}");
}

/// As many users as were planned come within thirty days; a gain of 10 % is looked for every day.
#[test]
fn a_gain_of_a_tenth_is_found_as_often_as_was_promised() {
    let (baseline, lift, power) = (0.08, 0.1, 0.8);
    let users = Plan { lift, power, alpha: 0.05 }.users_of_share(baseline).unwrap();
    let promise = Promise { alpha: 0.05, planned: 2.0 * users as f64 };
    let a_day = users.div_ceil(DAYS as u64);
    let (mut at_the_end, mut at_any_look) = (0, 0);
    for number in 0..1000 {
        let mut rng = Pcg64Mcg::seed_from_u64(number);
        let mut tallies = [Tally::default(); 2];
        let (mut found, mut ever) = (false, false);
        for _ in 0..DAYS {
            for (tally, rate) in tallies.iter_mut().zip([baseline, baseline * (1.0 + lift)]) {
                let (n, k) = (a_day as f64, Binomial::new(a_day, rate).unwrap().sample(&mut rng) as f64);
                // Each user is shown one thing.
                let Tally { users, x, y, xx, xy, yy } = *tally;
                *tally = Tally { users: users + n, x: x + n, y: y + k, xx: xx + n, xy: xy + k, yy: yy + k };
            }
            found = compare(&tallies[0], &tallies[1], promise).is_some_and(|c| c.difference.low > 0.0);
            ever |= found;
        }
        at_the_end += u32::from(found);
        at_any_look += u32::from(ever);
    }
    println!("{users} users per variant: found at the end {at_the_end} of 1000, at any look {at_any_look}");
    // Three standard errors of a share of a thousand are 3.8 %.
    assert!((762..=838).contains(&at_the_end), "{at_the_end}");
    assert!(at_any_look >= 800, "{at_any_look}");
}

/// Readers who click on what is good. The second ranking has a good item more than the first, or none.
fn interleaved(number: u64, is_better: bool, readers: i64) -> (bool, bool) {
    let mut rng = Pcg64Mcg::seed_from_u64(number);
    let promise = Promise { alpha: 0.05, planned: 1000.0 };
    let (mut votes, mut first_wins, mut second_wins) = (Votes::default(), false, false);
    for user in 0..readers {
        let order = |rng: &mut Pcg64Mcg| -> Vec<i64> { (0..5).map(|_| rng.random_range(0..20)).collect() };
        let (first, mut second) = (order(&mut rng), order(&mut rng));
        if is_better {
            second[0] = 0;
        }
        let (mut a, mut b) = (0.0, 0.0);
        for (item, team) in team_draft(&first, &second, 5, draft_seed("salt", user, number as i64)) {
            if rng.random_bool(if item < 3 { 0.4 } else { 0.05 }) {
                *(if team == Team::First { &mut a } else { &mut b }) += 1.0;
            }
        }
        votes.add(a, b);
        if user % 100 == 99
            && let Some(preference) = votes.preference(promise)
        {
            first_wins |= preference.high < 0.0;
            second_wins |= preference.low > 0.0;
        }
    }
    (first_wins, second_wins)
}

#[test]
fn interleaving_finds_the_better_ranking_and_none_where_both_are_equal() {
    let wrong = (0..500).filter(|number| interleaved(*number, false, 1500) != (false, false)).count();
    let right = (0..100).filter(|number| interleaved(*number, true, 1500) == (false, true)).count();
    println!("equal rankings: {wrong} of 500 told apart; a better one: {right} of 100 found");
    assert!(wrong <= 25 && right >= 90, "{wrong} {right}");
}

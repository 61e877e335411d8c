//! Cutting interactions into a training part and a hold-out.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::control::Control;
use crate::data::cut::Cut;
use crate::data::dataset::{Dataset, NONE};
use crate::error::Result;

/// How the hold-out is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SplitKind {
    /// Temporal where most interactions have a time, else by user.
    Auto,
    /// Everything after one moment.
    Temporal,
    /// A share of each user's interactions, by a hash of the pair: the same pairs in every run.
    ByUser,
}

impl SplitKind {
    /// As it is written in options and in the registry.
    pub fn name(self) -> &'static str {
        match self {
            SplitKind::Auto => "auto",
            SplitKind::Temporal => "temporal",
            SplitKind::ByUser => "by_user",
        }
    }

    pub fn from_name(name: &str) -> Option<SplitKind> {
        [SplitKind::Auto, SplitKind::Temporal, SplitKind::ByUser].into_iter().find(|kind| kind.name() == name)
    }
}

/// Which interactions are held out, exactly: what decides whether one model may be judged on the hold-out of another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum HeldOut {
    /// Everything later than this, in seconds since 1970.
    After(i64),
    /// The pairs whose hash is below this.
    Share(f64),
}

impl HeldOut {
    /// How it was cut.
    pub fn kind(&self) -> SplitKind {
        match self {
            HeldOut::After(_) => SplitKind::Temporal,
            HeldOut::Share(_) => SplitKind::ByUser,
        }
    }

    /// Whether everything that `other` holds out is held out here too, so that a model that was fitted around this has
    /// not learned from any of it.
    pub fn covers(&self, other: &HeldOut) -> bool {
        match (self, other) {
            (HeldOut::After(this), HeldOut::After(other)) => this <= other,
            (HeldOut::Share(this), HeldOut::Share(other)) => this >= other,
            _ => false,
        }
    }
}

/// A training part, and the liked items that were held out. The training part keeps all users and items.
#[derive(Debug, Clone)]
pub struct Split {
    pub held: HeldOut,
    pub train: Cut,
    /// By user, `users + 1` offsets into `items`.
    pub start: Vec<usize>,
    /// Indices of the held-out liked items, ascending for each user.
    pub items: Vec<u32>,
}

impl Split {
    /// The liked items of a user that were held out, ascending.
    pub fn held_out(&self, user: usize) -> &[u32] {
        &self.items[self.start[user]..self.start[user + 1]]
    }

    /// Users with a positive on both sides of the cut, ascending.
    pub fn users(&self) -> Vec<u32> {
        let mut users = self.train.users_with_likes();
        users.retain(|user| !self.held_out(*user as usize).is_empty());
        users
    }
}

/// Independent salts of the hold-out and of the validation part inside what is left.
pub const HOLDOUT_SALT: u64 = 1;
pub const VALIDATION_SALT: u64 = 2;

/// Holds out about `share` (0 to 1) of the interactions.
///
/// By user, a pair is held out if a hash of its two ids falls below the share. A pair that is held out once is held out
/// in every run, so that a model and its predecessor can be compared on pairs that neither has trained on. `salt` makes
/// a cut inside of a cut independent of it.
pub fn split(cut: &Cut, kind: SplitKind, share: f64, salt: u64) -> Split {
    let data = &cut.data;
    let is_temporal = match kind {
        SplitKind::Auto => mostly_timed(data),
        fixed => fixed == SplitKind::Temporal,
    };
    let held = if is_temporal { HeldOut::After(quantile_of_time(data, 1.0 - share)) } else { HeldOut::Share(share) };
    hold_out(cut, held, salt)
}

/// Holds out exactly what `held` says.
pub fn hold_out(cut: &Cut, held: HeldOut, salt: u64) -> Split {
    let (data, feedback) = (&cut.data, &cut.feedback);
    let events = &data.events;
    let is_held = |user: usize, i: usize| match held {
        HeldOut::After(last) => events.at[i] > last,
        HeldOut::Share(share) => hash_share(data.users[user], data.items[events.item[i] as usize], salt) < share,
    };
    let train = data.with_events(events.select(|u, i| !is_held(u, i), |item| item));
    let test = events.select(|u, i| is_held(u, i) && feedback.positive(&events.get(i)), |item| item);
    Split { held, train: Cut::new(train, feedback.positive_stars), start: test.start, items: test.item }
}

/// At most `most` of the users, spread evenly.
pub fn sample(users: &[u32], most: usize) -> Vec<u32> {
    let n = users.len();
    if n <= most {
        return users.to_vec();
    }
    (0..most).map(|i| users[i * n / most]).collect()
}

/// A number in [0,1) that depends on the pair of ids and on the salt only.
pub fn hash_share(user: i64, item: i64, salt: u64) -> f64 {
    let mut key = [0u8; 16];
    key[..8].copy_from_slice(&user.to_le_bytes());
    key[8..].copy_from_slice(&item.to_le_bytes());
    (xxh3_64_with_seed(&key, salt) >> 11) as f64 / (1u64 << 53) as f64
}

fn mostly_timed(data: &Dataset) -> bool {
    let timed = data.events.at.iter().filter(|at| **at != NONE).count();
    // Nine in ten: a site that added the column later has old interactions without a time.
    timed * 10 >= data.events.len() * 9 && quantile_of_time(data, 0.8) < data.latest
}

/// The time that a share `q` of the timed interactions does not exceed; [`NONE`] where nothing has a time.
fn quantile_of_time(data: &Dataset, q: f64) -> i64 {
    let mut times: Vec<i64> = data.events.at.iter().copied().filter(|at| *at != NONE).collect();
    if times.is_empty() {
        return NONE;
    }
    let rank = ((times.len() - 1) as f64 * q) as usize;
    *times.select_nth_unstable(rank).1
}

/// The k-core: users and items (ascending indices) that have at least `min` positives among each other. It takes time
/// in proportion to the positives: whoever falls below `min` leaves once, and is taken off the counts of its row.
///
/// # Errors
/// [`crate::Error::Stopped`].
pub fn core(cut: &Cut, min: usize, control: &Control) -> Result<(Vec<u32>, Vec<u32>)> {
    let by_user = cut.liked();
    let by_item = by_user.transpose_view().to_csr();
    let users = by_user.rows();
    // Users first, then items.
    let counts = by_user.outer_iterator().chain(by_item.outer_iterator());
    let mut count: Vec<usize> = counts.map(|row| row.nnz()).collect();
    let mut leaving: Vec<usize> = (0..count.len()).filter(|node| count[*node] < min).collect();
    let mut inside: Vec<bool> = count.iter().map(|count| *count >= min).collect();
    while let Some(node) = leaving.pop() {
        control.check()?;
        let (row, offset) = match node.checked_sub(users) {
            None => (by_user.outer_view(node), users),
            Some(item) => (by_item.outer_view(item), 0),
        };
        for other in row.iter().flat_map(|row| row.indices()).map(|other| *other as usize + offset) {
            count[other] -= 1;
            if inside[other] && count[other] < min {
                inside[other] = false;
                leaving.push(other);
            }
        }
    }
    let members = |inside: &[bool]| (0..inside.len() as u32).filter(|i| inside[*i as usize]).collect();
    Ok((members(&inside[..users]), members(&inside[users..])))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::dataset::{Ratings, Sources};

    fn ratings(rows: &[(i64, i64, f32, i64)]) -> Cut {
        let ratings = Ratings {
            user: rows.iter().map(|r| r.0).collect(),
            item: rows.iter().map(|r| r.1).collect(),
            stars: rows.iter().map(|r| r.2).collect(),
            at: rows.iter().map(|r| r.3).collect(),
            key: vec![],
        };
        Cut::new(Dataset::build(Sources { ratings, ..Sources::default() }).unwrap(), 4.0)
    }

    fn grid(users: i64, items: i64, at: impl Fn(i64) -> i64) -> Cut {
        let pairs = (0..users * items).map(|n| (n / items, n % items, 5.0, at(n)));
        ratings(&pairs.collect::<Vec<_>>())
    }

    #[test]
    fn every_pair_is_on_exactly_one_side_of_the_cut() {
        let data = grid(50, 40, |_| NONE);
        let cut = split(&data, SplitKind::Auto, 0.2, 1);
        assert_eq!(cut.held.kind(), SplitKind::ByUser);
        assert_eq!(cut.train.data.events.len() + cut.items.len(), 2000);
        assert!((300..500).contains(&cut.items.len()), "{}", cut.items.len());
        for user in 0..50 {
            assert!(cut.held_out(user).iter().all(|i| !cut.train.data.events.row(user).item.contains(i)));
        }
    }

    #[test]
    fn a_held_out_pair_stays_held_out_when_the_data_grow() {
        let (small, large) = (grid(20, 40, |_| NONE), grid(30, 40, |_| NONE));
        let before = split(&small, SplitKind::ByUser, 0.2, 1);
        let after = split(&large, SplitKind::ByUser, 0.2, 1);
        assert!((0..20).all(|u| before.held_out(u) == after.held_out(u)));
    }

    #[test]
    fn a_temporal_cut_is_at_one_moment_for_all() {
        let data = grid(10, 100, |n| n * 60);
        let cut = split(&data, SplitKind::Auto, 0.2, 1);
        assert_eq!(cut.held.kind(), SplitKind::Temporal);
        assert_eq!(cut.train.data.latest, 799 * 60);
        assert_eq!(cut.items.len(), 200);
    }

    #[test]
    fn a_hold_out_covers_what_lies_within_it() {
        let (after, share) = (HeldOut::After, HeldOut::Share);
        assert!(after(5).covers(&after(5)) && after(5).covers(&after(9)) && !after(5).covers(&after(4)));
        assert!(share(0.2).covers(&share(0.2)) && share(0.3).covers(&share(0.2)) && !share(0.2).covers(&share(0.3)));
        assert!(!after(5).covers(&share(0.2)) && !share(0.2).covers(&after(5)));
        let data = grid(10, 100, |n| n * 60);
        assert_eq!(split(&data, SplitKind::Auto, 0.2, 1).held, after(799 * 60));
    }

    #[test]
    fn one_moment_for_all_is_not_a_time() {
        assert_eq!(split(&grid(10, 10, |_| 5), SplitKind::Auto, 0.2, 1).held.kind(), SplitKind::ByUser);
    }

    #[test]
    fn disliked_items_are_held_out_but_never_relevant() {
        let data = ratings(&(0..100).map(|i| (1, i, 1.0, NONE)).collect::<Vec<_>>());
        let cut = split(&data, SplitKind::ByUser, 0.5, 1);
        assert!(cut.items.is_empty() && cut.train.data.events.len() < 100);
    }

    /// User u likes the items u and u + 1, so that only one user and one item leave in each round from either end.
    fn chain(users: i64) -> Cut {
        ratings(&(0..users).flat_map(|user| [(user, user, 5.0, NONE), (user, user + 1, 5.0, NONE)]).collect::<Vec<_>>())
    }

    #[test]
    fn a_long_chain_is_peeled_in_linear_time_and_can_be_stopped() {
        let data = chain(200_000);
        let begun = std::time::Instant::now();
        assert_eq!(core(&data, 2, &Control::default()).unwrap(), (vec![], vec![]));
        // In rounds over everything it took minutes.
        assert!(begun.elapsed().as_secs() < 5, "{:?}", begun.elapsed());
        let stopped = Control::default();
        stopped.stop();
        assert!(matches!(core(&data, 2, &stopped), Err(crate::Error::Stopped)));
    }

    #[test]
    fn the_core_is_found_by_peeling() {
        // User 3 is the only one who likes item 9. Without that item user 3 has too few.
        let data = ratings(&[
            (1, 1, 5.0, NONE),
            (1, 2, 5.0, NONE),
            (2, 1, 5.0, NONE),
            (2, 2, 4.0, NONE),
            (3, 9, 5.0, NONE),
            (3, 1, 5.0, NONE),
            (4, 2, 1.0, NONE),
        ]);
        let of = |min| core(&data, min, &Control::default()).unwrap();
        assert_eq!(of(2), (vec![0, 1], vec![0, 1]));
        assert_eq!(of(9), (vec![], vec![]));
    }
}

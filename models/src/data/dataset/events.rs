//! Interactions in compressed rows, and how reviews and favourites are merged into them.

use super::sources::NONE;

/// A review with at most this number of stars says that the reader did not like the item.
pub const DISLIKED_STARS: f32 = 2.0;

/// Interactions by user: one per (user, item), sorted by item. A review and a favourite of one pair are merged.
///
/// All columns but `start` have one element per interaction.
#[derive(Debug, Default, Clone)]
pub struct Events {
    /// `users + 1` offsets into the other columns: those of a user lie between two of them.
    pub start: Vec<usize>,
    /// Index of the item.
    pub item: Vec<u32>,
    /// 1 to 5, or 0 without a review.
    pub stars: Vec<f32>,
    pub favorite: Vec<bool>,
    /// Seconds since 1970 of the latest of all, or [`crate::NONE`].
    pub at: Vec<i64>,
    /// What signals add to the weight of the pair; [`AGAINST`] where the latest statement is against the item. Empty where
    /// there are no signals.
    pub signal: Vec<f32>,
}

/// Stands for a statement against an item, among the weights of signals.
pub const AGAINST: f32 = -1.0;
/// The most that the signals of one user for one item weigh together: a thousand plays must not drown all other users.
const MOST_SIGNALS: f32 = 100.0;

/// What one user has said of one item.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Statement {
    /// 1 to 5, or 0 without a review.
    pub stars: f32,
    pub favorite: bool,
    /// As [`Events::signal`].
    pub signal: f32,
    /// Seconds since 1970, or [`crate::NONE`].
    pub at: i64,
}

impl Statement {
    /// Whether it is one of liking without a review: a favourite, or signals.
    pub fn is_marked(&self) -> bool {
        self.favorite || self.signal > 0.0
    }

    /// Whether the user does not like the item.
    pub fn is_against(&self) -> bool {
        self.signal < 0.0 || self.stars > 0.0 && self.stars <= DISLIKED_STARS
    }
}

/// One user's interactions, ascending by item; slices that are equally long.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    pub item: &'a [u32],
    pub stars: &'a [f32],
    pub favorite: &'a [bool],
    pub at: &'a [i64],
    /// Empty where there are no signals.
    pub signal: &'a [f32],
}

impl Row<'_> {
    pub fn len(&self) -> usize {
        self.item.len()
    }

    pub fn is_empty(&self) -> bool {
        self.item.is_empty()
    }

    /// What is said of the item at this place.
    #[inline]
    pub fn get(&self, place: usize) -> Statement {
        Statement {
            stars: self.stars[place],
            favorite: self.favorite[place],
            signal: self.signal.get(place).copied().unwrap_or(0.0),
            at: self.at[place],
        }
    }
}

impl Events {
    pub fn users(&self) -> usize {
        self.start.len().saturating_sub(1)
    }

    pub fn len(&self) -> usize {
        self.item.len()
    }

    pub fn is_empty(&self) -> bool {
        self.item.is_empty()
    }

    pub fn row(&self, user: usize) -> Row<'_> {
        let range = self.start[user]..self.start[user + 1];
        Row {
            item: &self.item[range.clone()],
            stars: &self.stars[range.clone()],
            favorite: &self.favorite[range.clone()],
            at: &self.at[range.clone()],
            signal: self.signal.get(range).unwrap_or(&[]),
        }
    }

    /// What is said in the interaction at this place, of all users'.
    pub fn get(&self, place: usize) -> Statement {
        self.all().get(place)
    }

    fn all(&self) -> Row<'_> {
        let Events { item, stars, favorite, at, signal, .. } = self;
        Row { item, stars, favorite, at, signal }
    }

    /// The interactions for which `keep(user, index)` holds, for the same users; items renumbered by `renumber`.
    pub fn select(&self, keep: impl Fn(usize, usize) -> bool, renumber: impl Fn(u32) -> u32) -> Events {
        let mut out = Events { start: Vec::with_capacity(self.start.len()), ..Events::default() };
        out.start.push(0);
        for user in 0..self.users() {
            for i in self.start[user]..self.start[user + 1] {
                if keep(user, i) {
                    out.push(renumber(self.item[i]), self.get(i));
                }
            }
            out.start.push(out.item.len());
        }
        out
    }

    /// Merges interactions that are sorted by [`Interaction::order`]. The later statement counts: a review with few stars
    /// withdraws favourites and signals, and what is against the item all that was said before. Where either has no time, what
    /// is for the item stands against few stars, and what is against it against everything.
    pub(super) fn from_sorted(interactions: &[Interaction], users: usize) -> Events {
        let mut events = Events { start: vec![0; users + 1], ..Events::default() };
        for pair in interactions.chunk_by(|a, b| (a.user, a.item) == (b.user, b.item)) {
            events.push(pair[0].item, merged(pair));
            events.start[pair[0].user as usize + 1] += 1;
        }
        for user in 0..users {
            events.start[user + 1] += events.start[user];
        }
        events
    }

    pub(super) fn push(&mut self, item: u32, statement: Statement) {
        if statement.signal != 0.0 && self.signal.is_empty() {
            self.signal.resize(self.item.len(), 0.0);
        }
        if statement.signal != 0.0 || !self.signal.is_empty() {
            self.signal.push(statement.signal);
        }
        self.item.push(item);
        self.stars.push(statement.stars);
        self.favorite.push(statement.favorite);
        self.at.push(statement.at);
    }
}

/// What a row of a source says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Said {
    Favorite,
    /// A weight: more than 0 is for the item, less is against it, 0 says that the item was seen.
    Signal(f32),
    /// 1 to 5.
    Stars(f32),
}

impl Said {
    fn order(&self) -> (u8, f32) {
        match *self {
            Said::Favorite => (0, 0.0),
            Said::Signal(weight) => (1, weight),
            Said::Stars(stars) => (2, stars),
        }
    }
}

/// A review, a favourite or a signal, as it was read.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Interaction {
    pub user: u32,
    pub item: u32,
    pub at: i64,
    /// [`NONE`] without one.
    pub key: i64,
    pub said: Said,
}

impl Interaction {
    /// By user, item, time and key, so that the latest review of a pair comes last. What is said breaks ties, so that the
    /// result does not depend on the order of reading.
    pub fn order(&self, other: &Interaction) -> std::cmp::Ordering {
        let ((kind, value), (other_kind, other_value)) = (self.said.order(), other.said.order());
        (self.user, self.item, self.at, self.key)
            .cmp(&(other.user, other.item, other.at, other.key))
            .then(kind.cmp(&other_kind))
            .then(value.total_cmp(&other_value))
    }
}

/// The rows of one pair in their order as one statement.
fn merged(rows: &[Interaction]) -> Statement {
    let mut all = Statement { stars: 0.0, favorite: false, signal: 0.0, at: NONE };
    let (mut favored_at, mut signalled_at, mut against) = (NONE, NONE, None);
    for row in rows {
        all.at = all.at.max(row.at);
        let is_later = |than: i64| than != NONE && row.at > than;
        let stands = against.is_some_and(|at| !is_later(at));
        match row.said {
            Said::Stars(stars) => {
                all.stars = stars;
                if stars <= DISLIKED_STARS {
                    all.favorite &= !is_later(favored_at);
                    all.signal = if is_later(signalled_at) { 0.0 } else { all.signal };
                } else if !stands {
                    against = None;
                }
            }
            Said::Signal(weight) if weight < 0.0 => {
                (all.favorite, all.signal) = (false, 0.0);
                against = Some(row.at);
            }
            Said::Signal(0.0) => {}
            _ if stands => {}
            Said::Favorite => {
                (all.favorite, against) = (true, None);
                favored_at = row.at;
            }
            Said::Signal(weight) => {
                all.signal = (all.signal + weight).min(MOST_SIGNALS);
                against = None;
                signalled_at = row.at;
            }
        }
    }
    Statement { signal: if against.is_some() { AGAINST } else { all.signal }, ..all }
}

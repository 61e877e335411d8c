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
    /// Seconds since 1970 of the latest of the two, or [`crate::NONE`].
    pub at: Vec<i64>,
}

/// One user's interactions, ascending by item; slices that are equally long.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    pub item: &'a [u32],
    pub stars: &'a [f32],
    pub favorite: &'a [bool],
    pub at: &'a [i64],
}

impl Row<'_> {
    pub fn len(&self) -> usize {
        self.item.len()
    }

    pub fn is_empty(&self) -> bool {
        self.item.is_empty()
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
            at: &self.at[range],
        }
    }

    /// The interactions for which `keep(user, index)` holds, for the same users; items renumbered by `renumber`.
    pub fn select(&self, keep: impl Fn(usize, usize) -> bool, renumber: impl Fn(u32) -> u32) -> Events {
        let mut out = Events { start: Vec::with_capacity(self.start.len()), ..Events::default() };
        out.start.push(0);
        for user in 0..self.users() {
            for i in self.start[user]..self.start[user + 1] {
                if keep(user, i) {
                    out.push(renumber(self.item[i]), self.stars[i], self.favorite[i], self.at[i]);
                }
            }
            out.start.push(out.item.len());
        }
        out
    }

    /// Merges interactions that are sorted by [`Interaction::order`]. A later review with few stars withdraws a favourite;
    /// where either has no time, the favourite stands.
    pub(super) fn from_sorted(interactions: &[Interaction], users: usize) -> Events {
        let mut events = Events { start: vec![0; users + 1], ..Events::default() };
        let (mut pair, mut favored_at) = (None, NONE);
        for interaction in interactions {
            if pair != Some((interaction.user, interaction.item)) {
                pair = Some((interaction.user, interaction.item));
                favored_at = NONE;
                events.push(interaction.item, 0.0, false, interaction.at);
                events.start[interaction.user as usize + 1] += 1;
            }
            let last = events.item.len() - 1;
            events.at[last] = events.at[last].max(interaction.at);
            if interaction.stars > 0.0 {
                events.stars[last] = interaction.stars;
                let is_later = favored_at != NONE && interaction.at > favored_at;
                events.favorite[last] &= !(is_later && interaction.stars <= DISLIKED_STARS);
            } else {
                events.favorite[last] = true;
                favored_at = interaction.at;
            }
        }
        for user in 0..users {
            events.start[user + 1] += events.start[user];
        }
        events
    }

    pub(super) fn push(&mut self, item: u32, stars: f32, favorite: bool, at: i64) {
        self.item.push(item);
        self.stars.push(stars);
        self.favorite.push(favorite);
        self.at.push(at);
    }
}

/// A review or a favourite, as it was read.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Interaction {
    pub user: u32,
    pub item: u32,
    pub at: i64,
    /// [`NONE`] for a favourite, and without one.
    pub key: i64,
    /// 0: a favourite.
    pub stars: f32,
}

impl Interaction {
    /// By user, item, time and key, so that the latest review of a pair comes last. Stars break ties, so that the result does
    /// not depend on the order of reading.
    pub fn order(&self, other: &Interaction) -> std::cmp::Ordering {
        (self.user, self.item, self.at, self.key)
            .cmp(&(other.user, other.item, other.at, other.key))
            .then(self.stars.total_cmp(&other.stars))
    }
}

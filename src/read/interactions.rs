//! What the sources say of one user now.

use std::cell::Cell;

use reco_models::{Favorites, History, NONE, Ratings, Signals};

use super::record::{Account, Favorite, Rating, STARS, Signal};
use crate::failure::Outcome;
use crate::pg::notice;
use crate::site::{RatingSource, Site, Source};

thread_local! {
    /// Whether this session was told of a review that is out of range.
    static WARNED: Cell<bool> = const { Cell::new(false) };
}

/// What one user reviewed.
#[derive(Default)]
pub struct Reviews {
    pub ratings: Ratings,
    /// Items with a review whose stars are missing or out of range: they count as seen.
    pub without_stars: Vec<i64>,
}

/// What one user said of items.
#[derive(Default)]
pub(super) struct Interactions {
    pub reviews: Reviews,
    pub favorites: Favorites,
    pub signals: Signals,
}

impl Interactions {
    /// Ids of everything reviewed, favoured or in an event, ascending.
    pub fn seen(&self) -> Vec<i64> {
        let Interactions { reviews, favorites, signals } = self;
        let mut seen =
            [reviews.ratings.item.as_slice(), &reviews.without_stars, &favorites.item, &signals.item].concat();
        seen.sort_unstable();
        seen.dedup();
        seen
    }

    /// Merged, items by their places among those that are seen.
    pub fn history(&self, seen: &[i64]) -> History {
        let index = |id: i64| seen.binary_search(&id).ok().map(|index| index as u32);
        History::new(&self.reviews.ratings, &self.favorites, &self.signals, index)
    }

    /// Ids of the items that a signal is against, and nothing that was said later is for.
    pub fn discarded(&self, seen: &[i64]) -> Vec<i64> {
        if self.signals.weight.iter().all(|weight| *weight >= 0.0) {
            return Vec::new();
        }
        let history = self.history(seen);
        let row = history.row();
        let discarded = (0..row.len()).filter(|place| row.get(*place).signal < 0.0);
        discarded.map(|place| seen[row.item[place] as usize]).collect()
    }

    /// An event whose type has no weight says nothing.
    pub fn add_signal(&mut self, signal: &Signal) {
        if let Some(weight) = signal.weight {
            signal.append(weight, &mut self.signals);
        }
    }
}

impl Site<'_> {
    pub(super) fn interactions_of(&self, user: i64) -> Outcome<Interactions> {
        let mut all = Interactions { reviews: self.reviews_of(user)?, ..Interactions::default() };
        if let Some(source) = self.mapping.favorites() {
            self.of_key::<Favorite>(source, &source.user, user)?.iter().for_each(|row| row.append(&mut all.favorites));
        }
        if let Some(source) = self.mapping.events() {
            self.of_key::<Signal>(source, &source.user, user)?.iter().for_each(|row| all.add_signal(row));
        }
        Ok(all)
    }

    pub fn reviews_of(&self, user: i64) -> Outcome<Reviews> {
        let mut reviews = Reviews::default();
        let Some(source) = self.mapping.ratings() else { return Ok(reviews) };
        for rating in self.of_key::<Rating>(source, &source.user, user)? {
            self.add_review(source, &mut reviews, rating);
        }
        Ok(reviews)
    }

    /// Adds what was read to the reviews of its user.
    pub(super) fn add_review(&self, source: &RatingSource, reviews: &mut Reviews, rating: Rating) {
        let Some(stars) = rating.stars.filter(|stars| STARS.contains(stars)) else {
            reviews.without_stars.push(rating.item);
            if rating.stars.is_some() {
                self.warn_of_invalid_stars(source, rating.user, rating.item);
            }
            return;
        };
        rating.append(stars, &mut reviews.ratings);
    }

    /// Once in a session: one row must not fill the log of a busy site.
    fn warn_of_invalid_stars(&self, source: &RatingSource, user: i64, item: i64) {
        if WARNED.replace(true) {
            return;
        }
        let (column, table) = (source.stars.quoted(), source.table().quoted());
        let text = format!(
            "{column} of {table} is not 1 to 5 in the review of item {item} by user {user}: it counts as seen, not as stars"
        );
        notice::warn(&text, "Correct the row; trainings skip it.");
    }

    /// When a user registered: seconds since 1970, or [`NONE`].
    pub fn registered(&self, user: i64) -> Outcome<i64> {
        let Some(source) = self.mapping.users() else { return Ok(NONE) };
        let accounts = self.of_key::<Account>(source, &source.id, user)?;
        Ok(accounts.first().map_or(NONE, |account| account.since))
    }
}

//! What the sources say of one user now.

use std::cell::Cell;

use reco_models::{Favorites, NONE, Ratings};

use super::record::{Account, Favorite, Rating, STARS};
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

impl Site<'_> {
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
        let ratings = &mut reviews.ratings;
        ratings.user.push(rating.user);
        ratings.item.push(rating.item);
        ratings.stars.push(stars);
        ratings.at.push(rating.at);
        ratings.key.push(rating.key);
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

    pub fn favorites_of(&self, user: i64) -> Outcome<Favorites> {
        let mut favorites = Favorites::default();
        let Some(source) = self.mapping.favorites() else { return Ok(favorites) };
        self.of_key::<Favorite>(source, &source.user, user)?
            .into_iter()
            .for_each(|favorite| add_favorite(&mut favorites, favorite));
        Ok(favorites)
    }

    /// When a user registered: seconds since 1970, or [`NONE`].
    pub fn registered(&self, user: i64) -> Outcome<i64> {
        let Some(source) = self.mapping.users() else { return Ok(NONE) };
        let accounts = self.of_key::<Account>(source, &source.id, user)?;
        Ok(accounts.first().map_or(NONE, |account| account.since))
    }
}

pub(super) fn add_favorite(favorites: &mut Favorites, favorite: Favorite) {
    favorites.user.push(favorite.user);
    favorites.item.push(favorite.item);
    favorites.at.push(favorite.at);
}

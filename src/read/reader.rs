//! A user with everything that the sources say of one now, as the model or the rules need it.

use reco_models::{Favorites, Feedback, History, Model, NONE, Ratings, Taste, User, fingerprint};

use super::interactions::Reviews;
use super::items::FoundItems;
use crate::failure::Outcome;
use crate::pg::session;
use crate::site::{Served, Site};
use crate::store::{self, UserFactor};

/// A reader as a model sees one.
pub struct ModelReader {
    pub history: History,
    /// Ids of everything reviewed or favoured, ascending.
    pub seen: Vec<i64>,
    registered: i64,
    /// The trained vector, if the interactions are still those that it was trained on.
    stored: Option<Vec<f32>>,
}

impl ModelReader {
    /// Ids of what the latest review is against, which no reason names, though it may be a favourite.
    pub fn disliked(&self, model: &Model) -> Vec<i64> {
        self.history.disliked().into_iter().map(|item| model.items().id[item as usize]).collect()
    }

    /// Ready to be scored by that model.
    pub fn user(&self, model: &Model) -> Outcome<User<'_>> {
        Ok(model.user(self.history.row(), self.registered, self.stored.clone())?)
    }
}

/// Reviews with at least this number of stars count as liked where no model says otherwise.
const LIKED_STARS: f32 = 4.0;

/// A reader as the rules see one.
pub struct RulesReader {
    /// Ids of everything reviewed or favoured, ascending.
    pub seen: Vec<i64>,
    /// Liked items that the catalogue has.
    pub liked: FoundItems,
    /// Ids of what the latest review is against: no reason names it, though it may be a favourite.
    pub disliked: Vec<i64>,
    pub taste: Taste,
    /// The time of the transaction in seconds since 1970, which decides what is new.
    pub now: i64,
}

impl Site<'_> {
    pub fn reader(&self, served: &Served, user: i64) -> Outcome<ModelReader> {
        let (reviews, favorites) = (self.reviews_of(user)?, self.favorites_of(user)?);
        let stored = store::user_factor(self.connection, served.version, user)?;
        Ok(self.model_reader(&served.model, &reviews, &favorites, self.registered(user)?, stored))
    }

    /// A reader of whom everything was read. `stored`: the trained vector, and what it was trained on.
    pub(super) fn model_reader(
        &self,
        model: &Model,
        reviews: &Reviews,
        favorites: &Favorites,
        registered: i64,
        stored: Option<UserFactor>,
    ) -> ModelReader {
        let history = model.history(&reviews.ratings, favorites);
        let ids = &model.items().id;
        let print = fingerprint(history.row(), |item| ids[item as usize]);
        let stored = stored
            // Whether the two are equal is told to nobody who does not read both: see `reads_what_was_trained_on`.
            .filter(|_| self.reads_what_was_trained_on())
            // An interaction with an item that the model does not know is a change too, though it cannot be folded in.
            .filter(|stored| stored.fingerprint == print && history.unknown == 0)
            .map(|stored| stored.factor)
            .filter(|factor| factor.len() == model.factors());
        ModelReader { history, seen: seen(reviews, favorites), registered, stored }
    }

    /// Somebody of whom only the liked items are known, as if all were favourites of this moment.
    pub fn guest(&self, served: &Served, liked: &[i64]) -> ModelReader {
        let favorites = guests_favorites(liked);
        let history = served.model.history(&Ratings::default(), &favorites);
        ModelReader { history, seen: seen(&Reviews::default(), &favorites), registered: NONE, stored: None }
    }

    /// The same, as the rules see one.
    pub fn rules_guest(&self, liked: &[i64]) -> Outcome<RulesReader> {
        let favorites = guests_favorites(liked);
        let liked = self.items(favorites.item.clone())?;
        let taste = Taste::of(liked.as_slice().iter().map(|(_, info)| info));
        let seen = seen(&Reviews::default(), &favorites);
        Ok(RulesReader { seen, liked, disliked: Vec::new(), taste, now: session::now() })
    }

    pub fn rules_reader(&self, user: i64) -> Outcome<RulesReader> {
        let (reviews, favorites) = (self.reviews_of(user)?, self.favorites_of(user)?);
        let seen = seen(&reviews, &favorites);
        let index = |id: i64| seen.binary_search(&id).ok().map(|index| index as u32);
        let history = History::new(&reviews.ratings, &favorites, index);
        let feedback = Feedback { positive_stars: LIKED_STARS, now: NONE };
        let ids = |items: Vec<u32>| -> Vec<i64> { items.into_iter().map(|item| seen[item as usize]).collect() };
        let disliked = ids(history.disliked());
        let liked = self.items(ids(feedback.positives(history.row()).map(|(item, _)| item).collect()))?;
        let taste = Taste::of(liked.as_slice().iter().map(|(_, info)| info));
        Ok(RulesReader { seen, liked, disliked, taste, now: session::now() })
    }
}

fn guests_favorites(liked: &[i64]) -> Favorites {
    let mut item = liked.to_vec();
    item.sort_unstable();
    item.dedup();
    Favorites { user: vec![0; item.len()], at: vec![session::now(); item.len()], item }
}

fn seen(reviews: &Reviews, favorites: &Favorites) -> Vec<i64> {
    let mut seen = [reviews.ratings.item.as_slice(), &reviews.without_stars, &favorites.item].concat();
    seen.sort_unstable();
    seen.dedup();
    seen
}

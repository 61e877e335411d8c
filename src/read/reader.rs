//! A user with everything that the sources say of one now, as the model or the rules need it.

use reco_models::{Favorites, Feedback, History, Model, NONE, Ratings, Signals, Taste, User, fingerprint};

use super::interactions::Interactions;
use super::items::FoundItems;
use crate::failure::Outcome;
use crate::pg::session;
use crate::site::{Served, Site};
use crate::store::{self, UserFactor};

/// A reader as a model sees one.
pub struct ModelReader {
    pub history: History,
    /// Ids of everything reviewed, favoured or in an event, ascending.
    pub seen: Vec<i64>,
    /// Ids of what the user has discarded by an event, ascending: never listed.
    pub discarded: Vec<i64>,
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
    /// As [`ModelReader::seen`].
    pub seen: Vec<i64>,
    /// As [`ModelReader::discarded`].
    pub discarded: Vec<i64>,
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
        let all = self.interactions_of(user)?;
        let stored = store::user_factor(self.connection, served.version, user)?;
        let stored = stored.filter(|_| self.reads_what_was_trained_on());
        Ok(self.model_reader(&served.model, &all, self.registered(user)?, stored))
    }

    /// A reader of whom everything was read. `stored`: the trained vector, and what it was trained on; whether the two are
    /// equal is told to nobody who does not read both, so it is None unless [`Site::reads_what_was_trained_on`].
    pub(super) fn model_reader(
        &self,
        model: &Model,
        all: &Interactions,
        registered: i64,
        stored: Option<UserFactor>,
    ) -> ModelReader {
        let history = model.history(&all.reviews.ratings, &all.favorites, &all.signals);
        let ids = &model.items().id;
        let print = fingerprint(history.row(), |item| ids[item as usize]);
        let stored = stored
            // An interaction with an item that the model does not know is a change too, though it cannot be folded in.
            .filter(|stored| stored.fingerprint == print && history.unknown == 0)
            .map(|stored| stored.factor)
            .filter(|factor| factor.len() == model.factors());
        let seen = all.seen();
        ModelReader { history, discarded: all.discarded(&seen), seen, registered, stored }
    }

    /// Somebody of whom only the liked items are known, as if all were favourites of this moment.
    pub fn guest(&self, served: &Served, liked: &[i64]) -> ModelReader {
        let favorites = guests_favorites(liked);
        let history = served.model.history(&Ratings::default(), &favorites, &Signals::default());
        ModelReader { history, seen: favorites.item, discarded: Vec::new(), registered: NONE, stored: None }
    }

    /// The same, as the rules see one.
    pub fn rules_guest(&self, liked: &[i64]) -> Outcome<RulesReader> {
        let favorites = guests_favorites(liked);
        let liked = self.items(favorites.item.clone())?;
        let taste = Taste::of(liked.as_slice().iter().map(|(_, info)| info));
        let (seen, discarded, disliked) = (favorites.item, Vec::new(), Vec::new());
        Ok(RulesReader { seen, discarded, liked, disliked, taste, now: session::now() })
    }

    pub fn rules_reader(&self, user: i64) -> Outcome<RulesReader> {
        let all = self.interactions_of(user)?;
        let seen = all.seen();
        let (discarded, history) = (all.discarded(&seen), all.history(&seen));
        let feedback = Feedback { positive_stars: LIKED_STARS, now: NONE };
        let ids = |items: Vec<u32>| -> Vec<i64> { items.into_iter().map(|item| seen[item as usize]).collect() };
        let disliked = ids(history.disliked());
        let liked = self.items(ids(feedback.positives(history.row()).map(|(item, _)| item).collect()))?;
        let taste = Taste::of(liked.as_slice().iter().map(|(_, info)| info));
        Ok(RulesReader { seen, discarded, liked, disliked, taste, now: session::now() })
    }
}

fn guests_favorites(liked: &[i64]) -> Favorites {
    let mut item = liked.to_vec();
    item.sort_unstable();
    item.dedup();
    Favorites { user: vec![0; item.len()], at: vec![session::now(); item.len()], item }
}

//! One user's interactions at query time.

use super::events::{Events, Interaction, Row, Said};
use super::sources::{Favorites, NONE, Ratings, Signals};

/// One user's interactions as they are now, merged as in training.
#[derive(Debug, Default, Clone)]
pub struct History {
    events: Events,
    /// Interactions with items that the model does not know.
    pub unknown: usize,
}

impl History {
    /// `index` gives an item's index in the model, None for an item that the model does not know. The columns `user` are
    /// not looked at. Reviews with stars outside of 1 to 5 are left out.
    ///
    /// Runs in the calling thread only: a backend must not start threads to answer a query.
    pub fn new(
        ratings: &Ratings,
        favorites: &Favorites,
        signals: &Signals,
        index: impl Fn(i64) -> Option<u32>,
    ) -> History {
        let rated = (0..ratings.item.len())
            .filter(|i| (1.0..=5.0).contains(&ratings.stars[*i]))
            .map(|i| (ratings.item[i], ratings.at[i], ratings.key(i), Said::Stars(ratings.stars[i])));
        let favored = (0..favorites.item.len()).map(|i| (favorites.item[i], favorites.at[i], NONE, Said::Favorite));
        let signalled =
            (0..signals.item.len()).map(|i| (signals.item[i], signals.at[i], NONE, Said::Signal(signals.weight[i])));
        let mut unknown = 0;
        let mut interactions = Vec::new();
        for (id, at, key, said) in rated.chain(favored).chain(signalled) {
            match index(id) {
                Some(item) => interactions.push(Interaction { user: 0, item, at, key, said }),
                None => unknown += 1,
            }
        }
        interactions.sort_unstable_by(Interaction::order);
        History { events: Events::from_sorted(&interactions, 1), unknown }
    }

    /// The items that the latest statement of the user is against, ascending: few stars, or a signal.
    pub fn disliked(&self) -> Vec<u32> {
        let row = self.row();
        (0..row.len()).filter(|place| row.get(*place).is_against()).map(|place| row.item[place]).collect()
    }

    /// The interactions with items that the model knows.
    pub fn row(&self) -> Row<'_> {
        self.events.row(0)
    }
}

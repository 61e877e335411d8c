//! What the sources say of one user now.

use reco_models::{Favorites, NONE, Ratings};

use super::record::{Account, Favorite, Rating};
use crate::failure::Outcome;
use crate::site::Site;

impl Site<'_> {
    pub fn ratings_of(&self, user: i64) -> Outcome<Ratings> {
        let mut ratings = Ratings::default();
        let Some(source) = self.mapping.ratings() else { return Ok(ratings) };
        for rating in self.of_key::<Rating>(source, &source.user, user)? {
            ratings.user.push(user);
            ratings.item.push(rating.item);
            ratings.stars.push(rating.stars);
            ratings.at.push(rating.at);
        }
        Ok(ratings)
    }

    pub fn favorites_of(&self, user: i64) -> Outcome<Favorites> {
        let mut favorites = Favorites::default();
        let Some(source) = self.mapping.favorites() else { return Ok(favorites) };
        for favorite in self.of_key::<Favorite>(source, &source.user, user)? {
            favorites.user.push(user);
            favorites.item.push(favorite.item);
            favorites.at.push(favorite.at);
        }
        Ok(favorites)
    }

    /// When a user registered: seconds since 1970, or [`NONE`].
    pub fn registered(&self, user: i64) -> Outcome<i64> {
        let Some(source) = self.mapping.users() else { return Ok(NONE) };
        let accounts = self.of_key::<Account>(source, &source.id, user)?;
        Ok(accounts.first().map_or(NONE, |account| account.since))
    }
}

//! What the sources say of one user now.

use reco_models::{Favorites, NONE, Ratings};

use super::record::{Account, Favorite, Rating};
use crate::failure::Outcome;
use crate::pg::spi::arg;
use crate::site::{Column, Site};

fn where_equal(column: &Column) -> String {
    format!("WHERE {} OPERATOR(pg_catalog.=) $1", column.quoted())
}

impl Site<'_> {
    pub fn ratings_of(&self, user: i64) -> Outcome<Ratings> {
        let mut ratings = Ratings::default();
        let Some(source) = self.mapping.ratings() else { return Ok(ratings) };
        for rating in self.select::<Rating>(source, &where_equal(&source.user), &[arg(user)])? {
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
        for favorite in self.select::<Favorite>(source, &where_equal(&source.user), &[arg(user)])? {
            favorites.user.push(user);
            favorites.item.push(favorite.item);
            favorites.at.push(favorite.at);
        }
        Ok(favorites)
    }

    /// When a user registered: seconds since 1970, or [`NONE`].
    pub fn registered(&self, user: i64) -> Outcome<i64> {
        let Some(source) = self.mapping.users() else { return Ok(NONE) };
        let accounts = self.select::<Account>(source, &where_equal(&source.id), &[arg(user)])?;
        Ok(accounts.first().map_or(NONE, |account| account.since))
    }
}

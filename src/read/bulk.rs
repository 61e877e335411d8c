//! All four sources at once, for a training: under one snapshot, into flat columns.

use reco_models::{ItemInfo, Sources};

use super::record::{Account, Favorite, Rating, Record, statement};
use crate::failure::Outcome;
use crate::site::{Site, Source};

impl Site<'_> {
    /// Reads everything; `progress` is told the table and the rows of it so far.
    pub fn read_all(&self, mut progress: impl FnMut(&str, usize)) -> Outcome<Sources> {
        self.mapping.check()?;
        let mut all = Sources::default();
        let catalog = &mut all.catalog;
        self.read_source(self.mapping.items(), &mut progress, |(id, info): (i64, ItemInfo)| {
            catalog.id.push(id);
            catalog.category.push(info.category);
            catalog.author.push(info.author);
            catalog.published.push(info.published);
        })?;
        let ratings = &mut all.ratings;
        self.read_source(self.mapping.ratings(), &mut progress, |rating: Rating| {
            ratings.user.push(rating.user);
            ratings.item.push(rating.item);
            ratings.stars.push(rating.stars);
            ratings.at.push(rating.at);
        })?;
        let favorites = &mut all.favorites;
        self.read_source(self.mapping.favorites(), &mut progress, |favorite: Favorite| {
            favorites.user.push(favorite.user);
            favorites.item.push(favorite.item);
            favorites.at.push(favorite.at);
        })?;
        let accounts = &mut all.accounts;
        self.read_source(self.mapping.users(), &mut progress, |account: Account| {
            accounts.id.push(account.user);
            accounts.since.push(account.since);
        })?;
        Ok(all)
    }

    fn read_source<R: Record>(
        &self,
        source: Option<&R::Of>,
        progress: &mut impl FnMut(&str, usize),
        mut take: impl FnMut(R),
    ) -> Outcome<()> {
        let Some(source) = source else { return Ok(()) };
        let name = &source.table().name;
        let mut count = 0;
        progress(name, count);
        self.connection.read_batches(&statement::<R>(source, ""), &[], |rows| {
            for mut row in rows.iter() {
                R::read(&mut row)?.into_iter().for_each(&mut take);
            }
            count += rows.len();
            progress(name, count);
            Ok(())
        })
    }
}

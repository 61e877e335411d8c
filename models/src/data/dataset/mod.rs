//! Users, items and their merged interactions, as dense indices and compressed rows.

mod events;
mod history;
mod sources;

use std::sync::Arc;

use rayon::prelude::*;

use crate::data::clicks::FirstClicks;
use crate::data::labels::Labels;
use crate::data::vectors::Vectors;
use crate::error::{Error, Result};

pub use events::{Events, Row, Statement};
pub use history::History;
pub use sources::{Accounts, Catalog, Favorites, Links, NONE, Ratings, Signals, Sources};

use events::{Interaction, Said};

/// Users, items and interactions of a run. User and item indices are ranks of the ids.
#[derive(Debug, Default, Clone)]
pub struct Dataset {
    /// Ids of the users with an interaction, ascending.
    pub users: Vec<i64>,
    /// Time of registration by user, seconds since 1970, or [`NONE`].
    pub since: Vec<i64>,
    /// Ids of all items of the catalogue and of the interactions, ascending.
    pub items: Vec<i64>,
    /// Category ids by item.
    pub category: Labels,
    /// Author ids by item.
    pub author: Labels,
    /// Seconds since 1970 by item, or [`NONE`].
    pub published: Vec<i64>,
    /// Of texts and embeddings, by item.
    pub vectors: Arc<Vectors>,
    pub events: Events,
    /// The latest time of any interaction, seconds since 1970, or [`NONE`]: ages are counted up to it.
    pub latest: i64,
    /// By ids, so that all parts of the data share them.
    pub clicks: Arc<FirstClicks>,
}

impl Dataset {
    /// Checks, indexes and merges what was read. Of several reviews of one item by one user the latest counts. Uses the
    /// current rayon pool; the order of the rows that were read does not matter.
    ///
    /// # Errors
    /// [`Error::Value`] for stars outside of 1 to 5, [`Error::TooLittleData`] for more than 2³² − 1 users or items, and
    /// [`Error::OutOfMemory`].
    ///
    /// ```
    /// use reco_models::{Dataset, NONE, Ratings, Signals, Sources};
    ///
    /// let ratings =
    ///     Ratings { user: vec![7, 7, 3], item: vec![20, 10, 10], stars: vec![5.0, 2.0, 4.0], at: vec![NONE; 3], key: vec![] };
    /// let data = Dataset::build(Sources { ratings, ..Sources::default() })?;
    /// assert_eq!(data.users, [3, 7]);
    /// assert_eq!(data.items, [10, 20]);
    /// let row = data.events.row(1);
    /// assert_eq!((row.item, row.stars), (&[0, 1][..], &[2.0, 5.0][..]));
    /// # Ok::<(), reco_models::Error>(())
    /// ```
    pub fn build(sources: Sources) -> Result<Dataset> {
        check_stars(&sources.ratings.stars)?;
        let Sources { ratings, favorites, signals, catalog, accounts, clicks } = sources;
        let users = distinct(&[&ratings.user, &favorites.user, &signals.user]);
        let items = distinct(&[&ratings.item, &favorites.item, &signals.item, &catalog.id]);
        if users.len().max(items.len()) > u32::MAX as usize {
            return Err(Error::TooLittleData("more than 4294967295 users or items are not supported".into()));
        }
        let events = merge(&users, &items, &ratings, &favorites, &signals);
        let latest = events.at.iter().copied().max().unwrap_or(NONE);
        let mut data = Dataset {
            since: vec![NONE; users.len()],
            category: Labels::default(),
            author: Labels::default(),
            published: vec![NONE; items.len()],
            vectors: Arc::new(Vectors::new(&items, &catalog.descriptions)?),
            users,
            items,
            events,
            latest,
            clicks: Arc::new(FirstClicks::of(&clicks)),
        };
        data.attach(&catalog, &accounts);
        Ok(data)
    }

    /// Copies what is known of the items and the users. An item that the catalogue has several times has all categories and
    /// authors of its rows, and the latest of their dates.
    fn attach(&mut self, catalog: &Catalog, accounts: &Accounts) {
        let index = |id: &i64| self.items.binary_search(id).ok();
        let keys = |own: &[i64], more: &Links| {
            let own = catalog.id.iter().zip(own).filter(|(_, key)| **key != NONE);
            let all = own.chain(more.item.iter().zip(&more.key));
            Labels::new(self.items.len(), all.filter_map(|(id, key)| Some((index(id)? as u32, *key))).collect())
        };
        self.category = keys(&catalog.category, &catalog.more_categories);
        self.author = keys(&catalog.author, &catalog.more_authors);
        for (id, published) in catalog.id.iter().zip(&catalog.published) {
            if let Ok(item) = self.items.binary_search(id) {
                self.published[item] = self.published[item].max(*published);
            }
        }
        for (id, since) in accounts.id.iter().zip(&accounts.since) {
            if let Ok(user) = self.users.binary_search(id) {
                self.since[user] = *since;
            }
        }
    }

    /// Whether the catalogue says anything of the items: a category, an author, a date, a text or an embedding of any of them.
    pub fn has_attributes(&self) -> bool {
        let columns: [&[i64]; 3] = [&self.category.first, &self.author.first, &self.published];
        columns.iter().any(|column| column.iter().any(|value| *value != NONE)) || !self.vectors.is_empty()
    }

    /// The same users and items with other interactions; `events` has a row for each user.
    pub fn with_events(&self, events: Events) -> Dataset {
        let latest = events.at.iter().copied().max().unwrap_or(NONE);
        Dataset { events, latest, ..self.clone_without_events() }
    }

    fn clone_without_events(&self) -> Dataset {
        Dataset {
            users: self.users.clone(),
            since: self.since.clone(),
            items: self.items.clone(),
            category: self.category.clone(),
            author: self.author.clone(),
            published: self.published.clone(),
            vectors: Arc::clone(&self.vectors),
            events: Events::default(),
            latest: self.latest,
            clicks: Arc::clone(&self.clicks),
        }
    }

    /// The given users and items (ascending indices) with the interactions between them.
    pub fn restrict(&self, users: &[u32], items: &[u32]) -> Dataset {
        let mut number = vec![u32::MAX; self.items.len()];
        for (new, old) in items.iter().enumerate() {
            number[*old as usize] = new as u32;
        }
        let mut events = Events { start: vec![0], ..Events::default() };
        for user in users {
            let row = self.events.row(*user as usize);
            for i in 0..row.len() {
                let item = number[row.item[i] as usize];
                if item != u32::MAX {
                    events.push(item, row.get(i));
                }
            }
            events.start.push(events.item.len());
        }
        let pick = |of: &[i64], at: &[u32]| -> Vec<i64> { at.iter().map(|i| of[*i as usize]).collect() };
        Dataset {
            users: pick(&self.users, users),
            since: pick(&self.since, users),
            items: pick(&self.items, items),
            category: self.category.pick(items),
            author: self.author.pick(items),
            published: pick(&self.published, items),
            vectors: Arc::new(self.vectors.pick(items)),
            latest: events.at.iter().copied().max().unwrap_or(NONE),
            events,
            clicks: Arc::clone(&self.clicks),
        }
    }
}

fn check_stars(stars: &[f32]) -> Result<()> {
    match stars.iter().find(|s| !(1.0..=5.0).contains(*s)) {
        None => Ok(()),
        Some(bad) => Err(Error::Value { column: "stars", value: bad.to_string(), range: "1 to 5" }),
    }
}

fn distinct(columns: &[&[i64]]) -> Vec<i64> {
    let mut all: Vec<i64> = columns.concat();
    all.par_sort_unstable();
    all.dedup();
    all
}

fn merge(users: &[i64], items: &[i64], ratings: &Ratings, favorites: &Favorites, signals: &Signals) -> Events {
    // Every id is in its list: the lists were made from these columns.
    let rank = |ids: &[i64], id: &i64| ids.binary_search(id).unwrap_or(0) as u32;
    let mut interactions: Vec<Interaction> = (0..ratings.user.len())
        .into_par_iter()
        .map(|i| Interaction {
            user: rank(users, &ratings.user[i]),
            item: rank(items, &ratings.item[i]),
            at: ratings.at[i],
            key: ratings.key(i),
            said: Said::Stars(ratings.stars[i]),
        })
        .collect();
    interactions.par_extend((0..favorites.user.len()).into_par_iter().map(|i| Interaction {
        user: rank(users, &favorites.user[i]),
        item: rank(items, &favorites.item[i]),
        at: favorites.at[i],
        key: NONE,
        said: Said::Favorite,
    }));
    interactions.par_extend((0..signals.user.len()).into_par_iter().map(|i| Interaction {
        user: rank(users, &signals.user[i]),
        item: rank(items, &signals.item[i]),
        at: signals.at[i],
        key: NONE,
        said: Said::Signal(signals.weight[i]),
    }));
    interactions.par_sort_unstable_by(Interaction::order);
    Events::from_sorted(&interactions, users.len())
}

#[cfg(test)]
mod tests;

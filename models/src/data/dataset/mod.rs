//! Users, items and their merged interactions, as dense indices and compressed rows.

mod events;
mod history;
mod sources;

use rayon::prelude::*;

use crate::data::labels::Labels;
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
    pub events: Events,
    /// The latest time of any interaction, seconds since 1970, or [`NONE`]: ages are counted up to it.
    pub latest: i64,
}

impl Dataset {
    /// Checks, indexes and merges what was read. Of several reviews of one item by one user the latest counts. Uses the
    /// current rayon pool; the order of the rows that were read does not matter.
    ///
    /// # Errors
    /// [`Error::Value`] for stars outside of 1 to 5, [`Error::TooLittleData`] for more than 2³² − 1 users or items.
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
        let Sources { ratings, favorites, signals, catalog, accounts } = sources;
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
            users,
            items,
            events,
            latest,
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

    /// Whether the catalogue says anything of the items: a category, an author or a date of any of them.
    pub fn has_attributes(&self) -> bool {
        let columns: [&[i64]; 3] = [&self.category.first, &self.author.first, &self.published];
        columns.iter().any(|column| column.iter().any(|value| *value != NONE))
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
            events: Events::default(),
            latest: self.latest,
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
            latest: events.at.iter().copied().max().unwrap_or(NONE),
            events,
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
mod tests {
    use super::*;

    fn sources() -> Sources {
        Sources {
            ratings: Ratings {
                user: vec![7, 3, 7, 7],
                item: vec![20, 10, 10, 20],
                stars: vec![2.0, 5.0, 4.0, 5.0],
                at: vec![100, NONE, 50, 200],
                key: vec![],
            },
            favorites: Favorites { user: vec![7, 9], item: vec![20, 30], at: vec![150, 300] },
            catalog: Catalog {
                id: vec![40, 10],
                category: vec![1, 2],
                author: vec![NONE, 5],
                published: vec![0, 0],
                ..Catalog::default()
            },
            accounts: Accounts { id: vec![9, 1], since: vec![11, 12] },
            ..Sources::default()
        }
    }

    #[test]
    fn the_latest_review_wins_and_favourites_merge() {
        let data = Dataset::build(sources()).unwrap();
        assert_eq!(data.users, [3, 7, 9]);
        assert_eq!(data.items, [10, 20, 30, 40]);
        assert_eq!(data.since, [NONE, NONE, 11]);
        assert_eq!(*data.category.first, [2, NONE, NONE, 1]);
        let row = data.events.row(1);
        assert_eq!((row.item, row.stars, row.favorite), (&[0, 1][..], &[4.0, 5.0][..], &[false, true][..]));
        assert_eq!((row.at, data.latest), (&[50, 200][..], 300));
    }

    #[test]
    fn an_item_that_the_catalogue_repeats_is_one_whatever_the_order() {
        let build = |order: [usize; 3]| {
            let of = |values: [i64; 3]| order.map(|i| values[i]).to_vec();
            let catalog = Catalog {
                id: of([10, 40, 10]),
                category: of([2, 1, 7]),
                author: of([5, NONE, 3]),
                published: of([9, 0, NONE]),
                more_categories: Links { item: vec![10, 999, 40], key: vec![7, 1, 1] },
                more_authors: Links::default(),
            };
            let data = Dataset::build(Sources { catalog, ..sources() }).unwrap();
            (data.items, data.category, data.author, data.published)
        };
        let expected = (
            vec![10, 20, 30, 40],
            Labels::new(4, vec![(0, 2), (0, 7), (3, 1)]),
            Labels::new(4, vec![(0, 3), (0, 5)]),
            vec![9, NONE, NONE, 0],
        );
        assert_eq!(build([0, 1, 2]), expected);
        assert_eq!(build([2, 1, 0]), expected);
    }

    #[test]
    fn a_history_is_the_row_that_training_has() {
        let all = sources();
        let data = Dataset::build(all.clone()).unwrap();
        let of =
            |user: i64, column: &[i64]| -> Vec<usize> { (0..column.len()).filter(|i| column[*i] == user).collect() };
        let (r, f) = (of(7, &all.ratings.user), of(7, &all.favorites.user));
        let ratings = Ratings {
            user: vec![7; r.len()],
            item: r.iter().map(|i| all.ratings.item[*i]).collect(),
            stars: r.iter().map(|i| all.ratings.stars[*i]).collect(),
            at: r.iter().map(|i| all.ratings.at[*i]).collect(),
            key: vec![],
        };
        let favorites = Favorites {
            user: vec![7; f.len() + 1],
            item: f.iter().map(|i| all.favorites.item[*i]).chain([999]).collect(),
            at: f.iter().map(|i| all.favorites.at[*i]).chain([NONE]).collect(),
        };
        let history = History::new(&ratings, &favorites, &Signals::default(), |id| {
            data.items.binary_search(&id).ok().map(|i| i as u32)
        });
        let (now, then) = (history.row(), data.events.row(1));
        assert_eq!((now.item, now.stars, now.favorite, now.at), (then.item, then.stars, then.favorite, then.at));
        assert_eq!(history.unknown, 1);
    }

    #[test]
    fn of_reviews_of_one_day_the_one_with_the_highest_key_counts() {
        let stars = |key: Vec<i64>, at: Vec<i64>| {
            let ratings = Ratings { user: vec![1; 2], item: vec![2; 2], stars: vec![5.0, 1.0], at, key };
            let history = History::new(&ratings, &Favorites::default(), &Signals::default(), |_| Some(0));
            let data = Dataset::build(Sources { ratings, ..Sources::default() }).unwrap();
            assert_eq!(history.row().stars, data.events.stars);
            data.events.stars[0]
        };
        assert_eq!((stars(vec![7, 8], vec![100; 2]), stars(vec![8, 7], vec![100; 2])), (1.0, 5.0));
        assert_eq!((stars(vec![7, 8], vec![NONE; 2]), stars(vec![7, 8], vec![200, 100])), (1.0, 5.0));
        assert_eq!(stars(vec![], vec![100; 2]), 5.0);
    }

    #[test]
    fn a_later_review_with_few_stars_withdraws_a_favourite() {
        let merged = |stars: f32, reviewed: i64, favored: i64| {
            let ratings = Ratings { user: vec![1], item: vec![2], stars: vec![stars], at: vec![reviewed], key: vec![] };
            let favorites = Favorites { user: vec![1], item: vec![2], at: vec![favored] };
            let history = History::new(&ratings, &favorites, &Signals::default(), |_| Some(0));
            let data = Dataset::build(Sources { ratings, favorites, ..Sources::default() }).unwrap();
            assert_eq!(history.row().favorite, data.events.row(0).favorite);
            assert_eq!(history.disliked(), if stars <= 2.0 { vec![0] } else { vec![] });
            data.events.favorite[0]
        };
        assert!(!merged(1.0, 200, 100) && !merged(2.0, 200, 100));
        assert!(merged(3.0, 200, 100) && merged(1.0, 100, 200) && merged(1.0, 100, 100));
        assert!(merged(1.0, NONE, 100) && merged(1.0, 100, NONE) && merged(1.0, NONE, NONE));
    }

    #[test]
    fn stars_out_of_range_are_named() {
        let mut bad = sources();
        bad.ratings.stars[2] = 7.0;
        assert_eq!(Dataset::build(bad).unwrap_err().to_string(), "stars holds 7, outside of 1 to 5");
        let mut bad = sources();
        bad.ratings.stars[0] = f32::NAN;
        assert!(Dataset::build(bad).is_err());
    }

    #[test]
    fn a_restriction_keeps_the_interactions_between_those_that_stay() {
        let data = Dataset::build(sources()).unwrap();
        let small = data.restrict(&[1, 2], &[1, 3]);
        assert_eq!((small.users.as_slice(), small.items.as_slice()), (&[7, 9][..], &[20, 40][..]));
        assert_eq!((small.events.start.as_slice(), small.events.item.as_slice()), (&[0, 1, 1][..], &[0][..]));
    }

    #[test]
    fn empty_sources_are_an_empty_dataset() {
        let data = Dataset::build(Sources::default()).unwrap();
        assert_eq!((data.users.len(), data.items.len(), data.events.users(), data.latest), (0, 0, 0, NONE));
    }
    /// What is merged of the signals (weight and time), a review (stars and time) and a favourite of one pair.
    fn said(signals: &[(f32, i64)], review: Option<(f32, i64)>, favored: Option<i64>) -> Statement {
        let ratings = Ratings {
            user: vec![1; review.iter().len()],
            item: vec![2; review.iter().len()],
            stars: review.iter().map(|r| r.0).collect(),
            at: review.iter().map(|r| r.1).collect(),
            key: vec![],
        };
        let n = favored.iter().len();
        let favorites = Favorites { user: vec![1; n], item: vec![2; n], at: favored.into_iter().collect() };
        let signals = Signals {
            user: vec![1; signals.len()],
            item: vec![2; signals.len()],
            weight: signals.iter().map(|s| s.0).collect(),
            at: signals.iter().map(|s| s.1).collect(),
        };
        let history = History::new(&ratings, &favorites, &signals, |_| Some(0));
        let data = Dataset::build(Sources { ratings, favorites, signals, ..Sources::default() }).unwrap();
        assert_eq!(history.row().get(0), data.events.get(0));
        data.events.get(0)
    }

    #[test]
    fn the_weights_of_signals_add_up_until_something_later_is_against() {
        assert_eq!(said(&[(0.2, 10), (3.0, 20)], None, None).signal, 3.2);
        assert_eq!(said(&[(90.0, 10), (90.0, 20)], None, None).signal, 100.0);
        assert_eq!(said(&[(0.0, 10)], None, None), Statement { stars: 0.0, favorite: false, signal: 0.0, at: 10 });
        assert!(said(&[(3.0, 10), (-1.0, 20)], None, None).is_against());
        assert_eq!(said(&[(-1.0, 10), (3.0, 20)], None, None).signal, 3.0);
        assert!(said(&[(-1.0, 10), (3.0, 10)], None, None).is_against());
        // Without a time what is against stands.
        assert!(said(&[(-1.0, NONE), (3.0, 20)], None, None).is_against());
        assert!(said(&[(-1.0, 20), (3.0, NONE)], None, None).is_against());
    }

    #[test]
    fn reviews_favourites_and_signals_withdraw_each_other() {
        let withdrawn = said(&[(-2.0, 20)], Some((5.0, 10)), Some(10));
        assert!(withdrawn.is_against() && !withdrawn.favorite && withdrawn.stars == 5.0);
        let liked = said(&[(-2.0, 20)], None, Some(30));
        assert!(liked.favorite && liked.signal == 0.0 && !liked.is_against());
        assert_eq!(said(&[(-2.0, 20)], Some((4.0, 30)), None).signal, 0.0);
        assert!(said(&[(-2.0, 20)], Some((1.0, 30)), None).is_against());
        assert_eq!(said(&[(3.0, 20)], Some((1.0, 30)), None).signal, 0.0);
        assert_eq!(said(&[(3.0, NONE)], Some((1.0, 30)), None).signal, 3.0);
        assert_eq!(said(&[(3.0, 40)], Some((3.0, 30)), None).signal, 3.0);
    }
}

//! Many users at once: who has an interaction, who is still there, and what the sources say of a batch of them.

use std::collections::{BTreeMap, HashMap, HashSet};

use reco_models::{NONE, more_room};

use super::interactions::Interactions;
use super::items::where_any;
use super::reader::ModelReader;
use super::record::{Account, Favorite, Rating, Record, Signal};
use crate::failure::Outcome;
use crate::pg::catalog;
use crate::site::{Column, Served, Site, Source, Table};
use crate::store;

/// Users of one look at the cursor.
const BATCH: i64 = 10_000;

impl Site<'_> {
    /// The columns that say whose an interaction is.
    fn user_columns(&self) -> impl Iterator<Item = (&Table, &Column)> {
        self.mapping.interactions().map(|source| (source.table, source.user))
    }

    /// The users with an interaction that the caller sees, ascending.
    pub fn interacting(&self) -> Outcome<Vec<i64>> {
        let mut users: Vec<i64> = Vec::new();
        for (table, user) in self.user_columns() {
            let sql = format!("SELECT DISTINCT {} FROM {}", user.as_id(), table.rows());
            self.connection.read_batches(&sql, &[], BATCH, |rows| {
                more_room(&mut users, rows.len())?;
                for mut row in rows.iter() {
                    users.extend(row.take_id()?);
                }
                Ok(())
            })?;
        }
        users.sort_unstable();
        users.dedup();
        Ok(users)
    }

    /// Those of the given users who have an interaction that the caller sees and, where there are accounts, an account.
    pub fn present_users(&self, users: &[i64]) -> Outcome<HashSet<i64>> {
        let mut present = HashSet::new();
        for (table, user) in self.user_columns() {
            present.extend(self.present_in(table, user, users)?);
        }
        if let Some(accounts) = self.accounts(users)? {
            present.retain(|user| accounts.contains_key(user));
        }
        Ok(present)
    }

    fn present_in(&self, table: &Table, user: &Column, users: &[i64]) -> Outcome<HashSet<i64>> {
        let sql = format!("SELECT DISTINCT {} FROM {} {}", user.as_id(), table.rows(), where_any(user));
        let rows = self.connection.read(&sql, &[self.ids_as_arg(table, user, users.to_vec())?])?;
        rows.iter().filter_map(|mut row| row.take_id().transpose()).collect()
    }

    /// Whether a source has an interaction of a user, as far as the caller may know. It may lack the right to read one.
    pub fn has_visible_interactions(&self, user: i64) -> Outcome<bool> {
        for (table, column) in self.user_columns() {
            if catalog::may_read(table.oid) && !self.present_in(table, column, &[user])?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// When each of the given users registered, without those who have no account; None where the site has no accounts.
    fn accounts(&self, users: &[i64]) -> Outcome<Option<HashMap<i64, i64>>> {
        let Some(source) = self.mapping.users() else { return Ok(None) };
        let ids = self.ids_as_arg(source.table(), &source.id, users.to_vec())?;
        let accounts = self.select::<Account>(source, &where_any(&source.id), &[ids])?;
        Ok(Some(accounts.into_iter().map(|account| (account.user, account.since)).collect()))
    }

    /// As [`Site::reader`], the given users at once, without those who have no interaction or no account.
    pub fn readers(&self, served: &Served, users: &[i64]) -> Outcome<Vec<(i64, ModelReader)>> {
        let accounts = self.accounts(users)?;
        let comparable = self.reads_what_was_trained_on();
        let mut stored = store::user_factors(self.connection, served.version, users.to_vec())?;
        let mut readers = Vec::with_capacity(users.len());
        for (user, all) in self.interactions_by_user(users)? {
            let since = match &accounts {
                Some(accounts) => accounts.get(&user).copied(),
                None => Some(NONE),
            };
            let Some(since) = since else { continue };
            let stored = stored.remove(&user).filter(|_| comparable);
            readers.push((user, self.model_reader(&served.model, &all, since, stored)));
        }
        Ok(readers)
    }

    fn interactions_by_user(&self, users: &[i64]) -> Outcome<BTreeMap<i64, Interactions>> {
        let mut found: BTreeMap<i64, Interactions> = BTreeMap::new();
        if let Some(source) = self.mapping.ratings() {
            for rating in self.of_users::<Rating>(source, &source.user, users)? {
                self.add_review(source, &mut found.entry(rating.user).or_default().reviews, rating);
            }
        }
        if let Some(source) = self.mapping.favorites() {
            for favorite in self.of_users::<Favorite>(source, &source.user, users)? {
                favorite.append(&mut found.entry(favorite.user).or_default().favorites);
            }
        }
        if let Some(source) = self.mapping.events() {
            let signals = self.of_users::<Signal>(source, &source.user, users)?;
            for signal in signals.into_iter().filter(|signal| signal.weight.is_some()) {
                found.entry(signal.user).or_default().add_signal(&signal);
            }
        }
        Ok(found)
    }

    fn of_users<R: Record>(&self, source: &R::Of, user: &Column, users: &[i64]) -> Outcome<Vec<R>> {
        let ids = self.ids_as_arg(source.table(), user, users.to_vec())?;
        self.select::<R>(source, &where_any(user), &[ids])
    }
}

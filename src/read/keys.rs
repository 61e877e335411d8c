//! From ids back to keys: the sources are looked up by the keys that they have, so that the site's indexes serve.

use std::cell::Cell;
use std::collections::HashSet;

use reco_models::{Key, NONE};

use crate::failure::{Failure, Outcome};
use crate::pg::catalog;
use crate::pg::keys;
use crate::pg::notice;
use crate::pg::session;
use crate::pg::spi::{Arg, arg};
use crate::site::{Column, Site, Source, Table};
use crate::store;

/// Rows of one look at the cursor.
const BATCH: i64 = 10_000;

thread_local! {
    /// Whether this session was told that a table is read to find a key.
    static WARNED: Cell<bool> = const { Cell::new(false) };
}

impl Site<'_> {
    /// What a column of users is compared with; None where nothing has the key.
    pub(super) fn user_as_arg(&self, column: &Column, user: i64) -> Outcome<Option<Arg>> {
        if !column.has_keys() {
            return Ok(Some(arg(user)));
        }
        Ok(self.key_of_user(user, column)?.and_then(|key| keys::as_arg(column.type_oid, &key)))
    }

    /// What a column of the catalogue is compared with, for any of several ids.
    pub(super) fn ids_as_arg(&self, table: &Table, column: &Column, ids: Vec<i64>) -> Outcome<Arg> {
        if !column.has_keys() {
            return Ok(arg(ids));
        }
        Ok(keys::as_array(column.type_oid, &self.keys(&ids, column, &[(table, column)])?))
    }

    /// One call asks for the same user in each source; what is nowhere is not looked for again.
    fn key_of_user(&self, user: i64, column: &Column) -> Outcome<Option<Key>> {
        if let Some((_, key)) = self.reader.borrow().as_ref().filter(|(id, _)| *id == user) {
            return Ok(key.clone());
        }
        // The smallest first, as far as one can know.
        let accounts = self.mapping.users().map(|source| (source.table(), &source.id));
        let others = self.mapping.interactions().map(|source| (source.table, source.user));
        let sources: Vec<_> = accounts.into_iter().chain(others).filter(|(_, column)| column.has_keys()).collect();
        let key = self.keys(&[user], column, &sources)?.pop();
        self.reader.replace(Some((user, key.clone())));
        Ok(key)
    }

    /// The keys that ids stand for, in any order, without those that are nowhere: as this backend has met them, as the
    /// active model knows them, or else found by reading `sources`.
    ///
    /// # Errors
    /// 22023 for an integer.
    fn keys(&self, ids: &[i64], column: &Column, sources: &[(&Table, &Column)]) -> Outcome<Vec<Key>> {
        let (mut found, mut missing) = (Vec::new(), Vec::new());
        for id in ids.iter().copied().filter(|id| *id != NONE) {
            match keys::known(id) {
                Some(key) => found.push(key),
                None if id >= 0 => return Err(no_key(id, column)),
                None => missing.push(id),
            }
        }
        if let Some(active) = self.active.filter(|_| !missing.is_empty()) {
            let known = store::keys(self.connection, active.version, missing.clone())?;
            self.take(known, &mut missing, &mut found)?;
        }
        for (table, column) in sources {
            if missing.is_empty() {
                break;
            }
            warn_of_reading(table);
            let there = self.read_for(&missing, table, column)?;
            self.take(there, &mut missing, &mut found)?;
        }
        Ok(found)
    }

    fn take(&self, some: Vec<Key>, missing: &mut Vec<i64>, found: &mut Vec<Key>) -> Outcome<()> {
        let mut ids = HashSet::new();
        for key in some {
            ids.insert(keys::remember(key.clone())?);
            found.push(key);
        }
        missing.retain(|id| !ids.contains(id));
        Ok(())
    }

    /// Those of the keys that a column has, each once.
    fn read_for(&self, ids: &[i64], table: &Table, column: &Column) -> Outcome<Vec<Key>> {
        let mut wanted: HashSet<i64> = ids.iter().copied().collect();
        let mut found = Vec::new();
        let sql = format!("SELECT {} FROM {}", column.as_id(), table.rows());
        self.connection.read_batches(&sql, &[], BATCH, |rows| {
            for mut row in rows.iter() {
                found.extend(row.take_key()?.filter(|key| wanted.remove(&key.id())));
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// The key that an id stands for, if the caller reads a row that has it.
    pub fn key(&self, id: i64) -> Outcome<Option<Key>> {
        let sources = self.columns_with_keys();
        let Some((_, first)) = sources.first() else { return Ok(None) };
        if id >= 0 {
            return Ok(None);
        }
        let Some(key) = self.keys(&[id], first, &sources)?.pop() else { return Ok(None) };
        for (table, column) in sources {
            let sql = format!("SELECT 1 FROM {} WHERE {} LIMIT 1", table.rows(), column.is("$1"));
            if let Some(key_arg) = keys::as_arg(column.type_oid, &key)
                && !self.connection.read(&sql, &[key_arg])?.is_empty()
            {
                return Ok(Some(key));
            }
        }
        Ok(None)
    }

    /// Where ids stand for keys; first what is most often asked for.
    fn columns_with_keys(&self) -> Vec<(&Table, &Column)> {
        let items = self.mapping.items().map(|source| (source.table(), &source.id));
        let users = self.mapping.users().map(|source| (source.table(), &source.id));
        let mut columns: Vec<_> = items.into_iter().chain(users).collect();
        columns.extend(self.mapping.interactions().map(|source| (source.table, source.user)));
        columns.extend(self.mapping.interactions().map(|source| (source.table, source.item)));
        if let Some(source) = self.mapping.items() {
            let of_items = source.category.iter().chain(&source.author);
            columns.extend(of_items.map(|column| (source.table(), column)));
        }
        let categories = self.mapping.categories().map(|links| (links.table(), &links.key));
        let authors = self.mapping.authors().map(|links| (links.table(), &links.key));
        columns.extend(categories.into_iter().chain(authors));
        columns.retain(|(_, column)| column.has_keys());
        columns
    }

    pub fn has_keys_of_items(&self) -> bool {
        self.mapping.items().is_some_and(|source| source.id.has_keys())
    }

    /// An item's or category's id as a person reads it: the key, where the column has keys and this call read it.
    pub fn named(&self, column: Option<&Column>, id: i64) -> String {
        let key = column.filter(|column| column.has_keys()).and_then(|_| keys::known(id));
        key.map_or_else(|| id.to_string(), |key| key.to_string())
    }
}

fn no_key(id: i64, column: &Column) -> Failure {
    let (column, keys) = (&column.name, catalog::type_name(column.type_oid));
    let example = if keys == "uuid" { "reco_id($1::uuid)" } else { "reco_id($1)" };
    Failure::invalid(format!("{id} is not the id of a key: the column \"{column}\" is {keys}"))
        .hint(format!("Pass the id of the key: {example}."))
}

/// Once in a session, and not in a parallel worker, which lives for one query.
fn warn_of_reading(table: &Table) {
    if session::is_parallel_worker() || WARNED.replace(true) {
        return;
    }
    let text = format!("finding the key that an id stands for reads all of {}", table.quoted());
    notice::warn(&text, "Call reco_id(key) in the statement that uses the id: reco_recommend(reco_id($1), 10).");
}

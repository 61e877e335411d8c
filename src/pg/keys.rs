//! Keys that are not integers, by the ids that stand for them: those that this backend has met, in bounded memory, or all
//! that a training reads. What is not known here is looked up, so nothing depends on what a backend happened to meet.

use std::cell::RefCell;
use std::collections::HashMap;

use pgrx::{PgSqlErrorCode, Uuid, pg_sys};
use reco_models::{Key, more_entries};

use crate::failure::{Failure, Outcome};
use crate::pg::spi::{Arg, arg};

pub type Keys = HashMap<i64, Key>;

/// Bytes of a generation: some 250 000 UUIDs. What is met again stays for one generation more, so the user of a statement
/// is still known after the array of ids beside it.
const GENERATION: usize = 12 << 20;
/// Bytes of an entry, without its text.
const OF_AN_ENTRY: usize = 48;

#[derive(Default)]
struct Memory {
    young: Keys,
    young_bytes: usize,
    old: Keys,
}

thread_local! {
    static MEMORY: RefCell<Memory> = RefCell::default();
    /// What a training reads; None outside of one.
    static LEDGER: RefCell<Option<Keys>> = const { RefCell::new(None) };
}

impl Memory {
    fn note(&mut self, id: i64, key: Key) -> Outcome<()> {
        if self.young.get(&id) == Some(&key) {
            return Ok(());
        }
        if let Some(other) = self.get(id).filter(|known| !known.is_same(&key)) {
            return Err(collision(other, &key));
        }
        self.young_bytes += bytes(&key);
        insert(&mut self.young, id, key)?;
        if self.young_bytes > GENERATION {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        Ok(())
    }

    fn get(&self, id: i64) -> Option<&Key> {
        self.young.get(&id).or_else(|| self.old.get(&id))
    }
}

fn bytes(key: &Key) -> usize {
    match key {
        Key::Uuid(_) => OF_AN_ENTRY,
        Key::Text(text) => OF_AN_ENTRY + text.len(),
    }
}

fn insert(keys: &mut Keys, id: i64, key: Key) -> Outcome<()> {
    more_entries(keys, 1)?;
    keys.insert(id, key);
    Ok(())
}

fn collision(one: &Key, other: &Key) -> Failure {
    Failure::new(PgSqlErrorCode::ERRCODE_DATA_EXCEPTION, format!("the keys \"{one}\" and \"{other}\" have the same id"))
        .detail("Of ten million keys two have the same id with a probability of 5 in a million.")
        .hint("Change one of the two keys.")
}

/// The id of a key, which this backend knows from now on.
///
/// # Errors
/// 22000 where another key has the same id.
pub fn remember(key: Key) -> Outcome<i64> {
    let id = key.id();
    LEDGER.with_borrow_mut(|ledger| match ledger {
        None => MEMORY.with_borrow_mut(|memory| memory.note(id, key)),
        Some(all) => match all.get(&id) {
            Some(known) if *known == key => Ok(()),
            Some(known) => Err(collision(known, &key)),
            None => insert(all, id, key),
        },
    })?;
    Ok(id)
}

/// The key that an id stands for, if this backend has met it.
pub fn known(id: i64) -> Option<Key> {
    MEMORY.with_borrow(|memory| memory.get(id).cloned())
}

/// Forgets a ledger, also where an error unwinds.
struct Close;

impl Drop for Close {
    fn drop(&mut self) {
        LEDGER.set(None);
    }
}

/// Runs `work`, and gives every key that it read beside.
///
/// # Errors
/// 22000 where two of them have the same id.
pub fn collect<R>(work: impl FnOnce() -> Outcome<R>) -> Outcome<(R, Keys)> {
    let _close = Close;
    LEDGER.set(Some(Keys::new()));
    let result = work()?;
    Ok((result, LEDGER.take().unwrap_or_default()))
}

/// As the parameter that a column of this type is compared with; None where it cannot hold the key.
pub fn as_arg(column: pg_sys::Oid, key: &Key) -> Option<Arg> {
    match column {
        pg_sys::UUIDOID => Some(arg(Uuid::from_bytes(key.uuid()?))),
        _ => Some(arg(key.to_string())),
    }
}

/// The same for any of several.
pub fn as_array(column: pg_sys::Oid, keys: &[Key]) -> Arg {
    match column {
        pg_sys::UUIDOID => arg(keys.iter().filter_map(|key| key.uuid().map(Uuid::from_bytes)).collect::<Vec<_>>()),
        _ => arg(keys.iter().map(Key::to_string).collect::<Vec<_>>()),
    }
}

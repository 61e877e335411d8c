//! Mappings that a backend has resolved, kept until anything that they depend on changes.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use pgrx::pg_sys;

use super::Mapping;
use crate::pg::session;

/// Mappings that a connection of a pool keeps: it serves several names or schemas in turn.
const CAPACITY: usize = 8;

/// What a mapping was resolved from. Not the name of the model: no two configured sources have the same revision.
#[derive(PartialEq, Eq, Clone)]
pub struct Key {
    /// Of each configured source. Not their sum or their maximum: other rows may have the same.
    revisions: Vec<i64>,
    search_path: String,
    user: pg_sys::Oid,
    changes: u64,
    zone: Rc<str>,
}

impl Key {
    /// Of the caller, now. `revisions` is what a look-up in `reco.source` gave; `zone` is that of times without one.
    pub fn now(revisions: Vec<i64>, zone: Rc<str>) -> Key {
        Key { revisions, search_path: session::search_path(), user: session::user(), changes: changes(), zone }
    }
}

thread_local! {
    /// The least recently used one first.
    static CACHED: RefCell<Vec<(Key, Rc<Mapping>)>> = const { RefCell::new(Vec::new()) };
    /// How often a relation or a schema changed; None until PostgreSQL was asked to report it.
    static CHANGES: Cell<Option<u64>> = const { Cell::new(None) };
}

fn count_change() {
    CHANGES.set(CHANGES.get().map(|n| n.wrapping_add(1)));
}

/// Called by PostgreSQL whenever the definition of any relation may have changed.
unsafe extern "C-unwind" fn on_relation_change(_arg: pg_sys::Datum, _relation: pg_sys::Oid) {
    count_change();
}

/// Called by PostgreSQL whenever a schema may have been renamed, or rights on it changed.
unsafe extern "C-unwind" fn on_schema_change(_arg: pg_sys::Datum, _cache: i32, _hash: u32) {
    count_change();
}

fn changes() -> u64 {
    if let Some(changes) = CHANGES.get() {
        return changes;
    }
    CHANGES.set(Some(0));
    // SAFETY: registered once per backend; the callbacks touch nothing of PostgreSQL.
    unsafe {
        pg_sys::CacheRegisterRelcacheCallback(Some(on_relation_change), pg_sys::Datum::from(0));
        let schemas = pg_sys::SysCacheIdentifier::NAMESPACEOID as i32;
        pg_sys::CacheRegisterSyscacheCallback(schemas, Some(on_schema_change), pg_sys::Datum::from(0));
    }
    0
}

/// The mapping that was resolved from the same.
pub fn find(key: &Key) -> Option<Rc<Mapping>> {
    CACHED.with_borrow_mut(|kept| {
        let index = kept.iter().position(|(other, _)| other == key)?;
        kept[index..].rotate_left(1);
        kept.last().map(|(_, mapping)| Rc::clone(mapping))
    })
}

pub fn keep(key: Key, mapping: Rc<Mapping>) {
    CACHED.with_borrow_mut(|kept| {
        // What another state of the catalogue led to is never used again.
        kept.retain(|(other, _)| other.changes == key.changes);
        if kept.len() >= CAPACITY {
            kept.remove(0);
        }
        kept.push((key, mapping));
    });
}

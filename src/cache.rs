//! Decoded models of this backend: at most two, keyed by (version, hash of the content) as the caller's snapshot has
//! them. A promotion that is not committed is invisible, an older snapshot keeps its model, and a version that was
//! rolled back is never met again: versions come from a sequence.

use std::cell::RefCell;
use std::rc::Rc;

use reco_models::{Model, Retrieval};

use crate::failure::Outcome;
use crate::pg::spi::Connection;
use crate::store;

/// The active one, and the one that an older snapshot in the same session may still see.
const CAPACITY: usize = 2;

struct Entry {
    key: (i64, i64),
    model: Rc<Model>,
    /// Made when it is first asked for: scoring given items needs none.
    retrieval: Option<Rc<Retrieval>>,
}

thread_local! {
    /// Latest used last.
    static MODELS: RefCell<Vec<Entry>> = const { RefCell::new(Vec::new()) };
}

/// The model of a version and hash; read and decoded where it is not cached.
pub fn model(connection: &Connection, key: (i64, i64)) -> Outcome<Rc<Model>> {
    let hit = MODELS.with_borrow_mut(|entries| {
        let place = entries.iter().position(|e| e.key == key)?;
        let entry = entries.remove(place);
        let model = Rc::clone(&entry.model);
        entries.push(entry);
        Some(model)
    });
    if let Some(model) = hit {
        return Ok(model);
    }
    let model = Rc::new(store::load_served(connection, key.0)?);
    MODELS.with_borrow_mut(|entries| {
        if entries.len() >= CAPACITY {
            entries.remove(0);
        }
        entries.push(Entry { key, model: Rc::clone(&model), retrieval: None });
    });
    Ok(model)
}

/// What finds the candidates of a model that [`model`] gave.
pub fn retrieval(model: &Rc<Model>) -> Outcome<Rc<Retrieval>> {
    let of = |entry: &&mut Entry| Rc::ptr_eq(&entry.model, model);
    if let Some(made) = MODELS.with_borrow_mut(|entries| entries.iter_mut().find(of)?.retrieval.clone()) {
        return Ok(made);
    }
    let made = Rc::new(Retrieval::new(model, pause)?);
    MODELS.with_borrow_mut(|entries| {
        if let Some(entry) = entries.iter_mut().find(of) {
            entry.retrieval = Some(Rc::clone(&made));
        }
    });
    Ok(made)
}

fn pause() {
    pgrx::check_for_interrupts!();
}

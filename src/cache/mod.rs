//! The models that this backend has open: at most four, keyed by (version, hash of the content) as the caller's snapshot
//! has them. A promotion that is not committed is invisible, an older snapshot keeps its model, and a version that was
//! rolled back is never used again: versions come from a sequence.
//!
//! A model is a view of a file that all backends share. Where there is no such file it is made from the tables; where
//! it cannot be made, the backend holds a copy in memory of its own.

mod file;

use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;

use reco_models::{Model, ServedModel, Weights, require};

use crate::failure::Outcome;
use crate::pg::headroom;
use crate::pg::session::pause;
use crate::pg::spi::Connection;
use crate::settings;
use crate::store::{self, ModelKey};
use file::{Mapped, Name};

/// For the names that a connection of a pool serves in turn.
const CAPACITY: usize = 4;
/// Of one name: the active model, and the one that an older snapshot of the same session may still see. More would keep the
/// files of deleted models on the disk.
const OF_A_NAME: usize = 2;

/// What making the file of a model takes beside its stored bytes, in multiples of them: derived values, and the image.
const IMAGE: u64 = 3;

struct Entry {
    /// What `reco.model` was.
    name: String,
    key: ModelKey,
    model: Rc<ServedModel>,
    /// The same with other weights, as variants of an experiment have them; the least recently made one first.
    weighted: Vec<(Weights, Rc<ServedModel>)>,
    /// None: in memory of its own.
    file: Option<Mapped>,
}

/// Other weights that are kept for a model: those of two experiments, which share their control.
const WEIGHTED: usize = 3;

thread_local! {
    /// The least recently used one first.
    static MODELS: RefCell<Vec<Entry>> = const { RefCell::new(Vec::new()) };
}

/// The model of a version and hash.
pub fn model(connection: &Connection, key: ModelKey) -> Outcome<Rc<ServedModel>> {
    let hit = MODELS.with_borrow_mut(|entries| {
        // A file that was truncated or written to must not be read again: a page beyond its end would end the process.
        entries.retain(|e| e.file.as_ref().is_none_or(Mapped::is_intact));
        let index = entries.iter().position(|e| e.key == key)?;
        let entry = entries.remove(index);
        let model = Rc::clone(&entry.model);
        entries.push(entry);
        Some(model)
    });
    if let Some(model) = hit {
        return Ok(model);
    }
    let entry = open(connection, key)?;
    let model = Rc::clone(&entry.model);
    MODELS.with_borrow_mut(|entries| {
        let of_name: Vec<usize> = (0..entries.len()).filter(|i| entries[*i].name == entry.name).collect();
        if of_name.len() >= OF_A_NAME {
            entries.remove(of_name[0]);
        } else if entries.len() >= CAPACITY {
            entries.remove(0);
        }
        entries.push(entry);
    });
    Ok(model)
}

/// The model of a version and hash, with other weights than it was stored with.
pub fn weighted(connection: &Connection, key: ModelKey, weights: Weights) -> Outcome<Rc<ServedModel>> {
    let own = model(connection, key)?;
    Ok(MODELS.with_borrow_mut(|entries| {
        let Some(entry) = entries.iter_mut().find(|entry| entry.key == key) else {
            return Rc::new(own.weighing(weights));
        };
        if let Some((_, made)) = entry.weighted.iter().find(|(of, _)| *of == weights) {
            return Rc::clone(made);
        }
        let made = Rc::new(own.weighing(weights));
        if entry.weighted.len() >= WEIGHTED {
            entry.weighted.remove(0);
        }
        entry.weighted.push((weights, Rc::clone(&made)));
        made
    }))
}

/// Makes the file of a model that is about to be promoted, and that no session needs before the commit. Without it, all
/// sessions would then wait for the first of them to make it (0.7 s for Book-Crossing). If it fails, that happens.
pub fn share(key: ModelKey, model: &Model) {
    let name = Name::of(key);
    let _lock = file::lock(&name);
    if let Ok(image) = reco_models::image(model, key.hash, pause)
        && let Err(error) = file::write(&name, &image)
    {
        pgrx::log!("reco: {} is not made yet: {error}", name.path().display());
    }
    file::remove_after_abort(name);
}

/// Where this backend holds a model that [`model`] gave.
pub fn storage(key: ModelKey) -> Storage {
    let shared = MODELS.with_borrow(|entries| entries.iter().any(|e| e.key == key && e.file.is_some()));
    if !shared {
        return Storage::Private;
    }
    let path = Name::of(key).path();
    let bytes = path.metadata().map_or(0, |m| m.len());
    Storage::Shared { path, bytes }
}

pub enum Storage {
    /// A file that all backends map, and its size; 0 where it was removed since.
    Shared { path: PathBuf, bytes: u64 },
    /// Memory of this backend, because the file cannot be made; the server's log tells why.
    Private,
}

fn open(connection: &Connection, key: ModelKey) -> Outcome<Entry> {
    let name = Name::of(key);
    if let Some(entry) = shared(&name, key) {
        return Ok(entry);
    }
    let _lock = file::lock(&name);
    // Another backend may have made it while this one waited.
    if let Some(entry) = shared(&name, key) {
        return Ok(entry);
    }
    let stored = store::served(connection, key.version)?;
    let bytes = IMAGE * (*stored).as_ref().len() as u64;
    headroom::require(bytes)?;
    require(bytes)?;
    let model = reco_models::decode(&stored)?;
    match file::write(&name, &reco_models::image(&model, key.hash, pause)?) {
        Ok(()) => {
            if let Some(entry) = shared(&name, key) {
                return Ok(entry);
            }
        }
        Err(error) => pgrx::log!("reco: model {} is not shared: {}: {error}", key.version, name.path().display()),
    }
    Ok(Entry { name: settings::model_name(), key, model: Rc::new(model.into()), weighted: Vec::new(), file: None })
}

/// The model in the shared file. A file that is not sound is removed.
fn shared(name: &Name, key: ModelKey) -> Option<Entry> {
    let mapped = file::open(name)?;
    match reco_models::open_image(&mapped.bytes, key.hash) {
        Ok(model) => {
            let (name, model) = (settings::model_name(), Rc::new(model));
            Some(Entry { name, key, model, weighted: Vec::new(), file: Some(mapped) })
        }
        Err(error) => {
            file::reject(name, &error.to_string());
            None
        }
    }
}

//! What every function about one reader does first, in the caller's snapshot: which model serves, what the sources
//! are, what the reader has done until now, and which items are asked for.

use std::rc::Rc;

use pgrx::prelude::*;
use reco_models::{Favorites, History, ItemInfo, Model, Ratings, ServedModel, Target, Taste, User, fingerprint};

use crate::cache;
use crate::failure::{Failure, Outcome};
use crate::pg::session::now;
use crate::pg::spi::Connection;
use crate::read::mapping::{self, Mapping};
use crate::read::{index, live};
use crate::settings;
use crate::store;

/// What answers a call.
pub struct Site {
    pub mapping: Rc<Mapping>,
    /// None: the rules answer.
    pub served: Option<Served>,
}

/// The active model.
pub struct Served {
    pub version: i64,
    pub model: Rc<ServedModel>,
}

impl Site {
    /// An error where a source that is needed is missing, or a model while `reco.fallback` is off.
    pub fn open(connection: &Connection) -> Outcome<Site> {
        let active = store::active(connection)?;
        let mapping = mapping::resolve(connection, active.revision)?;
        mapping.check()?;
        index::warn(connection, &mapping)?;
        let served = match active.model.filter(|_| settings::enabled()) {
            Some(key) => Some(Served { version: key.0, model: cache::model(connection, key)? }),
            None if settings::fallback() || !settings::enabled() => None,
            None => return Err(no_model()),
        };
        Ok(Site { mapping, served })
    }
}

pub fn no_model() -> Failure {
    let code = PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE;
    Failure::new(code, "there is no active model, and reco.fallback is off")
        .hint("SELECT * FROM reco_train(); or SET reco.fallback = on;")
}

/// A reader as a model sees one.
pub struct Reader {
    pub history: History,
    /// Ids of everything reviewed or favoured, ascending.
    pub seen: Vec<i64>,
    since: i64,
    /// The trained vector, if nothing happened since.
    stored: Option<Vec<f32>>,
}

impl Reader {
    pub fn read(connection: &Connection, mapping: &Mapping, served: &Served, user: i64) -> Outcome<Reader> {
        let model = &served.model;
        let (ratings, favorites) = live::interactions(connection, mapping, user)?;
        let history = model.history(&ratings, &favorites);
        let stored = store::user_factor(connection, served.version, user)?;
        let known = model.items();
        let now = fingerprint(history.row(), |item| known.id[item as usize]);
        // What the model does not know is a change too, though it cannot be folded in.
        let unchanged = |print: i64| print == now && history.unknown == 0;
        let stored = stored.filter(|s| unchanged(s.fingerprint) && s.factor.len() == model.factors());
        let since = live::since(connection, mapping, user)?;
        Ok(Reader { history, seen: seen(&ratings, &favorites), since, stored: stored.map(|s| s.factor) })
    }

    /// Ready to be scored by that model.
    pub fn user(&self, model: &Model) -> Outcome<User<'_>> {
        Ok(model.user(self.history.row(), self.since, self.stored.clone())?)
    }
}

fn seen(ratings: &Ratings, favorites: &Favorites) -> Vec<i64> {
    let mut seen = [ratings.item.as_slice(), &favorites.item].concat();
    seen.sort_unstable();
    seen.dedup();
    seen
}

/// Items of the model by index; the others as the catalogue has them now, if it does.
pub fn targets(connection: &Connection, mapping: &Mapping, model: &Model, items: &[i64]) -> Outcome<Vec<Target>> {
    let index: Vec<Option<u32>> = items.iter().map(|id| model.items().index(*id)).collect();
    let missing = items.iter().zip(&index).filter(|(_, i)| i.is_none()).map(|(id, _)| *id).collect();
    let newcomers = live::items(connection, mapping, missing)?;
    let newcomer = |id: &i64| newcomers.binary_search_by_key(id, |(id, _)| *id).ok().map(|i| newcomers[i].1);
    Ok(items
        .iter()
        .zip(index)
        .map(|(id, index)| match (index, newcomer(id)) {
            (Some(index), _) => Target::Known(index),
            (None, Some(info)) => Target::Newcomer(info),
            (None, None) => Target::Unknown,
        })
        .collect())
}

/// Reviews of so many stars count as liked where no model says otherwise.
const LIKED_STARS: f32 = 4.0;

/// A reader as the rules see one.
pub struct RulesReader {
    /// Ids of everything reviewed or favoured, ascending.
    pub seen: Vec<i64>,
    /// Liked items that the catalogue has, by ascending id.
    pub liked: Vec<(i64, ItemInfo)>,
    pub taste: Taste,
    /// The time of the transaction in seconds since 1970, so that a call is stable within it.
    pub now: i64,
}

impl RulesReader {
    pub fn read(connection: &Connection, mapping: &Mapping, user: i64) -> Outcome<RulesReader> {
        let (ratings, favorites) = live::interactions(connection, mapping, user)?;
        let well_rated =
            ratings.item.iter().zip(&ratings.stars).filter(|(_, stars)| **stars >= LIKED_STARS).map(|(i, _)| *i);
        let mut liked: Vec<i64> = well_rated.chain(favorites.item.iter().copied()).collect();
        liked.sort_unstable();
        liked.dedup();
        let liked = live::items(connection, mapping, liked)?;
        let taste = Taste::of(liked.iter().map(|(_, info)| *info));
        Ok(RulesReader { seen: seen(&ratings, &favorites), liked, taste, now: now() })
    }
}

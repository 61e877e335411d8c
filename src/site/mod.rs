//! The context of a call: the connection, which tables the sources are, and the model that answers, all as the caller's
//! snapshot has them. What a function reads, it reads through a [`Site`].

mod fragment;
mod index;
mod kept;
mod mapping;
mod resolve;
mod sources;
mod spellings;
mod trained_on;
mod weights;
mod written_time;

use std::cell::RefCell;
use std::rc::Rc;

use pgrx::PgSqlErrorCode;
use reco_models::{Key, ServedModel, Weights};
use serde_json::Value;

use crate::cache;
use crate::failure::{Failure, Outcome};
use crate::pg::catalog;
use crate::pg::heap;
use crate::pg::session;
use crate::pg::spi::Connection;
use crate::settings;
use crate::store::{self, ModelKey, StoredModel};

pub use fragment::{
    Column, Table, embedding_or_null, id_or_null, joined_texts, number_or_null, one_or_several, seconds_or_null,
    text_or_null,
};
pub use mapping::{InteractionSource, Mapping};
pub use resolve::{kind, validate};
pub use sources::{EventSource, FavoriteSource, ItemSource, LinkSource, Linked, RatingSource, Source, UserSource};
pub use spellings::SourceKind;
pub use weights::WEIGHTS;

/// Where `reco.model.sources` keeps the time zone of the training.
const ZONE: &str = "time_zone";

/// What a call sees of the site.
pub struct Site<'c> {
    pub connection: &'c Connection,
    pub mapping: Rc<Mapping>,
    /// The active model, even where the rules answer.
    pub active: Option<ModelKey>,
    /// The relation that each source was when that model was trained.
    trained_on: Option<Value>,
    /// That of times without one.
    zone: String,
    /// The model that answers; None where the rules do, and where the call needs no model.
    pub served: Option<Served>,
    /// The user whose key was looked for last, and the key; None where nothing has it.
    pub reader: RefCell<Option<(i64, Option<Key>)>>,
}

/// Who answers a call, if not the active model as it was stored.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Answerer {
    /// A stored model of the same name.
    pub version: Option<i64>,
    pub weights: Option<Weights>,
    pub rules: bool,
}

/// A model that is open, and its version.
pub struct Served {
    pub version: i64,
    pub model: Rc<ServedModel>,
}

impl<'c> Site<'c> {
    /// A site for a call that needs no model. Sources may be missing: see [`Mapping::check`].
    pub fn open(connection: &'c Connection) -> Outcome<Self> {
        Site::in_its_zone(connection, store::active(connection)?)
    }

    /// The site as a stored model was trained on it, active or not. The setting `reco.model` is its name.
    pub fn of_model(connection: &'c Connection, model: &StoredModel) -> Outcome<Self> {
        let trained_on = model.trained_on.clone();
        let model = Some(model.key);
        Site::in_its_zone(connection, store::Active { model, trained_on, ..store::active(connection)? })
    }

    fn in_its_zone(connection: &'c Connection, active: store::Active) -> Outcome<Self> {
        let trained_in = active.trained_on.as_ref().and_then(|on| on.get(ZONE)?.as_str().map(str::to_owned));
        Site::in_zone(connection, active, trained_in.unwrap_or_else(session::time_zone))
    }

    /// A site to be trained on: what has no time zone is in the session's, and from then on in the model's, whoever asks
    /// it.
    pub fn to_train(connection: &'c Connection) -> Outcome<Self> {
        Site::in_zone(connection, store::active(connection)?, session::time_zone())
    }

    fn in_zone(connection: &'c Connection, active: store::Active, zone: String) -> Outcome<Self> {
        heap::hold(heap::OF_A_CALL)?;
        let store::Active { model, trained_on, revisions } = active;
        let mapping = resolve::resolve(connection, revisions, &zone, trained_on.as_ref())?;
        Ok(Site { connection, mapping, active: model, trained_on, zone, served: None, reader: RefCell::default() })
    }

    /// A site that can answer: its sources suffice, and the model is open if it is the one to answer.
    ///
    /// # Errors
    /// 42P01 where a source is missing, 55000 where a model is, while `reco.fallback` is off, 42704 where `reco.model` is a
    /// name that nothing has.
    pub fn answering(connection: &'c Connection) -> Outcome<Self> {
        Site::answering_by(connection, Answerer::default())
    }

    /// The same, where somebody else is to answer. With `reco.enabled` off the rules answer in any case.
    ///
    /// # Errors
    /// Those of [`Site::answering`], and 42704 where there is no such version.
    pub fn answering_by(connection: &'c Connection, answerer: Answerer) -> Outcome<Self> {
        let mut site = match answerer.version {
            Some(version) => Site::of_model(connection, &store::stored(connection, version)?)?,
            None => Site::open(connection)?,
        };
        site.check_sources()?;
        site.warn_of_missing_indexes()?;
        if settings::enabled() && !answerer.rules {
            site.served = site.active_model()?;
        }
        if let (Some(weights), Some(served), Some(key)) = (answerer.weights, &mut site.served, site.active) {
            served.model = cache::weighted(connection, key, weights)?;
        }
        Ok(site)
    }

    /// A name that nothing has is a mistake: what is detected may be another shop's.
    ///
    /// # Errors
    /// 42704 where neither a model nor a mapping has the name that `reco.model` sets.
    pub fn check_name(&self) -> Outcome<()> {
        let name = settings::model_name();
        if name.is_empty() || self.active.is_some() {
            return Ok(());
        }
        let names = store::names(self.connection)?;
        if names.contains(&name) {
            return Ok(());
        }
        let there_are =
            if names.is_empty() { "No model has a name.".into() } else { format!("There are: {}.", names.join(", ")) };
        Err(Failure::new(PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT, format!("there is no model named \"{name}\""))
            .detail(there_are)
            .hint("RESET reco.model; or train it: SELECT * FROM reco_train('{\"model\": \"...\"}');"))
    }

    /// Whether the caller reads the interactions that the active model was trained on, all of them. Where it does not,
    /// nothing may depend on whether they are equal to those: a caller with tables of its own could try one history
    /// after the other for a user whose rows it may not see.
    pub fn reads_what_was_trained_on(&self) -> bool {
        self.mapping.interaction_tables().all(|(kind, table)| {
            self.is_trained_on(kind, table) && !table.is_some_and(|table| catalog::row_security_applies(table.oid))
        })
    }

    /// Whether the caller is known to see the whole catalogue. Where it is not, every item that a model knows has to be
    /// looked up before anything is said of it.
    pub fn shows_whole_catalogue(&self) -> bool {
        self.mapping.items().is_none_or(|source| catalog::shows_all_rows(source.table().oid))
    }

    /// The active model, even where `reco.enabled` is off; None where there is none, or where it is not this site's.
    ///
    /// # Errors
    /// 55000 where there is none and `reco.fallback` is off; XX001 where it is damaged.
    pub fn active_model(&self) -> Outcome<Option<Served>> {
        let foreign = self.is_foreign();
        match self.active.filter(|_| foreign.is_none()) {
            Some(key) => Ok(Some(Served { version: key.version, model: cache::model(self.connection, key)? })),
            None if settings::fallback() => Ok(None),
            None => Err(Failure::new(
                PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!("{}, and reco.fallback is off", foreign.as_deref().unwrap_or("there is no active model")),
            )
            .hint("SELECT * FROM reco_train(); or SET reco.fallback = on;")),
        }
    }
}

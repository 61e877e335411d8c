//! What a model was trained on, compared with what there is now: whether it is this site's model, and sources that are not
//! there any more.

use std::cell::RefCell;
use std::collections::HashSet;

use serde_json::{Map, Value};

use super::fragment::Table;
use super::mapping::how_to_map;
use super::sources::Source;
use super::spellings::SourceKind;
use super::{Site, ZONE};
use crate::failure::Outcome;
use crate::pg::catalog;
use crate::pg::notice;
use crate::pg::session;

/// Where `reco.model.sources` keeps what an earlier model was trained on, and this one was not.
const LOST: &str = "lost";

/// Where it keeps the oids of the relations: a name changes when a table or schema is renamed, an oid when it is restored
/// from a dump.
const OIDS: &str = "oids";

/// Where it keeps which of the sources had keys, for which ids stand, and of what type; nothing where all are integers.
const KEYS: &str = "keys";

thread_local! {
    /// What this session was told.
    static TOLD: RefCell<HashSet<String>> = RefCell::default();
}

/// A detected source that is not usable any more.
pub struct Lost {
    kind: &'static SourceKind,
    /// What it was.
    relation: String,
    problem: String,
}

impl Lost {
    pub fn sentence(&self) -> String {
        let Lost { kind, relation, problem } = self;
        format!("the source \"{}\" was {relation}, and nothing of it is read now: {problem}", kind.name)
    }
}

impl Site<'_> {
    /// Sources that models were trained on, and that are not found now. A configured one is an error instead.
    pub fn lost(&self) -> Vec<Lost> {
        let Some(trained_on) = &self.trained_on else { return Vec::new() };
        let was = |kind: &SourceKind| {
            let earlier = trained_on.get(LOST).and_then(|lost| lost.get(kind.name));
            trained_on.get(kind.name).or(earlier).and_then(Value::as_str)
        };
        let tables = self.mapping.tables().into_iter();
        let lost = tables.filter_map(|(kind, table)| {
            let problem = table.err().filter(|_| !self.mapping.is_configured(kind))?;
            Some(Lost { kind, relation: was(kind)?.to_owned(), problem: problem.to_owned() })
        });
        lost.collect()
    }

    /// What a training keeps of the sources: the relation of each by name and by oid, the time zone, and of what was lost the relation that it
    /// was. So the next model does not forget it. A training that is forced takes the sources as they are.
    pub fn relations(&self, forced: bool) -> Value {
        let mut relations = self.mapping.of_tables(|table| table.quoted().into());
        relations.insert(OIDS.into(), Value::Object(self.mapping.of_tables(|table| table.oid.to_u32().into())));
        relations.insert(ZONE.into(), self.zone.clone().into());
        let of_keys = |table: &Table| {
            let column = table.column(table.kind.key).filter(|column| column.has_keys());
            column.map_or(Value::Null, |column| catalog::type_name(column.type_oid).into())
        };
        let mut keys = self.mapping.of_tables(of_keys);
        keys.retain(|_, type_name| !type_name.is_null());
        if !keys.is_empty() {
            relations.insert(KEYS.into(), Value::Object(keys));
        }
        let lost: Map<String, Value> = self
            .lost()
            .into_iter()
            .filter(|_| !forced)
            .map(|lost| (lost.kind.name.into(), lost.relation.into()))
            .collect();
        if !lost.is_empty() {
            relations.insert(LOST.into(), Value::Object(lost));
        }
        Value::Object(relations)
    }

    /// Whether a source is the relation that it was when the active model was trained, renamed or not.
    pub(super) fn is_trained_on(&self, kind: &SourceKind, table: Option<&Table>) -> bool {
        let Some(trained_on) = &self.trained_on else { return false };
        let name = table.map(Table::quoted);
        let oid = table.map(|table| u64::from(table.oid.to_u32()));
        let was = trained_on.get(OIDS).and_then(|oids| oids.get(kind.name)).and_then(Value::as_u64);
        trained_on.get(kind.name).and_then(Value::as_str) == name.as_deref() || oid.is_some() && was == oid
    }

    /// The sources of interactions that are other relations than the model was trained on, or none any more.
    pub fn changed_interactions(&self) -> Vec<&'static str> {
        let tables = self.mapping.interaction_tables();
        tables.filter(|(kind, table)| !self.is_trained_on(kind, *table)).map(|(kind, _)| kind.name).collect()
    }

    /// Why the active model must not answer: it was trained on another catalogue than the one that the caller's search_path
    /// leads to, and would list that one's ids. What is configured is one for all.
    pub fn is_foreign(&self) -> Option<String> {
        let trained_on = self.trained_on.as_ref()?;
        let items = self.mapping.items()?;
        let table = items.table();
        let had_keys = trained_on.get(KEYS).is_some_and(|keys| keys.get(table.kind.name).is_some());
        if had_keys != items.id.has_keys() {
            let (id, is) = (items.id.quoted(), catalog::type_name(items.id.type_oid));
            return Some(format!("the active model was trained when {id} of {} was not {is} yet", table.quoted()));
        }
        if table.configured || self.is_trained_on(table.kind, Some(table)) {
            return None;
        }
        let was = trained_on.get(table.kind.name).and_then(Value::as_str).unwrap_or("none");
        let is = table.quoted();
        Some(format!("the active model was trained on the catalogue {was}, and it does not answer for {is}"))
    }

    /// Warns once in a session of each source that was lost, and of a model that does not answer.
    ///
    /// # Errors
    /// Those of [`Mapping::check`](super::Mapping::check) and of [`Site::check_name`].
    pub fn check_sources(&self) -> Outcome<()> {
        self.check_name()?;
        self.mapping.check()?;
        // A parallel worker lives for one query, and would warn in each.
        if session::is_parallel_worker() {
            return Ok(());
        }
        for lost in self.lost() {
            warn_once(lost.sentence(), &how_to_map(lost.kind));
        }
        if let Some(foreign) = self.is_foreign() {
            warn_once(foreign, "Train with this search_path, or set the one that the model was trained with.");
        }
        Ok(())
    }
}

fn warn_once(sentence: String, hint: &str) {
    if TOLD.with_borrow_mut(|told| told.insert(sentence.clone())) {
        notice::warn(&sentence, hint);
    }
}

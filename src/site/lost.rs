//! Sources that were there when the model was trained, and are not any more.

use std::cell::RefCell;
use std::collections::HashSet;

use serde_json::{Map, Value};

use super::sources::how_to_map;
use super::spellings::SourceKind;
use super::{Site, ZONE};
use crate::failure::Outcome;
use crate::pg::notice;
use crate::pg::session;

/// Where `reco.model.sources` keeps what an earlier model was trained on, and this one was not.
const LOST: &str = "lost";

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

    /// What a training keeps of the sources: the relation of each, the time zone, and of what was lost the relation that it
    /// was. So the next model does not forget it. A training that is forced takes the sources as they are.
    pub fn relations(&self, forced: bool) -> Value {
        let mut relations = self.mapping.relations();
        relations.insert(ZONE.into(), self.zone.clone().into());
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

    /// Warns once in a session of each source that was lost.
    ///
    /// # Errors
    /// Those of [`Mapping::check`](super::Mapping::check).
    pub fn check_sources(&self) -> Outcome<()> {
        self.mapping.check()?;
        // A parallel worker lives for one query, and would warn in each.
        if session::is_parallel_worker() {
            return Ok(());
        }
        for lost in self.lost() {
            let sentence = lost.sentence();
            if TOLD.with_borrow_mut(|told| told.insert(sentence.clone())) {
                notice::warn(&sentence, &how_to_map(lost.kind));
            }
        }
        Ok(())
    }
}

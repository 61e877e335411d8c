//! A stored model, evaluated once more on the hold-out of its own training: at any cut-offs, by more metrics, and for
//! segments of users and items.
//!
//! The data is that of now. What the training's rule holds out of it is hold-out, so the model without the hold-out has
//! learned from none of it, also where the interaction came after the training. Where nothing has changed, the users, the
//! lists and the figures are those of the training.

mod figures;
mod lists;
mod segments;

use rayon::prelude::*;
use serde_json::Value;

use crate::control::{Control, Phase};
use crate::data::cut::Cut;
use crate::data::dataset::{Dataset, Sources};
use crate::data::split::{HOLDOUT_SALT, hold_out, sample};
use crate::error::{Error, Result};
use crate::learn::evaluate::Ranker;
use crate::learn::params::ValidParams;
use crate::learn::report::Evaluated;
use crate::model::model::Model;

pub use figures::Figure;
pub use segments::Segment;

use figures::Figures;
use lists::Lists;

/// A stored model, and how its training evaluated it.
pub struct Stored {
    /// Fitted without the hold-out.
    twin: Model,
    training: Evaluated,
}

impl Stored {
    /// `choice` is what [`crate::Choice::report`] wrote; None where it does not say how the model was evaluated.
    pub fn new(twin: Model, choice: &Value) -> Option<Stored> {
        Evaluated::from_report(choice).map(|training| Stored { twin, training })
    }

    /// The users that a training with these options evaluates at most.
    pub fn most_users(&self, params: &ValidParams) -> usize {
        params.budget.evaluated(params.evaluation_users, self.twin.items().len())
    }
}

/// What is asked of a stored model.
#[derive(Debug, Clone)]
pub struct Request {
    /// Ascending, each once and at least 1.
    pub cutoffs: Vec<usize>,
    /// At most this many users of the hold-out, spread evenly.
    pub most_users: usize,
    /// Of the bootstrap.
    pub seed: u64,
    /// Also by segment.
    pub segments: bool,
}

impl Request {
    /// The length of the lists.
    pub fn longest(&self) -> usize {
        self.cutoffs.last().copied().unwrap_or(0)
    }
}

/// The share of the time that goes into ranking; the rest goes into the intervals.
const RANKING: f32 = 0.8;

/// Evaluates on `threads` threads of its own; the figures do not depend on their number.
///
/// # Errors
/// [`Error::TooLittleData`] where nobody has a liked item on both sides of the cut, [`Error::Stopped`], and what reading the
/// sources and solving for a user give.
pub fn reevaluate(
    sources: Sources,
    stored: &Stored,
    request: &Request,
    threads: usize,
    control: &Control,
) -> Result<Vec<Figure>> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let pool = pool.map_err(|e| Error::Threads(e.to_string()))?;
    pool.install(|| {
        let all = Cut::new(Dataset::build(sources)?, stored.twin.feedback().positive_stars);
        control.check()?;
        stored.evaluate(all, request, control)
    })
}

impl Stored {
    fn evaluate(&self, all: Cut, request: &Request, control: &Control) -> Result<Vec<Figure>> {
        let core = self.core(&all);
        drop(all);
        control.check()?;
        let split = hold_out(&core, self.training.held, HOLDOUT_SALT);
        drop(core);
        let users = sample(&split.users(), request.most_users);
        if users.is_empty() {
            return Err(Error::TooLittleData(
                "no user has a liked item among what the model learned from and another one in its hold-out".into(),
            ));
        }
        control.enter(Phase::Evaluating)?;
        let ranker = Ranker::foreign(&self.twin, &split.train.data);
        let lists = Lists::rank(&ranker, &split, &users, self.training.learned, request, control)?;
        let groups = segments::groups(&split, &users, request.segments);
        let figures = Figures::new(&split, &users, &lists, self.twin.forest().is_some(), request, control);
        figures.of_all(&groups)
    }

    /// The items that the model knows and that are still there, and the users with enough liked ones among them: those of the
    /// training, where nothing has changed since.
    fn core(&self, all: &Cut) -> Cut {
        let known = |item: &u32| self.twin.items().index(all.data.items[*item as usize]).is_some();
        let items: Vec<u32> = (0..all.data.items.len() as u32).filter(known).collect();
        let is_known = |item: &u32| items.binary_search(item).is_ok();
        let enough = |user: &u32| {
            let liked = all.liked().outer_view(*user as usize);
            let count = liked.map_or(0, |row| row.indices().iter().filter(|item| is_known(item)).count());
            count >= self.training.min_interactions
        };
        let users: Vec<u32> = (0..all.data.users.len() as u32).into_par_iter().filter(enough).collect();
        all.restrict(&users, &items)
    }
}

#[cfg(test)]
mod tests;

//! The search for the regressions of the neighbours: shrinkage, the weight of active users, and how many are used.

use super::{Search, Trials, clearly_better, mean};
use crate::control::Control;
use crate::error::Result;
use crate::parts::neighbours::{NeighbourParams, Neighbours, Regressions, Shrinkage};

/// How many others an item is predicted from. More are a matter of dense data, see [`Search::wider`].
const NEIGHBOURS: usize = 50;
/// What is tried where they may help. NDCG@10 of the collaborative part on MovieLens 100k, 33 positives an item: 0.322
/// with 50 and 0.327 with 200; on a generated library, 11 an item: 0.257 and 0.252.
const MANY_NEIGHBOURS: usize = 200;
/// The catalogues and the positives an item with which that is tried: the work grows with the cube of the neighbours.
const MANY_ITEMS: usize = 10_000;
const DENSE: usize = 15;

/// In shared readers; Book-Crossing takes 30, MovieLens 100k and the generated library 100.
const RIDGES: [f32; 4] = [10.0, 30.0, 100.0, 300.0];
/// Shares of the likes that are imagined to be dropped.
pub(super) const DROPOUTS: [f32; 2] = [0.0, 0.5];
/// Powers of the users' activity: the first is where the search begins.
pub(super) const ACTIVITIES: [f32; 3] = [-0.25, -0.5, 0.0];

/// The most neighbours that a choice may arrive at, in a catalogue of this size.
pub fn most_neighbours(fixed: Option<usize>, items: usize) -> usize {
    fixed.unwrap_or(if items <= MANY_ITEMS { MANY_NEIGHBOURS } else { NEIGHBOURS })
}

/// A fitted try.
pub(super) struct Try {
    pub params: NeighbourParams,
    pub fitted: Neighbours,
    /// By validation user.
    pub ndcg: Vec<f64>,
}

impl Search<'_> {
    /// The best regressions on the nearest; none at all where an option leaves them out or nobody can choose.
    pub(super) fn nearest(&self, trials: &mut Trials) -> Result<Try> {
        let most = self.params.neighbours.unwrap_or(NEIGHBOURS);
        let ridges = self.params.ridge.map_or(RIDGES.to_vec(), |fixed| vec![fixed]);
        let with = |dropout: f32| ridges.iter().map(move |ridge| Shrinkage { ridge: *ridge, dropout });
        let all: Vec<Shrinkage> = DROPOUTS.into_iter().flat_map(with).collect();
        let start = NeighbourParams { shrinkage: all[0], whole: false, most, activity: ACTIVITIES[0] };
        if most == 0 || self.users.is_empty() {
            return Ok(Try { params: start, fitted: Neighbours::none(self.matrix.cols()), ndcg: Vec::new() });
        }
        let mut best = self.best_of(start, &all, trials)?;
        for activity in ACTIVITIES.into_iter().skip(1) {
            if self.over(trials) {
                break;
            }
            let shrinkages: Vec<Shrinkage> = with(best.params.shrinkage.dropout).collect();
            let next = self.best_of(NeighbourParams { activity, ..best.params }, &shrinkages, trials)?;
            if mean(&next.ndcg) > mean(&best.ndcg) {
                best = next;
            }
        }
        self.wider(best, trials)
    }

    /// With more neighbours, if they are clearly better: they cost memory and time at every score.
    fn wider(&self, best: Try, trials: &mut Trials) -> Result<Try> {
        let (items, positives) = (self.matrix.cols(), self.matrix.nnz());
        let worth_it = items <= MANY_ITEMS && positives >= DENSE * items;
        if self.params.neighbours.is_some() || !worth_it || self.over(trials) {
            return Ok(best);
        }
        let Shrinkage { ridge, dropout } = best.params.shrinkage;
        let ridges = self.params.ridge.map_or(vec![ridge, 3.0 * ridge], |fixed| vec![fixed]);
        let shrinkages: Vec<Shrinkage> = ridges.into_iter().map(|ridge| Shrinkage { ridge, dropout }).collect();
        let next = self.best_of(NeighbourParams { most: MANY_NEIGHBOURS, ..best.params }, &shrinkages, trials)?;
        Ok(if clearly_better(&next.ndcg, &best.ndcg) { next } else { best })
    }

    /// The best of some shrinkages, of which there is at least one; the first among equals.
    fn best_of(&self, params: NeighbourParams, shrinkages: &[Shrinkage], trials: &mut Trials) -> Result<Try> {
        let quiet = Control::sharing_stop(self.control);
        let regressions = Regressions::fit(self.matrix, &params, shrinkages, &quiet)?;
        let mut attempt = |place: usize| {
            let params = NeighbourParams { shrinkage: shrinkages[place], ..params };
            self.tried(params, regressions.neighbours(place), trials)
        };
        let mut best = attempt(0)?;
        for place in 1..shrinkages.len() {
            let next = attempt(place)?;
            if mean(&next.ndcg) > mean(&best.ndcg) {
                best = next;
            }
        }
        Ok(best)
    }

    /// Ranks validation by neighbours alone, and notes how well they do.
    pub(super) fn tried(&self, params: NeighbourParams, fitted: Neighbours, trials: &mut Trials) -> Result<Try> {
        let items = self.matrix.cols();
        let ndcg = self.ndcg_by_user(|_, liked| Ok(fitted.score_all(liked, items)))?;
        trials.neighbours.push((params, mean(&ndcg)));
        Ok(Try { params, fitted, ndcg })
    }

    /// Whether the time for the search is over; told with the result.
    pub(super) fn over(&self, trials: &mut Trials) -> bool {
        let over = self.params.budget.search_is_over(self.control);
        trials.cut_short |= over;
        over
    }
}

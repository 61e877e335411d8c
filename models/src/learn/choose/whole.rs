//! The search for the regression of each item on all others: shrinkage and the weight of active users.

use super::neighbours::{ACTIVITIES, DROPOUTS, Try};
use super::{Search, Trials, mean};
use crate::control::Control;
use crate::error::Result;
use crate::parts::neighbours::{NeighbourParams, Shrinkage, whole};

/// What an item helps to predict, at most, so that a page of scores reads no more of each liked item. NDCG@10 with the 100,
/// 300, 500 largest weights and with all: 0.323, 0.325, 0.325, 0.325 (MovieLens 100k), 0.429, 0.440, 0.439, 0.442 (the same,
/// every rating a like), 0.138, 0.142, 0.140, 0.136 (Book-Crossing's readers and books with 20 likes or more).
pub const KEPT: usize = 300;

impl Search<'_> {
    /// The best that was tried, beginning with what is best for the nearest; None where there is no time for one, where the
    /// options ask for a number of neighbours, or where the system cannot be inverted.
    pub(super) fn whole(&self, nearest: NeighbourParams, trials: &mut Trials) -> Result<Option<Try>> {
        let most = self.params.budget.whole_tries(whole::madds(self.matrix));
        if most == 0 || self.params.neighbours.is_some() || self.users.is_empty() {
            return Ok(None);
        }
        let start = NeighbourParams { whole: true, most: KEPT, ..nearest };
        let mut tried = vec![start];
        let Some(mut best) = self.attempt(start, trials)? else { return Ok(None) };
        // In the direction that was better last, as long as it is; then in the others.
        let mut direction = 0;
        let mut failed = 0;
        while failed < MOVES && tried.len() < most && !self.over(trials) {
            let next = self.moved(best.params, direction);
            let new = next.filter(|next| !tried.contains(next));
            let found = match new {
                Some(next) => {
                    tried.push(next);
                    self.attempt(next, trials)?.filter(|found| mean(&found.ndcg) > mean(&best.ndcg))
                }
                None => None,
            };
            if let Some(found) = found {
                (best, failed) = (found, 0);
            } else {
                (direction, failed) = ((direction + 1) % MOVES, failed + 1);
            }
        }
        Ok(Some(best))
    }

    fn attempt(&self, params: NeighbourParams, trials: &mut Trials) -> Result<Option<Try>> {
        let quiet = Control::sharing_stop(self.control);
        let Some(fitted) = whole::fit(self.matrix, &params, &quiet)? else { return Ok(None) };
        self.tried(params, fitted, trials).map(Some)
    }

    /// One step away from `at`; None where an option fixes what would be changed.
    fn moved(&self, at: NeighbourParams, direction: usize) -> Option<NeighbourParams> {
        let Shrinkage { ridge, dropout } = at.shrinkage;
        let with = |shrinkage| NeighbourParams { shrinkage, ..at };
        let ridges =
            |factor: f32| self.params.ridge.is_none().then(|| with(Shrinkage { ridge: factor * ridge, dropout }));
        match direction {
            0 => ridges(3.0),
            1 => ridges(1.0 / 3.0),
            2 => DROPOUTS.into_iter().find(|other| *other != dropout).map(|dropout| with(Shrinkage { ridge, dropout })),
            _ => {
                let place = ACTIVITIES.iter().position(|activity| *activity == at.activity)?;
                let activity = ACTIVITIES[(place + direction - 2) % ACTIVITIES.len()];
                Some(NeighbourParams { activity, ..at })
            }
        }
    }
}

/// Directions in which a search moves.
const MOVES: usize = 2 + ACTIVITIES.len();

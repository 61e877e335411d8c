//! What the neighbours are made of, regressions and a low-pass filter, and how they are tilted.

use super::blend::Blended;
use super::neighbours::Try;
use super::{Search, Trials, clearly_better, mean};
use crate::control::Control;
use crate::error::Result;
use crate::parts::collaborative::Collaborative;
use crate::parts::neighbours::{FilterParams, Mixture, NeighbourParams, Neighbours, filter};

/// Powers that are tried beside 0.
const TILTS: [f32; 2] = [-0.1, -0.2];
/// Directions that a low-pass filter lets through, and shares of the sum that it is tried with. With 256 a sum was never better on
/// validation: 0.226 instead of 0.242 (a generated library), 0.1007 instead of 0.1010 (Book-Crossing's readers and books with 20 likes).
const DIRECTIONS: usize = 64;
const FILTERED: [f32; 2] = [0.3, 0.6];
/// The largest catalogue that it is tried on, for the sake of memory, here and in the model.
const MOST_ITEMS: usize = 50_000;
/// What an item helps to predict through the filter, at most: in a small catalogue, and in one of more than so many items.
const PASSED: usize = 300;
const FEW_PASSED: usize = 100;
const SMALL: usize = 10_000;

/// Bytes of a sum with the filter, beside neighbours of `before` for each item: the weights of the filter as rows and gathered, of
/// a sum as well, and of the best.
pub fn filter_bytes(items: usize, before: usize) -> usize {
    let of = |items: usize| size_of::<(u32, f32)>() * items * (2 * passed(items) + 3 * (passed(items) + before));
    // Of the items at most: there may be fewer, of which more is kept.
    of(items.min(SMALL)).max(of(items.min(MOST_ITEMS)))
}

fn passed(items: usize) -> usize {
    if items <= SMALL { PASSED } else { FEW_PASSED }
}

impl Search<'_> {
    /// From the nearest, which are in `part`, to all others, to the sum of both, to a sum with a low-pass filter, and to tilted weights: each costs memory and time
    /// at every score, or fits validation once more, so that it has to be clearly better, with the share of its own. Leaves
    /// what it chose in `part`.
    pub(super) fn mixture(
        &self,
        part: &mut Collaborative,
        nearest: NeighbourParams,
        whole: Option<Try>,
        trials: &mut Trials,
    ) -> Result<(Mixture, Blended)> {
        let mut best = (Mixture::of(nearest), self.blend(part)?);
        if let Some(whole) = whole {
            let few = part.neighbours.clone();
            let scale = best.1.blend.neighbour_scale;
            let all = self.better(part, &mut best, Mixture::of(whole.params), whole.fitted.clone())?;
            let factor = scale / all;
            let both = Mixture { second: Some((whole.params, factor)), ..Mixture::of(nearest) };
            self.better(part, &mut best, both, few.plus(&whole.fitted, factor))?;
        }
        self.filtered(part, &mut best, trials)?;
        let straight = (best.0, part.neighbours.clone());
        for tilt in TILTS {
            if straight.1.item.is_empty() || self.params.budget.search_is_over(self.control) {
                break;
            }
            let tilted = straight.1.tilted(self.matrix, tilt);
            self.better(part, &mut best, Mixture { tilt, ..straight.0 }, tilted)?;
        }
        Ok(best)
    }

    /// A low-pass filter beside what is best: its share by the neighbours alone, and then with the share of ALS.
    fn filtered(&self, part: &mut Collaborative, best: &mut (Mixture, Blended), trials: &mut Trials) -> Result<()> {
        let without = part.neighbours.clone();
        let (users, items, positives) = (self.matrix.rows(), self.matrix.cols(), self.matrix.nnz());
        if without.item.is_empty() || self.params.neighbours.is_some() || self.users.is_empty() || items > MOST_ITEMS {
            return Ok(());
        }
        // With as many directions as there are users or items everything passes.
        let narrow = 4 * DIRECTIONS <= users.min(items);
        let affordable = self.params.budget.affords_filter(filter::madds(users, items, positives, DIRECTIONS));
        if !narrow || !affordable || self.over(trials) {
            return Ok(());
        }
        let own = best.1.blend.neighbour_scale;
        let params = FilterParams { directions: DIRECTIONS, most: passed(items), seed: self.params.seed };
        part.neighbours = filter::fit(self.matrix, &params, &Control::sharing_stop(self.control))?;
        let scale = self.scales(part)?.neighbour_scale;
        let mut highest: Option<(f64, Mixture, Neighbours)> = None;
        for share in FILTERED {
            let factor = share / (1.0 - share) * own / scale;
            let sum = without.plus(&part.neighbours, factor);
            let ndcg = mean(&self.ndcg_by_user(|_, liked| Ok(sum.score_all(liked, items)))?);
            trials.filters.push((DIRECTIONS, share, ndcg));
            if highest.as_ref().is_none_or(|(most, ..)| ndcg > *most) {
                highest = Some((ndcg, Mixture { filter: Some((params, factor)), ..best.0 }, sum));
            }
        }
        part.neighbours = without;
        if let Some((_, mixture, sum)) = highest {
            self.better(part, best, mixture, sum)?;
        }
        Ok(())
    }

    /// Takes other neighbours into `part` if they are clearly better than the best. Gives their scale.
    fn better(
        &self,
        part: &mut Collaborative,
        best: &mut (Mixture, Blended),
        mixture: Mixture,
        fitted: Neighbours,
    ) -> Result<f32> {
        let before = std::mem::replace(&mut part.neighbours, fitted);
        let blended = self.blend(part)?;
        let scale = blended.blend.neighbour_scale;
        if clearly_better(&blended.ndcg, &best.1.ndcg) {
            *best = (mixture, blended);
        } else {
            part.neighbours = before;
        }
        Ok(scale)
    }
}

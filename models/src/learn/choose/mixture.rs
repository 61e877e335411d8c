//! Which regressions the neighbours are made of, and how they are tilted.

use super::blend::Blended;
use super::neighbours::Try;
use super::{Search, clearly_better};
use crate::error::Result;
use crate::parts::collaborative::Collaborative;
use crate::parts::neighbours::{Mixture, NeighbourParams, Neighbours};

/// Powers that are tried beside 0.
const TILTS: [f32; 2] = [-0.1, -0.2];

impl Search<'_> {
    /// From the nearest, which are in `part`, to all others, to the sum of both, and to tilted weights: each costs memory and time
    /// at every score, or fits validation once more, so that it has to be clearly better, with the share of its own. Leaves
    /// what it chose in `part`.
    pub(super) fn mixture(
        &self,
        part: &mut Collaborative,
        nearest: NeighbourParams,
        whole: Option<Try>,
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

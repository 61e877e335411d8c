//! The weight of clicks: whether the collaborative part gets better by learning from them.

use super::{Recipe, Search, Trials, better_by, fit, mean};
use crate::control::Control;
use crate::data::clicks::{Held, with_clicks};
use crate::error::Result;
use crate::parts::collaborative::{Blend, Collaborative};

/// What is tried, a favourite being 1.
const WEIGHTS: [f32; 3] = [0.1, 0.3, 1.0];
/// Standard errors of the difference by which they have to rank better. More than elsewhere: clicks are of what was shown, so
/// they repeat what a model thought, and the best of three weights is too good by chance.
const ERRORS: f64 = 2.0;

impl Search<'_> {
    /// With the clicks in the weight that ranks validation best, where that is better than without them.
    pub(super) fn clicks(
        &self,
        (recipe, part): (Recipe, Collaborative),
        held: &[Held],
        trials: &mut Trials,
    ) -> Result<(Recipe, Collaborative)> {
        let is_off = self.params.clicks == Some(0.0);
        if self.inner.train.data.clicks.is_empty() || is_off || self.users.is_empty() && self.params.clicks.is_none() {
            return Ok((recipe, part));
        }
        let without = self.ndcg_of_part(&part)?;
        trials.clicks.push((0.0, mean(&without)));
        let shows_any = || with_clicks(&self.inner.train, 1.0, held).nnz() > self.matrix.nnz();
        if self.params.clicks.is_none() && !shows_any() {
            // All of them are newer than the cut, or of pairs that are held out: nothing tells what they are worth.
            return Ok((recipe, part));
        }
        let tried = self.params.clicks.map_or(WEIGHTS.to_vec(), |fixed| vec![fixed]);
        let mut best: Option<((Recipe, Collaborative), Vec<f64>)> = None;
        for weight in tried {
            if self.params.clicks.is_none() && self.over(trials) {
                break;
            }
            let recipe = Recipe { clicks: weight, ..recipe };
            let quiet = Control::sharing_stop(self.control);
            let (mut part, _) = fit(&with_clicks(&self.inner.train, weight, held), &recipe, &quiet)?;
            part.blend = Blend { share: recipe.blend.share, ..self.scales(&part)? };
            let ndcg = self.ndcg_of_part(&part)?;
            trials.clicks.push((weight, mean(&ndcg)));
            if best.as_ref().is_none_or(|(_, highest)| mean(&ndcg) > mean(highest)) {
                best = Some(((Recipe { blend: part.blend, ..recipe }, part), ndcg));
            }
        }
        let is_fixed = self.params.clicks.is_some();
        Ok(match best {
            Some((chosen, ndcg)) if is_fixed || better_by(ERRORS, &ndcg, &without) => chosen,
            _ => (recipe, part),
        })
    }

    fn ndcg_of_part(&self, part: &Collaborative) -> Result<Vec<f64>> {
        self.ndcg_by_user(|_, liked| {
            let likes = part.likes_with(part.fold_in(liked)?, liked.to_vec(), part.blend);
            Ok(part.score_all_with(&likes, part.blend))
        })
    }
}

//! Maximal marginal relevance (Carbonell and Goldstein, "The Use of MMR, Diversity-Based Reranking", SIGIR 1998): each
//! place goes to the item with the best (1−d)·score − d·(its similarity to the nearest item that is already placed).

use crate::data::dataset::NONE;
use crate::math::simd::dot;
use crate::model::model::Model;
use crate::model::score::Target;
use crate::serve::recommend::Pick;

/// Where a factor is missing: of one author, and of one category.
const SAME_AUTHOR: f32 = 0.8;
const SAME_CATEGORY: f32 = 0.4;

/// An item as others are compared with it.
pub struct Likeness {
    /// Of length 1; empty without a factor.
    unit: Vec<f32>,
    author: i64,
    category: i64,
}

impl Likeness {
    pub fn new(model: &Model, target: Target) -> Likeness {
        let (unit, info) = match target {
            Target::Known(item) => {
                let row = model.collaborative_part().factors.row(item as usize);
                let length = dot(row, row).sqrt();
                let unit = if length > 0.0 { row.iter().map(|v| v / length).collect() } else { Vec::new() };
                (unit, Some(model.items().info(item)))
            }
            Target::Newcomer(info) => (Vec::new(), Some(info)),
            Target::Unknown => (Vec::new(), None),
        };
        let [author, category] = info.map_or([NONE; 2], |info| [info.author, info.category]);
        Likeness { unit, author, category }
    }

    /// 0 to 1: the cosine of the factors where both have one, else what author and category tell.
    pub fn with(&self, other: &Likeness) -> f32 {
        if !self.unit.is_empty() && !other.unit.is_empty() {
            return dot(&self.unit, &other.unit).clamp(0.0, 1.0);
        }
        let same = |a: i64, b: i64| a != NONE && a == b;
        if same(self.author, other.author) {
            SAME_AUTHOR
        } else if same(self.category, other.category) {
            SAME_CATEGORY
        } else {
            0.0
        }
    }
}

/// The `n` picks that balance score and variety, in their new order. `picks` are best first; `diversity` is 0 (the order
/// as it is) to 1 (variety alone, after the first). `pause` is called between places.
pub fn diversify(model: &Model, picks: &[Pick], n: usize, diversity: f32, mut pause: impl FnMut()) -> Vec<Pick> {
    let likeness: Vec<Likeness> = picks.iter().map(|pick| Likeness::new(model, pick.target)).collect();
    let mut nearest = vec![0.0f32; picks.len()];
    let mut left: Vec<usize> = (0..picks.len()).collect();
    let mut placed = Vec::with_capacity(n.min(picks.len()));
    while placed.len() < n && !left.is_empty() {
        pause();
        let worth = |i: usize| (1.0 - diversity) * picks[i].scored.score - diversity * nearest[i];
        // Of equals the first, which has the better score.
        let best = (1..left.len()).fold(0, |best, i| if worth(left[i]) > worth(left[best]) { i } else { best });
        let chosen = left.remove(best);
        for i in &left {
            nearest[*i] = nearest[*i].max(likeness[*i].with(&likeness[chosen]));
        }
        placed.push(picks[chosen]);
    }
    placed
}

//! Maximal marginal relevance (Carbonell and Goldstein, "The Use of MMR, Diversity-Based Reranking", SIGIR 1998): each
//! place goes to the item with the highest (1−d)·score − d·similarity, where the similarity is that to the most similar
//! item among those before it.

use crate::data::items::ItemInfo;
use crate::math::simd::dot;
use crate::model::model::Model;
use crate::model::score::Target;
use crate::serve::recommend::Pick;

/// Similarity of two items of one author, and of one category, where one of them has no factors.
const SAME_AUTHOR: f32 = 0.8;
const SAME_CATEGORY: f32 = 0.4;

/// What items are compared by.
struct Likeness {
    /// The factors, scaled to length 1; empty without factors.
    unit: Vec<f32>,
    /// Ascending.
    authors: Vec<i64>,
    categories: Vec<i64>,
}

impl Likeness {
    fn new(model: &Model, target: &Target) -> Likeness {
        let (unit, info) = match target {
            Target::Known(item) => {
                let row = model.collaborative_part().factors.row(*item as usize);
                let length = dot(row, row).sqrt();
                let unit = if length > 0.0 { row.iter().map(|v| v / length).collect() } else { Vec::new() };
                (unit, model.items().info(*item))
            }
            Target::Newcomer(info) => (Vec::new(), info.clone()),
            Target::Unknown => (Vec::new(), ItemInfo::default()),
        };
        Likeness { unit, authors: info.authors().collect(), categories: info.categories().collect() }
    }

    /// Similarity, 0 to 1: the cosine of the factors where both items have them, else by author and category.
    fn with(&self, other: &Likeness) -> f32 {
        if !self.unit.is_empty() && !other.unit.is_empty() {
            return dot(&self.unit, &other.unit).clamp(0.0, 1.0);
        }
        let share = |own: &[i64], others: &[i64]| own.iter().any(|key| others.binary_search(key).is_ok());
        if share(&self.authors, &other.authors) {
            SAME_AUTHOR
        } else if share(&self.categories, &other.categories) {
            SAME_CATEGORY
        } else {
            0.0
        }
    }
}

/// The `n` picks that balance score and variety, in their new order. `picks` are best first. `diversity` is 0 (the order
/// stays) to 1 (after the first pick, variety only). `pause` is called before each place.
///
/// ```
/// use reco_models::{Pick, Target, diversify};
///
/// # let trained: reco_models::Trained = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/common/trained.rs"));
/// # let model = trained.model;
/// # let user = model.user(trained.data.events.row(0), reco_models::NONE, None)?;
/// let ids: Vec<(i64, Target)> = (0..20).map(|item| (i64::from(item), Target::Known(item))).collect();
/// let picks: Vec<Pick> = model.rank(&user, &ids, |_| 1.0, || ()).collect();
/// let list = diversify(&model, &picks, 5, 0.3, || ());
/// assert_eq!((list.len(), &list[0]), (5, &picks[0]));
/// # Ok::<(), reco_models::Error>(())
/// ```
pub fn diversify(model: &Model, picks: &[Pick], n: usize, diversity: f32, mut pause: impl FnMut()) -> Vec<Pick> {
    let likeness: Vec<Likeness> = picks.iter().map(|pick| Likeness::new(model, &pick.target)).collect();
    let mut nearest = vec![0.0f32; picks.len()];
    let mut left: Vec<usize> = (0..picks.len()).collect();
    let mut placed = Vec::with_capacity(n.min(picks.len()));
    while placed.len() < n && !left.is_empty() {
        pause();
        let relevance = |i: usize| (1.0 - diversity) * picks[i].weighted - diversity * nearest[i];
        // Of equal ones the first, which has the better score.
        let best = (1..left.len()).fold(0, |best, i| if relevance(left[i]) > relevance(left[best]) { i } else { best });
        let chosen = left.remove(best);
        for i in &left {
            nearest[*i] = nearest[*i].max(likeness[*i].with(&likeness[chosen]));
        }
        placed.push(picks[chosen].clone());
    }
    placed
}

//! Candidates: the few thousand items of a large catalogue that are scored by the whole ensemble.
//!
//! The trees cost about 1 µs per item: a quarter of a second for a quarter of a million items. The other parts are cheap.
//! Candidates are therefore the [`BY_PARTS`] best items by w_c·collaborative + w_p·popularity, and items that the trees
//! might rank higher than these parts do: the best for a new user without interactions (the prior), overall and of the
//! authors and categories that the user likes.
//!
//! The list by the cheap parts is exact. Neighbours of the liked items are scored in full, because their weights may be
//! negative. For all other items the collaborative part is a dot product. It is computed from factors rounded to one
//! byte each, which takes one cache line per item instead of four, and again from the exact factors where the rounding
//! error could decide. Items are visited by falling norm: by the inequality of Cauchy and Schwarz the visit can end when
//! the product of the norms is too small for the list.

mod inverted_index;
mod partial;
mod screen;
mod top_items;

use std::ops::Deref;
use std::sync::OnceLock;

use crate::data::column::Column;
use crate::data::dataset::{Favorites, NONE, Ratings, Signals};
use crate::error::Result;
use crate::math::simd::dot;
use crate::math::topk::top;
use crate::model::ensemble::Weights;
use crate::model::model::Model;
use crate::model::profile::heaviest;
use crate::model::score::Target;
use crate::model::uncalibrated::User;

pub use inverted_index::InvertedIndex;
pub use screen::Screen;

use partial::PartialScore;
use top_items::{ItemSet, TopItems};

/// Catalogues up to this number of items are scored exhaustively (about 5 ms).
pub const EXHAUSTIVE: usize = 5000;

// With these numbers the ten best candidates are at least 0.99 of the ten best items: `models/tests/recommend.rs`.

/// Candidates by the cheap parts.
const BY_PARTS: usize = 1500;
/// Candidates by the prior.
const PRIOR: usize = 1000;
/// Candidates by author, in equal numbers for each author of the liked items. Authors are taken by falling weight, as long
/// as each has at least [`OF_AUTHOR`] places. A reader of a single book gets all of these places for its author.
const BY_AUTHOR: usize = 1000;
const OF_AUTHOR: usize = 25;
/// The same for categories.
const BY_CATEGORY: usize = 1500;
const OF_CATEGORY: usize = 100;
/// Items that are scored between two calls of `pause`: about a millisecond.
const BLOCK: u32 = 1024;

/// Orders of the items that follow from a model, computed once.
#[derive(Debug, Clone)]
pub(super) struct Retrieval {
    pub screen: Screen,
    /// All items, the most popular first.
    pub popular: Column<u32>,
    /// The [`PRIOR`] best items for a user without interactions, in their order.
    pub prior: Column<u32>,
    pub by_author: InvertedIndex,
    pub by_category: InvertedIndex,
}

impl Retrieval {
    /// Scores the whole catalogue once. `pause` is called about every millisecond.
    pub(super) fn new(model: &Model, mut pause: impl FnMut()) -> Result<Retrieval> {
        let items = model.items();
        let history = model.history(&Ratings::default(), &Favorites::default(), &Signals::default());
        let new_user = model.user(history.row(), NONE, None)?;
        let mut prior_score = Vec::with_capacity(items.len());
        for start in (0..items.len() as u32).step_by(BLOCK as usize) {
            pause();
            let block: Vec<Target> = (start..(start + BLOCK).min(items.len() as u32)).map(Target::Known).collect();
            prior_score.extend(model.score(&new_user, &block).iter().map(|s| s.score));
        }
        Ok(Retrieval {
            screen: Screen::new(model),
            popular: falling(model.popularity()),
            prior: top(&prior_score, PRIOR, &[]).into(),
            by_author: InvertedIndex::new(&items.author, &prior_score),
            by_category: InvertedIndex::new(&items.category, &prior_score),
        })
    }

    fn candidates(&self, model: &Model, user: &User<'_>, excluded: &[u32], category: Option<i64>) -> Vec<u32> {
        let (table, liked) = (model.items(), user.likes().items());
        let mut taken = ItemSet::new(table.len(), excluded);
        // With a copy: items that do not get into this list are open to the others.
        let mut best = self.best_by_parts(model, user, taken.clone());
        best.iter().for_each(|item| _ = taken.insert(*item));
        let authors = heaviest(liked, &table.author, BY_AUTHOR / OF_AUTHOR);
        let categories = heaviest(liked, &table.category, BY_CATEGORY / OF_CATEGORY);
        let (each_author, each_category) = (BY_AUTHOR / authors.len().max(1), BY_CATEGORY / categories.len().max(1));
        let authors = authors.iter().flat_map(|(key, _)| self.by_author.of(*key).iter().take(each_author));
        let categories = categories.iter().flat_map(|(key, _)| self.by_category.of(*key).iter().take(each_category));
        let named = category.map_or(&[][..], |key| self.by_category.of(key)).iter().take(PRIOR);
        best.extend(authors.chain(categories).chain(named).chain(&*self.prior).filter(|item| taken.insert(**item)));
        best
    }

    /// The [`BY_PARTS`] best items by the cheap parts, in no order; none for a user without a vector.
    fn best_by_parts(&self, model: &Model, user: &User<'_>, mut taken: ItemSet) -> Vec<u32> {
        let collaborative = model.collaborative_part();
        let likes = user.likes();
        if likes.factor.is_empty() {
            return Vec::new();
        }
        let partial = PartialScore { model, weights: model.weights() };
        let by_factors = collaborative.blend.als_weight();
        let raw = |item: u32, neighbours: f32| match by_factors > 0.0 {
            true => by_factors * dot(collaborative.factors.row(item as usize), &likes.factor) + neighbours,
            false => neighbours,
        };
        let mut list = TopItems::new(BY_PARTS);
        for (item, sum) in collaborative.neighbour_sums(likes) {
            if taken.insert(item) {
                list.offer(partial.of(item, raw(item, sum)), item);
            }
        }
        // The other items are not neighbours of a liked one. Those that have no factors either rank by popularity.
        for item in &*self.popular {
            if partial.of(*item, 0.0) <= list.bar() {
                break;
            }
            if taken.insert(*item) {
                list.offer(partial.of(*item, raw(*item, 0.0)), *item);
            }
        }
        if by_factors > 0.0 {
            self.screen.pass(&partial, likes, by_factors, &mut taken, &mut list);
        }
        list.into_items()
    }
}

/// A model that finds items of the whole catalogue: candidates, and similar items.
pub struct ServedModel {
    model: Model,
    /// Computed when it is first needed, which takes as long as scoring every item.
    retrieval: OnceLock<Retrieval>,
}

impl From<Model> for ServedModel {
    fn from(model: Model) -> Self {
        ServedModel { model, retrieval: OnceLock::new() }
    }
}

impl Deref for ServedModel {
    type Target = Model;

    fn deref(&self) -> &Model {
        &self.model
    }
}

impl ServedModel {
    /// The same model with other weights: a copy of what is not a view of shared bytes. The lists of the best for an unknown
    /// user, from which some of the candidates of a large catalogue come, stay in the order of the model's own weights.
    pub fn weighing(&self, weights: Weights) -> ServedModel {
        ServedModel { model: self.model.clone().with_weights(weights), retrieval: self.retrieval.clone() }
    }

    /// With orders that were computed before.
    pub(super) fn with_retrieval(model: Model, retrieval: Retrieval) -> Self {
        ServedModel { model, retrieval: OnceLock::from(retrieval) }
    }

    /// Computed at the first call, unless the model was opened with it. `pause` is called about every millisecond.
    pub(super) fn retrieval(&self, pause: impl FnMut()) -> Result<&Retrieval> {
        if let Some(made) = self.retrieval.get() {
            return Ok(made);
        }
        let made = Retrieval::new(&self.model, pause)?;
        Ok(self.retrieval.get_or_init(|| made))
    }

    /// The items that are worth scoring for a user, by their indices, distinct and in no order; none of `excluded`
    /// (ascending indices). Of a catalogue up to [`EXHAUSTIVE`] items, all. With a `category`, its best items are among
    /// them: to be used when `excluded` leaves only that category. `pause` is called about every millisecond if
    /// retrieval has to be prepared.
    ///
    /// # Errors
    /// [`crate::Error::NotFinite`] where retrieval cannot be prepared.
    ///
    /// ```
    /// use reco_models::ServedModel;
    ///
    /// # let trained: reco_models::Trained = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/common/trained.rs"));
    /// let model = ServedModel::from(trained.model);
    /// let row = trained.data.events.row(0);
    /// let user = model.user(row, reco_models::NONE, None)?;
    /// // Items that the user has reacted to are excluded.
    /// let candidates = model.candidates(&user, row.item, None, || ())?;
    /// assert_eq!(candidates.len(), model.items().len() - row.item.len());
    /// # Ok::<(), reco_models::Error>(())
    /// ```
    pub fn candidates(
        &self,
        user: &User<'_>,
        excluded: &[u32],
        category: Option<i64>,
        pause: impl FnMut(),
    ) -> Result<Vec<u32>> {
        let items = self.model.items().len();
        if items <= EXHAUSTIVE {
            return Ok((0..items as u32).filter(|item| excluded.binary_search(item).is_err()).collect());
        }
        Ok(self.retrieval(pause)?.candidates(&self.model, user, excluded, category))
    }
}

/// Items by falling score; equal ones by ascending index.
fn falling(score: &[f32]) -> Column<u32> {
    let mut item: Vec<u32> = (0..score.len() as u32).collect();
    item.sort_by(|a, b| score[*b as usize].total_cmp(&score[*a as usize]));
    item.into()
}

#[cfg(test)]
mod tests;

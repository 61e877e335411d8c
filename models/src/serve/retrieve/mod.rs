//! Which items are worth the whole ensemble: a few thousand of a catalogue of any size.
//!
//! The trees cost about 1 µs an item, so that a quarter of a million items would cost a quarter of a second. All other
//! parts are cheap. Items are therefore ordered by what those say, w_c·collaborative + w_p·popularity, and the best
//! [`BY_PARTS`] go on, together with what the trees might lift out of the middle: what scores best for a user that
//! nobody knows, overall and among the authors and categories that this user reads.
//!
//! The order is exact. Neighbours of the liked items, whose weights may be negative, are counted in full. For all others
//! the collaborative part is a dot product, first taken over factors of one byte each, which is a cache line per item
//! instead of four, and again over the real ones where the rounding could hide a place in the list. Items are visited by
//! falling norm: by Cauchy and Schwarz nothing better can follow once norm times norm is not enough.

mod inverted_index;
mod partial;
mod screen;
mod top_items;

use std::ops::Deref;
use std::sync::OnceLock;

use crate::data::column::Column;
use crate::data::dataset::{Favorites, NONE, Ratings};
use crate::error::Result;
use crate::math::simd::dot;
use crate::math::topk::top;
use crate::model::model::Model;
use crate::model::profile::heaviest;
use crate::model::score::Target;
use crate::model::uncalibrated::User;

pub use inverted_index::InvertedIndex;
pub use screen::Screen;

use partial::PartialScore;
use top_items::{Settled, TopItems};

/// Up to so many items everything is scored: some 5 ms.
pub const EXHAUSTIVE: usize = 5000;
/// See `models/tests/recommend.rs` for the recall that these numbers give.
const BY_PARTS: usize = 1500;
const PRIOR: usize = 1000;
/// Items of the authors that the user reads, heaviest first, in equal shares but at least so many each; and the same of
/// categories. Who read one book only gets all of its author's.
const BY_AUTHOR: usize = 1000;
const OF_AUTHOR: usize = 25;
const BY_CATEGORY: usize = 1500;
const OF_CATEGORY: usize = 100;
/// Items that are scored between two calls of `pause`: about a millisecond.
const BLOCK: u32 = 1024;

/// Orders of the items that follow from a model, made once.
#[derive(Debug, Clone)]
pub(super) struct Retrieval {
    pub screen: Screen,
    /// All items, the most popular first.
    pub popular: Column<u32>,
    /// The best for a user that nobody knows.
    pub prior: Column<u32>,
    pub by_author: InvertedIndex,
    pub by_category: InvertedIndex,
}

impl Retrieval {
    /// Scores the whole catalogue once. `pause` is called every few milliseconds.
    pub(super) fn new(model: &Model, mut pause: impl FnMut()) -> Result<Retrieval> {
        let items = model.items();
        let nobody = model.history(&Ratings::default(), &Favorites::default());
        let nobody = model.user(nobody.row(), NONE, None)?;
        let mut prior_score = Vec::with_capacity(items.len());
        for start in (0..items.len() as u32).step_by(BLOCK as usize) {
            pause();
            let block: Vec<Target> = (start..(start + BLOCK).min(items.len() as u32)).map(Target::Known).collect();
            prior_score.extend(model.score(&nobody, &block).iter().map(|s| s.score));
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
        let barred = Settled::new(table.len(), excluded);
        let mut best = self.best_by_parts(model, user, barred.clone());
        // What did not get into that list is open to the others again.
        let mut settled = barred;
        for item in &best {
            settled.settle(*item);
        }
        let authors = heaviest(liked, &table.author, BY_AUTHOR / OF_AUTHOR);
        let categories = heaviest(liked, &table.category, BY_CATEGORY / OF_CATEGORY);
        let (each_author, each_category) = (BY_AUTHOR / authors.len().max(1), BY_CATEGORY / categories.len().max(1));
        let authors = authors.iter().flat_map(|(key, _)| self.by_author.of(*key).iter().take(each_author));
        let categories = categories.iter().flat_map(|(key, _)| self.by_category.of(*key).iter().take(each_category));
        let named = category.map_or(&[][..], |key| self.by_category.of(key)).iter().take(PRIOR);
        best.extend(authors.chain(categories).chain(named).chain(&*self.prior).filter(|item| settled.settle(**item)));
        best
    }

    fn best_by_parts(&self, model: &Model, user: &User<'_>, mut settled: Settled) -> Vec<u32> {
        let collaborative = model.collaborative_part();
        let likes = user.likes();
        if likes.factor.is_empty() {
            return Vec::new();
        }
        let partial = PartialScore { model, weights: model.weights() };
        let by_factors = (1.0 - collaborative.blend.share) / collaborative.blend.als_scale;
        let raw = |item: u32, neighbours: f32| match by_factors > 0.0 {
            true => by_factors * dot(collaborative.factors.row(item as usize), &likes.factor) + neighbours,
            false => neighbours,
        };
        let mut list = TopItems::new(BY_PARTS);
        for (item, sum) in collaborative.neighbour_sums(likes) {
            if settled.settle(item) {
                list.offer(partial.of(item, raw(item, sum)), item);
            }
        }
        // What is left has no neighbour among the liked items; of what has no factor either, the most popular is best.
        for item in &*self.popular {
            if partial.of(*item, 0.0) <= list.bar() {
                break;
            }
            if settled.settle(*item) {
                list.offer(partial.of(*item, raw(*item, 0.0)), *item);
            }
        }
        if by_factors > 0.0 {
            self.screen.pass(&partial, likes, by_factors, &mut settled, &mut list);
        }
        list.into_items()
    }
}

/// A model that is asked for items of the whole catalogue, with the orders of them that this takes.
pub struct ServedModel {
    model: Model,
    /// It takes as long as the scoring of every item, so it is made when it is first asked for.
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
    /// With orders that were made before.
    pub(super) fn with_retrieval(model: Model, retrieval: Retrieval) -> Self {
        ServedModel { model, retrieval: OnceLock::from(retrieval) }
    }

    /// Made when it is first asked for, if the model was not opened with it. `pause` is called every few milliseconds.
    pub(super) fn retrieval(&self, pause: impl FnMut()) -> Result<&Retrieval> {
        if let Some(made) = self.retrieval.get() {
            return Ok(made);
        }
        let made = Retrieval::new(&self.model, pause)?;
        Ok(self.retrieval.get_or_init(|| made))
    }

    /// Items to be scored in full, none of `excluded` (ascending). All of a small catalogue. Who excludes all but a
    /// category names it, so that the best of it are among them. `pause` is called every few milliseconds.
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

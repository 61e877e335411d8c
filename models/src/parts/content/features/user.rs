//! The features of a user, from the whole history and from each category and author in it.

use super::alike::Alike;
use super::groups::NO_GROUP;
use super::names::{AGE, POPULARITY, UNKNOWN, USER_FEATURES};
use super::{Encoder, ItemFeatures};
use crate::data::dataset::Row;

/// A user as the content part sees it, borrowing the user's interactions.
#[derive(Debug, Clone)]
pub struct UserFeatures<'a> {
    /// The features of the user.
    pub values: [f32; USER_FEATURES],
    /// Weighted means over the liked items.
    pub(super) mean_popularity: f32,
    pub(super) mean_age: f32,
    /// The summed weight of the liked items.
    weights: f32,
    pub(super) categories: GroupTotals,
    pub(super) authors: GroupTotals,
    /// The user's vector, k long, or empty.
    pub(super) factor: Vec<f32>,
    /// None where the model has neither texts nor embeddings.
    pub(super) alike: Option<Alike>,
    row: Row<'a>,
}

impl<'a> UserFeatures<'a> {
    pub(super) fn new(encoder: &Encoder, row: Row<'a>, since: i64, factor: Vec<f32>) -> Self {
        let mut categories = Vec::new();
        let mut authors = Vec::new();
        let (mut weights, mut popularity, mut ages, mut aged) = (0.0f32, 0.0f32, 0.0f32, 0.0f32);
        let (mut reviews, mut stars_sum, mut favorites, mut positives) = (0u32, 0.0f32, 0u32, 0u32);
        for i in 0..row.len() {
            let item = row.item[i] as usize;
            let said = row.get(i);
            let stars = said.stars;
            reviews += u32::from(stars > 0.0);
            stars_sum += stars;
            favorites += u32::from(said.is_marked());
            let weight = encoder.feedback.weight(&said);
            let totals = Totals { weight, stars_sum: stars, ratings: f32::from(stars > 0.0) };
            // In full for each of several: a share of the likes is of those that are in the category at all.
            categories.extend(encoder.categories.of(item).map(|group| (group, totals)));
            authors.extend(encoder.authors.of(item).map(|group| (group, totals)));
            if weight > 0.0 {
                positives += 1;
                weights += weight;
                popularity += weight * encoder.values[item][POPULARITY];
                if encoder.values[item][AGE] != UNKNOWN {
                    ages += weight * encoder.values[item][AGE];
                    aged += weight;
                }
            }
        }
        let (categories, authors) = (GroupTotals::new(categories), GroupTotals::new(authors));
        let share = |part: f32, whole: f32| if whole > 0.0 { part / whole } else { 0.0 };
        let mean_popularity = share(popularity, weights);
        let account_age = encoder.age(since);
        UserFeatures {
            values: [
                (positives as f32).ln_1p(),
                (reviews as f32).ln_1p(),
                if reviews > 0 { stars_sum / reviews as f32 } else { encoder.mean_stars },
                share(favorites as f32, row.len() as f32),
                account_age,
                share(categories.heaviest(), weights),
                mean_popularity,
                share(authors.heaviest(), weights),
            ],
            mean_popularity,
            mean_age: if aged > 0.0 { ages / aged } else { UNKNOWN },
            weights,
            categories,
            authors,
            factor,
            alike: encoder.layout().vectors.then(|| Alike::new(&encoder.vectors, &encoder.feedback, row)),
            row,
        }
    }

    /// The share of a weight in that of all liked items, the scored item left out.
    pub fn share(&self, weight: f32, own: Totals) -> f32 {
        let whole = self.weights - own.weight;
        if whole > 0.0 { weight / whole } else { 0.0 }
    }

    /// What the scored item itself adds to the user's sums; None unless the user has an interaction with it.
    pub fn own(&self, item: &ItemFeatures<'_>, encoder: &Encoder) -> Option<Totals> {
        let place = self.row.item.binary_search(&item.index()?).ok()?;
        let said = self.row.get(place);
        Some(Totals {
            weight: encoder.feedback.weight(&said),
            stars_sum: said.stars,
            ratings: f32::from(said.stars > 0.0),
        })
    }
}

/// Sums over a user's interactions with the items of a group.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Totals {
    pub weight: f32,
    pub stars_sum: f32,
    pub ratings: f32,
}

/// Totals by group, ascending by group.
#[derive(Debug, Clone, Default)]
pub struct GroupTotals(Vec<(u32, Totals)>);

impl GroupTotals {
    pub fn new(mut all: Vec<(u32, Totals)>) -> GroupTotals {
        all.retain(|(group, _)| *group != NO_GROUP);
        // Stable: the sums of floats must not depend on how equal groups were ordered.
        all.sort_by_key(|(group, _)| *group);
        all.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                kept.1.weight += next.1.weight;
                kept.1.stars_sum += next.1.stars_sum;
                kept.1.ratings += next.1.ratings;
            }
            same
        });
        GroupTotals(all)
    }

    fn get(&self, group: u32) -> Totals {
        self.0.binary_search_by_key(&group, |(g, _)| *g).map_or(Totals::default(), |i| self.0[i].1)
    }

    /// The totals of a group, with those of the scored item left out.
    pub fn without(&self, group: u32, own: Totals) -> Totals {
        let all = self.get(group);
        Totals {
            weight: (all.weight - own.weight).max(0.0),
            stars_sum: all.stars_sum - own.stars_sum,
            ratings: all.ratings - own.ratings,
        }
    }

    /// The largest weight of any group.
    pub fn heaviest(&self) -> f32 {
        self.0.iter().map(|(_, t)| t.weight).fold(0.0, f32::max)
    }
}

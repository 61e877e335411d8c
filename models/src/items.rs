//! What a model knows of each item: its catalogue row and the counts of the interactions it was trained on.

use crate::column::Column;
use crate::dataset::{Dataset, NONE};
use crate::feedback::Feedback;

/// One element per item of the model, ascending ids.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ItemTable {
    pub id: Column<i64>,
    pub category: Column<i64>,
    pub author: Column<i64>,
    pub published: Column<i64>,
    pub ratings: Column<u32>,
    pub stars_sum: Column<f32>,
    pub favorites: Column<u32>,
    /// Liked: reviews of enough stars, and favourites.
    pub positives: Column<u32>,
    /// Latest positive, seconds since 1970, or [`NONE`].
    pub latest: Column<i64>,
}

/// The catalogue row of one item, known to a model or not.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ItemInfo {
    pub category: i64,
    pub author: i64,
    pub published: i64,
}

impl ItemTable {
    pub fn count(data: &Dataset, feedback: &Feedback) -> ItemTable {
        let n = data.items.len();
        let (mut ratings, mut favorites, mut positives) = (vec![0; n], vec![0; n], vec![0; n]);
        let (mut stars_sum, mut latest) = (vec![0.0; n], vec![NONE; n]);
        let events = &data.events;
        for (i, item) in events.item.iter().map(|item| *item as usize).enumerate() {
            if events.stars[i] > 0.0 {
                ratings[item] += 1;
                stars_sum[item] += events.stars[i];
            }
            favorites[item] += u32::from(events.favorite[i]);
            if feedback.positive(events.stars[i], events.favorite[i]) {
                positives[item] += 1;
                latest[item] = events.at[i].max(latest[item]);
            }
        }
        ItemTable {
            id: data.items.clone().into(),
            category: data.category.clone().into(),
            author: data.author.clone().into(),
            published: data.published.clone().into(),
            ratings: ratings.into(),
            stars_sum: stars_sum.into(),
            favorites: favorites.into(),
            positives: positives.into(),
            latest: latest.into(),
        }
    }

    pub fn len(&self) -> usize {
        self.id.len()
    }

    pub fn is_empty(&self) -> bool {
        self.id.is_empty()
    }

    pub fn index(&self, id: i64) -> Option<u32> {
        self.id.binary_search(&id).ok().map(|i| i as u32)
    }

    pub fn info(&self, item: u32) -> ItemInfo {
        let i = item as usize;
        ItemInfo { category: self.category[i], author: self.author[i], published: self.published[i] }
    }

    /// Mean of all stars given, 0 without a rating.
    pub fn mean_stars(&self) -> f32 {
        let count: f64 = self.ratings.iter().map(|n| f64::from(*n)).sum();
        let sum: f64 = self.stars_sum.iter().map(|s| f64::from(*s)).sum();
        if count > 0.0 { (sum / count) as f32 } else { 0.0 }
    }
}

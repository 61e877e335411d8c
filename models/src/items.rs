//! What a model knows of each item: its catalogue row and the counts of the interactions it was trained on.

use serde::{Deserialize, Serialize};

use crate::dataset::{Dataset, NONE};
use crate::feedback::Feedback;

/// One element per item of the model, ascending ids.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ItemTable {
    pub id: Vec<i64>,
    pub category: Vec<i64>,
    pub author: Vec<i64>,
    pub published: Vec<i64>,
    pub ratings: Vec<u32>,
    pub stars_sum: Vec<f32>,
    pub favorites: Vec<u32>,
    /// Liked: reviews of enough stars, and favourites.
    pub positives: Vec<u32>,
    /// Latest positive, seconds since 1970, or [`NONE`].
    pub latest: Vec<i64>,
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
        let mut table = ItemTable {
            id: data.items.clone(),
            category: data.category.clone(),
            author: data.author.clone(),
            published: data.published.clone(),
            ratings: vec![0; n],
            stars_sum: vec![0.0; n],
            favorites: vec![0; n],
            positives: vec![0; n],
            latest: vec![NONE; n],
        };
        let events = &data.events;
        for (i, item) in events.item.iter().map(|item| *item as usize).enumerate() {
            if events.stars[i] > 0.0 {
                table.ratings[item] += 1;
                table.stars_sum[item] += events.stars[i];
            }
            table.favorites[item] += u32::from(events.favorite[i]);
            if feedback.positive(events.stars[i], events.favorite[i]) {
                table.positives[item] += 1;
                table.latest[item] = table.latest[item].max(events.at[i]);
            }
        }
        table
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

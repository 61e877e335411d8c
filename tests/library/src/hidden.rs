//! Why readers choose and like what they do, which nobody on the site knows: for simulations, and to tell right from wrong.

use crate::catalogue::Catalogue;
use crate::users::Preferences;

#[derive(Clone, Debug, PartialEq)]
pub struct HiddenBook {
    pub topic: u32,
    /// The group of topics that its topic belongs to.
    pub taste: usize,
    /// In stars above or below the mean.
    pub quality: f32,
}

/// Of a user who has read something.
#[derive(Clone, Debug, PartialEq)]
pub struct HiddenUser {
    pub user_id: i64,
    pub topics: Vec<u32>,
    pub tastes: Vec<usize>,
    /// Ids.
    pub authors: Vec<i64>,
    /// Stars that this user gives above or below the mean.
    pub generosity: f64,
}

pub fn of_books(catalogue: &Catalogue) -> Vec<HiddenBook> {
    let book = |(&topic, &quality): (&u32, &f32)| HiddenBook { topic, taste: catalogue.shelves.taste(topic), quality };
    catalogue.topics.iter().zip(&catalogue.quality).map(book).collect()
}

pub fn of_user(catalogue: &Catalogue, user_id: i64, preferences: &Preferences) -> HiddenUser {
    HiddenUser {
        user_id,
        tastes: preferences.topics.iter().map(|&topic| catalogue.shelves.taste(topic)).collect(),
        topics: preferences.topics.clone(),
        authors: preferences.authors.iter().map(|&author| i64::from(author) + 1).collect(),
        generosity: preferences.generosity,
    }
}

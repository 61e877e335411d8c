//! The sources as a database has them: reviews, favourites and the catalogue, as columns in DATA/source.

use std::path::Path;

use library::{Library, SECONDS_PER_DAY, Size};
use reco_models::{Catalog, Favorites, Ratings, Sources};
use serde_json::{Value, json};

use crate::Outcome;
use crate::columns::{read, write};

const SEED: u64 = 42;

pub fn load(data: &Path) -> Outcome<Sources> {
    let folder = &data.join("source");
    Ok(Sources {
        ratings: Ratings {
            user: read(folder, "rating.user")?,
            item: read(folder, "rating.item")?,
            stars: read(folder, "rating.stars")?,
            at: read(folder, "rating.at")?,
            key: Vec::new(),
        },
        favorites: Favorites {
            user: read(folder, "favorite.user")?,
            item: read(folder, "favorite.item")?,
            at: read(folder, "favorite.at")?,
        },
        catalog: Catalog {
            id: read(folder, "item.id")?,
            category: read(folder, "item.category")?,
            author: read(folder, "item.author")?,
            published: read(folder, "item.published")?,
            ..Catalog::default()
        },
        ..Sources::default()
    })
}

pub fn generate(data: &Path, size: &Size) -> Outcome<Value> {
    let Library { books, reviews, favorites, .. } = library::generate(size, SEED);
    let folder = &data.join("source");
    write(folder, "rating.user", reviews.iter().map(|r| r.user_id))?;
    write(folder, "rating.item", reviews.iter().map(|r| r.book_id))?;
    write(folder, "rating.stars", reviews.iter().map(|r| f32::from(r.stars)))?;
    write(folder, "rating.at", reviews.iter().map(|r| r.reviewed))?;
    write(folder, "favorite.user", favorites.iter().map(|f| f.user_id))?;
    write(folder, "favorite.item", favorites.iter().map(|f| f.book_id))?;
    write(folder, "favorite.at", favorites.iter().map(|f| f.added))?;
    write(folder, "item.id", books.iter().map(|b| b.id))?;
    write(folder, "item.category", books.iter().map(|b| b.category_id))?;
    write(folder, "item.author", books.iter().map(|b| b.author_id))?;
    write(folder, "item.published", books.iter().map(|b| b.published * SECONDS_PER_DAY))?;
    Ok(json!({"reviews": reviews.len(), "favourites": favorites.len()}))
}

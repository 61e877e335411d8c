//! The generated library as the sources of a training.

use reco_models::Sources;

/// The sources of a library of about this size, by a fixed seed.
pub fn sources(users: usize, books: usize, interactions: usize) -> Sources {
    let library = library::generate(&library::Size { users, books, interactions }, 42);
    let mut sources = Sources::default();
    for book in &library.books {
        sources.catalog.id.push(book.id);
        sources.catalog.category.push(book.category_id);
        sources.catalog.author.push(book.author_id);
        sources.catalog.published.push(book.published);
    }
    for review in &library.reviews {
        sources.ratings.user.push(review.user_id);
        sources.ratings.item.push(review.book_id);
        sources.ratings.stars.push(f32::from(review.stars));
        sources.ratings.at.push(review.reviewed);
    }
    for favorite in &library.favorites {
        sources.favorites.user.push(favorite.user_id);
        sources.favorites.item.push(favorite.book_id);
        sources.favorites.at.push(favorite.added);
    }
    sources
}

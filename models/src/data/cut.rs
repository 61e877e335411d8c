//! A part of the interactions as a model learns from it: the data, what of it counts as liked, and that as a matrix.

use std::sync::OnceLock;

use crate::data::dataset::Dataset;
use crate::data::feedback::{Feedback, Interactions};

/// Made once for each part of the data that is learned from or evaluated on, and passed on.
#[derive(Debug, Clone)]
pub struct Cut {
    pub data: Dataset,
    /// Ages count from the latest interaction of this part.
    pub feedback: Feedback,
    liked: OnceLock<Interactions>,
}

impl Cut {
    /// Reviews of `positive_stars` (1 to 5) or more count as liked, and so does every favourite.
    pub fn new(data: Dataset, positive_stars: f32) -> Cut {
        let feedback = Feedback { positive_stars, now: data.latest };
        Cut { data, feedback, liked: OnceLock::new() }
    }

    /// users × items: the weight in (0, 1] of everything that is liked. Counted when it is first asked for, once.
    pub fn liked(&self) -> &Interactions {
        self.liked.get_or_init(|| self.feedback.interactions(&self.data))
    }

    /// The items that a user likes, ascending, with their weights.
    pub fn liked_by(&self, user: u32) -> Vec<(u32, f32)> {
        let row = self.liked().outer_view(user as usize);
        row.map_or(Vec::new(), |row| row.iter().map(|(item, weight)| (item as u32, *weight)).collect())
    }

    /// The items that a user likes, ascending.
    pub fn liked_items(&self, user: u32) -> Vec<u32> {
        self.liked().outer_view(user as usize).map_or(Vec::new(), |row| row.indices().to_vec())
    }

    /// The users that like something, ascending.
    pub fn users_with_likes(&self) -> Vec<u32> {
        let rows = self.liked().outer_iterator().enumerate();
        rows.filter(|(_, row)| row.nnz() > 0).map(|(user, _)| user as u32).collect()
    }

    /// Only the given users and items (ascending indices) and what lies between them.
    pub fn restrict(&self, users: &[u32], items: &[u32]) -> Cut {
        Cut::new(self.data.restrict(users, items), self.feedback.positive_stars)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::dataset::{Favorites, NONE, Ratings, Sources};

    #[test]
    fn the_matrix_holds_what_feedback_says_is_liked() {
        let ratings = Ratings {
            user: vec![1, 1, 2],
            item: vec![5, 6, 6],
            stars: vec![5.0, 2.0, 3.0],
            at: vec![NONE; 3],
            key: vec![],
        };
        let favorites = Favorites { user: vec![1], item: vec![7], at: vec![NONE] };
        let data = Dataset::build(Sources { ratings, favorites, ..Sources::default() }).unwrap();
        let cut = Cut::new(data, 4.0);
        assert_eq!(cut.liked_by(0), cut.feedback.positives(cut.data.events.row(0)).collect::<Vec<_>>());
        assert_eq!((cut.liked_items(0), cut.liked_items(1)), (vec![0, 2], vec![]));
        assert_eq!((cut.users_with_likes(), cut.liked().nnz()), (vec![0], 2));
        assert_eq!(cut.restrict(&[0], &[2]).liked_by(0), [(0, 1.0)]);
    }
}

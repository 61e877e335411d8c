//! What a list is like, whoever it is for: how novel its items are, and how different from each other.
//!
//! Both are as in RecTools: `MeanInvUserFreq`, and `IntraListDiversity` with the Hamming distance of category and author,
//! divided by the number of these.

use crate::data::dataset::{Dataset, NONE};
use crate::data::labels::Labels;

/// The lists of a data set, seen by what users have met before and by the labels of its items.
pub struct Variety<'a> {
    /// By item −log2 of the share of the users who have met it.
    novelty: Vec<f64>,
    /// Category and author, if the catalogue has them.
    labels: Vec<&'a Labels>,
}

impl<'a> Variety<'a> {
    /// Users are those with an interaction. What nobody has met counts as if one user had.
    pub fn of(data: &'a Dataset) -> Variety<'a> {
        let mut met = vec![0u32; data.items.len()];
        data.events.item.iter().for_each(|item| met[*item as usize] += 1);
        let users = (0..data.events.users()).filter(|user| !data.events.row(*user).is_empty()).count().max(1);
        let novelty = met.into_iter().map(|met| -(f64::from(met.max(1)) / users as f64).log2()).collect();
        let has_keys = |labels: &&Labels| labels.first.iter().any(|key| *key != NONE);
        Variety { novelty, labels: [&data.category, &data.author].into_iter().filter(has_keys).collect() }
    }

    /// Whether the catalogue has something to tell items apart by.
    pub fn has_labels(&self) -> bool {
        !self.labels.is_empty()
    }

    /// The mean over a list; 0 of an empty one.
    pub fn novelty(&self, list: &[u32]) -> f64 {
        list.iter().map(|item| self.novelty[*item as usize]).sum::<f64>() / list.len().max(1) as f64
    }

    /// The mean distance of two items of a list; 0 where there are not two.
    pub fn diversity(&self, list: &[u32]) -> f64 {
        let pairs = list.iter().enumerate().flat_map(|(i, a)| list[i + 1..].iter().map(|b| (*a as usize, *b as usize)));
        let (sum, count) = pairs.fold((0.0, 0usize), |(sum, count), (a, b)| (sum + self.distance(a, b), count + 1));
        sum / count.max(1) as f64
    }

    /// Of category and author, the share in which two items have nothing in common, 0 to 1.
    fn distance(&self, a: usize, b: usize) -> f64 {
        let apart = |labels: &&&Labels| !labels.of(a).any(|key| labels.of(b).any(|other| other == key));
        self.labels.iter().filter(apart).count() as f64 / self.labels.len().max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::dataset::{Catalog, Favorites, Links, Sources};

    #[test]
    fn by_hand() {
        let favorites = Favorites { user: vec![1, 2, 3, 4, 1], item: vec![10, 10, 10, 10, 11], at: vec![NONE; 5] };
        let catalog = Catalog {
            id: vec![10, 11, 12, 13],
            category: vec![1, 1, 2, NONE],
            author: vec![5, 6, 5, NONE],
            published: vec![NONE; 4],
            more_categories: Links { item: vec![12], key: vec![1] },
            ..Catalog::default()
        };
        let data = Dataset::build(Sources { favorites, catalog, ..Sources::default() }).unwrap();
        let variety = Variety::of(&data);
        // All four have met item 10, one of four item 11, and nobody item 12.
        assert_eq!((variety.novelty(&[0]), variety.novelty(&[0, 1]), variety.novelty(&[2])), (0.0, 1.0, 2.0));
        assert_eq!(variety.novelty(&[]), 0.0);
        // 10 and 11 have a category in common, 10 and 12 everything, 13 nothing with anybody.
        assert_eq!(
            (variety.diversity(&[0, 1]), variety.diversity(&[0, 2]), variety.diversity(&[0, 3])),
            (0.5, 0.0, 1.0)
        );
        assert!((variety.diversity(&[0, 1, 2]) - (0.5 + 0.0 + 0.5) / 3.0).abs() < 1e-15);
        assert_eq!((variety.diversity(&[0]), variety.diversity(&[])), (0.0, 0.0));
        let bare = data.restrict(&[0], &[3]);
        assert!(variety.has_labels() && !Variety::of(&bare).has_labels());
    }
}

//! A user's interactions as a whole: a fingerprint that tells whether they have changed, and figures for analysts.

use xxhash_rust::xxh3::xxh3_64;

use crate::data::dataset::Row;
use crate::data::feedback::Feedback;
use crate::data::items::ItemTable;
use crate::data::labels::Labels;

/// A number that changes when an interaction is added, removed or altered; the order of the items does not matter.
/// `id_of` gives the id of an item by its index, so that the number does not depend on the indices of a model.
pub fn fingerprint(row: Row<'_>, id_of: impl Fn(u32) -> i64) -> i64 {
    let mut sum = row.len() as u64;
    for i in 0..row.len() {
        let mut key = [0u8; 25];
        let said = row.get(i);
        key[..8].copy_from_slice(&id_of(row.item[i]).to_le_bytes());
        key[8..12].copy_from_slice(&row.stars[i].to_le_bytes());
        key[12] = u8::from(row.favorite[i]);
        key[13..21].copy_from_slice(&row.at[i].to_le_bytes());
        key[21..].copy_from_slice(&said.signal.to_le_bytes());
        // Without a signal as before there were any: the numbers that models have stored stay valid.
        let length = if said.signal == 0.0 { 21 } else { 25 };
        sum = sum.wrapping_add(xxh3_64(&key[..length]));
    }
    sum as i64
}

/// One row of the user features that analysts query.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct UserSummary {
    /// Numbers of reviews, of items that are favourites or have signals, and of liked items.
    pub ratings: u32,
    pub favorites: u32,
    pub positives: u32,
    /// 1 to 5; 0 without a review.
    pub mean_stars: f32,
    /// The heaviest categories: ids with their share (0 to 1) of the weight of all liked items, at most five.
    pub categories: Vec<(i64, f32)>,
    /// Likewise the authors.
    pub authors: Vec<(i64, f32)>,
}

/// Categories and authors in a summary.
const TOP: usize = 5;

/// Sums up the interactions of a user with items of a model.
pub fn summarise(row: Row<'_>, items: &ItemTable, feedback: &Feedback) -> UserSummary {
    let ratings = row.stars.iter().filter(|s| **s > 0.0).count();
    let liked: Vec<(u32, f32)> = feedback.positives(row).collect();
    let total: f32 = liked.iter().map(|(_, weight)| weight).sum();
    let shares =
        |keys: &Labels| heaviest(&liked, keys, TOP).into_iter().map(|(id, weight)| (id, weight / total)).collect();
    UserSummary {
        ratings: ratings as u32,
        favorites: (0..row.len()).filter(|i| row.get(*i).is_marked()).count() as u32,
        positives: liked.len() as u32,
        mean_stars: row.stars.iter().sum::<f32>() / ratings.max(1) as f32,
        categories: shares(&items.category),
        authors: shares(&items.author),
    }
}

/// At most `most` of the keys (categories or authors, by item) that liked items have, each with the summed weight of
/// these items, heaviest first; equal ones by ascending id. An item of several keys counts in full for each.
pub fn heaviest(liked: &[(u32, f32)], keys: &Labels, most: usize) -> Vec<(i64, f32)> {
    let of = |&(item, weight): &(u32, f32)| keys.of(item as usize).map(move |key| (key, weight));
    let mut sums: Vec<(i64, f32)> = liked.iter().flat_map(of).collect();
    sums.sort_by_key(|(key, _)| *key);
    sums.dedup_by(|next, kept| {
        let same = next.0 == kept.0;
        kept.1 += if same { next.1 } else { 0.0 };
        same
    });
    sums.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    sums.truncate(most);
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::dataset::NONE;

    #[test]
    fn the_fingerprint_changes_with_every_value_and_not_with_the_order() {
        let id = |i: u32| i64::from(i);
        let row = Row { item: &[1, 2], stars: &[4.0, 0.0], favorite: &[false, true], at: &[5, NONE], signal: &[] };
        let base = fingerprint(row, id);
        let swapped = Row { item: &[2, 1], stars: &[0.0, 4.0], favorite: &[true, false], at: &[NONE, 5], signal: &[] };
        assert_eq!(fingerprint(swapped, id), base);
        assert_ne!(fingerprint(Row { stars: &[5.0, 0.0], ..row }, id), base);
        assert_ne!(fingerprint(Row { favorite: &[true, true], ..row }, id), base);
        assert_ne!(fingerprint(Row { at: &[6, NONE], ..row }, id), base);
        assert_ne!(fingerprint(Row { signal: &[0.2, 0.0], ..row }, id), base);
        assert_eq!(fingerprint(Row { signal: &[0.0, 0.0], ..row }, id), base);
        assert_ne!(fingerprint(Row { item: &[1], stars: &[4.0], favorite: &[false], at: &[5], signal: &[] }, id), base);
    }

    #[test]
    fn shares_are_of_the_weight_of_all_liked_items() {
        let items = ItemTable {
            category: vec![7, NONE, 7, 3, NONE].into(),
            author: vec![NONE; 5].into(),
            ..ItemTable::default()
        };
        let row = Row { item: &[0, 1, 2, 3, 4], stars: &[5.0; 5], favorite: &[false; 5], at: &[NONE; 5], signal: &[] };
        let summary = summarise(row, &items, &Feedback { positive_stars: 4.0, now: NONE });
        assert_eq!(summary.categories, [(7, 0.4), (3, 0.2)]);
        assert!(summary.authors.is_empty());
    }
}

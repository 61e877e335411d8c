//! The rows that a forest learns from: pairs as they are, and as if the item were newer than the model.

use super::groups::NO_GROUP;
use super::names::{AUTHOR_AFFINITY, AUTHOR_ITEMS, CATEGORY_AFFINITY, CATEGORY_ITEMS, VECTORS};
use super::{Encoder, Groups, PairRow, UserFeatures, over};
use crate::data::column::Matrix;
use crate::data::items::{ItemInfo, ItemTable};
use crate::math::simd::dot;

/// An encoder with the items and factors that it was made of.
#[derive(Clone, Copy)]
pub struct Rows<'a> {
    pub encoder: &'a Encoder,
    pub items: &'a ItemTable,
    /// items × k.
    pub factors: &'a Matrix,
}

impl Rows<'_> {
    /// The features of a pair.
    pub fn known(&self, user: &UserFeatures<'_>, item: u32) -> PairRow {
        self.encoder.row(user, &self.encoder.known(item))
    }

    /// The features that a pair would have if the item were newer than the model: without its counts, and without what it
    /// adds to its categories and authors. The user must have no interaction with the item.
    pub fn newer(&self, user: &UserFeatures<'_>, item: u32) -> PairRow {
        let Encoder { categories, authors, .. } = self.encoder;
        let info = ItemInfo::new(shared(categories, item), shared(authors, item), self.items.published[item as usize]);
        let mut row = self.encoder.row(user, &self.encoder.newcomer(&info));
        let own = match user.factor.is_empty() {
            true => 0.0,
            false => dot(self.factors.row(item as usize), &user.factor),
        };
        let positives = self.items.positives[item as usize];
        let of_groups = |groups: &Groups, found: Vec<u32>| {
            over(found.into_iter(), |group| {
                let [items, liked] = groups.size_without(group, positives);
                [items, liked, groups.affinity_without(group, &user.factor, own)]
            })
        };
        let [items, liked, affinity] = of_groups(categories, categories.found(info.categories()).collect());
        (row[CATEGORY_ITEMS], row[CATEGORY_ITEMS + 1], row[CATEGORY_AFFINITY]) = (items, liked, affinity);
        let [items, liked, affinity] = of_groups(authors, authors.found(info.authors()).collect());
        (row[AUTHOR_ITEMS], row[AUTHOR_ITEMS + 1], row[AUTHOR_AFFINITY]) = (items, liked, affinity);
        // What it says of itself it says as a newcomer too.
        if let Some(alike) = &user.alike {
            let own = alike.features(self.encoder.vectors.of(item as usize), None);
            row[VECTORS..VECTORS + own.len()].copy_from_slice(&own);
        }
        row
    }
}

/// The ids of the groups of an item that have other items too: those of this item alone would not be known yet.
fn shared(groups: &Groups, item: u32) -> Vec<i64> {
    let all = groups.of(item as usize).filter(|group| *group != NO_GROUP).map(|group| group as usize);
    all.filter(|group| groups.items[*group] > 1).map(|group| groups.ids[group]).collect()
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, Axis};

    use super::*;
    use crate::data::dataset::{NONE, Row};
    use crate::data::description::{Description, Descriptions};
    use crate::data::feedback::Feedback;
    use crate::data::labels::Labels;
    use crate::data::vectors::Vectors;
    use crate::parts::content::Layout;

    const ITEMS: usize = 5;

    /// Items of the categories 1 and 2, some of both, and of an author each or none; without the item `left_out`.
    fn world(left_out: Option<usize>) -> (ItemTable, Matrix) {
        let kept: Vec<usize> = (0..ITEMS).filter(|item| Some(*item) != left_out).collect();
        let rows: Vec<u32> = kept.iter().map(|item| *item as u32).collect();
        let pick = |values: [u32; ITEMS]| kept.iter().map(|item| values[*item]).collect::<Vec<u32>>().into();
        let categories = Labels::new(ITEMS, vec![(0, 1), (0, 2), (1, 1), (2, 1), (2, 2), (3, 2)]);
        let authors = Labels::from(vec![7, 7, 8, NONE, 7]);
        let items = ItemTable {
            id: kept.iter().map(|item| *item as i64).collect(),
            category: categories.pick(&rows),
            author: authors.pick(&rows),
            published: vec![NONE; kept.len()].into(),
            ratings: pick([0; ITEMS]),
            stars_sum: vec![0.0; kept.len()].into(),
            favorites: pick([9, 4, 2, 0, 1]),
            positives: pick([9, 4, 2, 0, 1]),
            latest: vec![NONE; kept.len()].into(),
            ..ItemTable::default()
        };
        let factors = Array2::from_shape_fn((ITEMS, 2), |(item, factor)| (1 + item * 3 + factor) as f32 / 4.0);
        let kept = factors.select(Axis(0), &kept);
        (items, kept.into())
    }

    fn encoder((items, factors): &(ItemTable, Matrix)) -> Encoder {
        let feedback = Feedback { positive_stars: 4.0, now: NONE };
        Encoder::new(items, factors.view(), &vec![0.3; items.len()], feedback)
    }

    #[test]
    fn an_item_taken_as_newer_has_the_features_of_a_newcomer_to_a_model_without_it() {
        let all = world(None);
        let with = encoder(&all);
        let rows = Rows { encoder: &with, items: &all.0, factors: &all.1 };
        let nothing = Row { item: &[], stars: &[], favorite: &[], at: &[], signal: &[] };
        for factor in [vec![], vec![0.5, -2.0]] {
            for item in 0..ITEMS {
                let without = encoder(&world(Some(item)));
                let newcomer = without
                    .row(&without.user(nothing, NONE, factor.clone()), &without.newcomer(&all.0.info(item as u32)));
                let newer = rows.newer(&with.user(nothing, NONE, factor.clone()), item as u32);
                for ((name, a), b) in (Layout { vectors: false }).names().zip(newer).zip(newcomer) {
                    // The share of a category in all likes hardly depends on one item, and is not corrected.
                    assert!((a - b).abs() < 1e-5 || name == "category_lift", "{name} of {item}: {a}, {b}");
                }
            }
        }
    }

    #[test]
    fn the_places_are_those_of_the_names() {
        let name = |place| (Layout { vectors: true }).name(place).unwrap();
        let named = [CATEGORY_ITEMS, AUTHOR_ITEMS, CATEGORY_AFFINITY, AUTHOR_AFFINITY, VECTORS].map(name);
        assert_eq!(named, ["category_items", "author_items", "category_affinity", "author_affinity", "text_weight"]);
        assert_eq!((name(CATEGORY_ITEMS + 1), name(AUTHOR_ITEMS + 1)), ("category_positives", "author_positives"));
    }

    #[test]
    fn an_item_taken_as_newer_keeps_its_text() {
        let (items, factors) = world(None);
        let mut read = Descriptions::default();
        for (item, text) in ["dragones", "dragones y magos", "cocina", "", "magos"].iter().enumerate() {
            read.push(item as i64, &Description::of_text(text)).unwrap();
        }
        let items = ItemTable { vectors: Vectors::new(&items.id, &read).unwrap().into(), ..items };
        let encoder = encoder(&(items.clone(), factors.clone()));
        let rows = Rows { encoder: &encoder, items: &items, factors: &factors };
        let likes = Row { item: &[0], stars: &[5.0], favorite: &[false], at: &[NONE], signal: &[] };
        let user = encoder.user(likes, NONE, vec![]);
        let of = |row: PairRow| row[VECTORS..VECTORS + 4].to_vec();
        for item in 1..ITEMS as u32 {
            assert_eq!(of(rows.newer(&user, item)), of(rows.known(&user, item)));
        }
        assert!(of(rows.newer(&user, 1))[1] > 0.0 && of(rows.newer(&user, 2))[1] == 0.0);
    }
}

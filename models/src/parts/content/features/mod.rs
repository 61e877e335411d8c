//! The one feature encoder: a (user, item) pair as the numbers that the content model sees, in training and scoring.
//!
//! Three groups: of the item (fixed with the model), of the pair, of the user (the same for all items of a call).
//! Counts of a pair never include the pair itself, or the model would learn to recognise what it must predict.

use ndarray::{Array2, ArrayView2};

use super::forest::LANES;
use crate::data::column::{Column, Matrix};
use crate::data::dataset::{NONE, Row};
use crate::data::feedback::Feedback;
use crate::data::items::{ItemInfo, ItemTable};
use crate::math::simd::{dot, prefetch};
use crate::parts::popularity::bayesian_mean;

pub const ITEM_FEATURES: usize = 11;
const CATEGORY_FEATURES: usize = 3;
const AUTHOR_FEATURES: usize = 4;
const PAIR_FEATURES: usize = CATEGORY_FEATURES + AUTHOR_FEATURES + 2;
pub const USER_FEATURES: usize = 8;
/// Features that vary from candidate to candidate; the user's come after them.
pub const VARYING: usize = ITEM_FEATURES + PAIR_FEATURES;
pub const FEATURES: usize = VARYING + USER_FEATURES;

/// What an explanation calls the features, in their order.
pub const FEATURE_NAMES: [&str; FEATURES] = [
    "positives",
    "ratings",
    "favorites",
    "mean_stars",
    "popularity",
    "age",
    "idle",
    "category_items",
    "category_positives",
    "author_items",
    "author_positives",
    "category_share",
    "category_lift",
    "category_affinity",
    "author_weight",
    "author_share",
    "author_stars",
    "author_affinity",
    "popularity_difference",
    "age_difference",
    "user_positives",
    "user_reviews",
    "user_mean_stars",
    "user_favorite_share",
    "account_age",
    "top_category_share",
    "user_mean_popularity",
    "top_author_share",
];

/// Stands for an unknown age; real ages are not negative.
const UNKNOWN: f32 = -1.0;
/// "In no group".
const NO_GROUP: u32 = u32::MAX;
/// Items of average factors that every category and author is given beforehand.
const PRIOR_ITEMS: f32 = 5.0;

/// Items by category or by author.
#[derive(Debug, Clone, PartialEq)]
pub struct Groups {
    /// Ids, ascending.
    pub ids: Column<i64>,
    pub of_item: Column<u32>,
    pub items: Column<u32>,
    pub positives: Column<u32>,
    /// Shrunk mean of the members' factors, groups × factors.
    pub embedding: Matrix,
}

impl Groups {
    fn new(keys: &[i64], positives: &[u32], factors: ArrayView2<f32>) -> Groups {
        let mut ids: Vec<i64> = keys.iter().copied().filter(|k| *k != NONE).collect();
        ids.sort_unstable();
        ids.dedup();
        let of_item: Vec<u32> = keys.iter().map(|k| find(&ids, *k)).collect();
        let (mut members, mut liked) = (vec![0; ids.len()], vec![0; ids.len()]);
        let mut embedding = Array2::zeros((ids.len(), factors.ncols()));
        for (item, group) in of_item.iter().enumerate().filter(|(_, g)| **g != NO_GROUP) {
            let group = *group as usize;
            members[group] += 1;
            liked[group] += positives[item];
            let mut sum = embedding.row_mut(group);
            sum += &factors.row(item);
        }
        for (mut row, n) in embedding.rows_mut().into_iter().zip(&members) {
            row /= *n as f32 + PRIOR_ITEMS;
        }
        Groups {
            ids: ids.into(),
            of_item: of_item.into(),
            items: members.into(),
            positives: liked.into(),
            embedding: embedding.into(),
        }
    }

    /// ln(1 + members) and ln(1 + positives per member).
    fn size(&self, group: u32) -> [f32; 2] {
        if group == NO_GROUP {
            return [0.0; 2];
        }
        let (items, positives) = (self.items[group as usize] as f32, self.positives[group as usize] as f32);
        [items.ln_1p(), (positives / items.max(1.0)).ln_1p()]
    }

    fn affinity(&self, group: u32, factor: &[f32]) -> f32 {
        if group == NO_GROUP || factor.is_empty() {
            return 0.0;
        }
        dot(self.embedding.row(group as usize), factor)
    }
}

fn find(ids: &[i64], id: i64) -> u32 {
    ids.binary_search(&id).map_or(NO_GROUP, |i| i as u32)
}

/// An item as the encoder sees it.
#[derive(Debug, Clone, Copy)]
pub struct Candidate {
    values: [f32; ITEM_FEATURES],
    category: u32,
    author: u32,
    /// Its index in the model; None for an item that is newer than the model.
    item: Option<u32>,
}

/// Everything about the items that is fixed with the model.
#[derive(Debug, Clone)]
pub struct Encoder {
    pub feedback: Feedback,
    pub values: Column<[f32; ITEM_FEATURES]>,
    pub categories: Groups,
    pub authors: Groups,
    pub total_positives: f32,
    pub mean_stars: f32,
}

const POPULARITY: usize = 4;
/// The item's age in years.
pub const AGE: usize = 5;

/// What a feature of the item or the pair tells about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    Author,
    Category,
    /// How many liked it.
    Counts,
    /// How well it is rated.
    Stars,
    Age,
}

/// None for the features of the user, which are the same for every item.
pub fn group_of(feature: usize) -> Option<Group> {
    Some(match *FEATURE_NAMES.get(feature)? {
        "author_weight" | "author_share" | "author_stars" | "author_affinity" => Group::Author,
        "category_share" | "category_lift" | "category_affinity" => Group::Category,
        "mean_stars" => Group::Stars,
        "age" | "age_difference" => Group::Age,
        _ if feature < VARYING => Group::Counts,
        _ => return None,
    })
}

/// Whether a value stands for an age that is not known.
pub fn age_is_unknown(feature: usize, value: f32) -> bool {
    value == UNKNOWN && matches!(FEATURE_NAMES.get(feature), Some(&"age" | &"idle" | &"account_age"))
}

impl Encoder {
    /// `factors`: items × k, zeros for an item without; `popularity`: one number in [0,1] per item.
    pub fn new(items: &ItemTable, factors: ArrayView2<f32>, popularity: &[f32], feedback: Feedback) -> Encoder {
        let mut encoder = Encoder {
            feedback,
            values: Column::default(),
            categories: Groups::new(&items.category, &items.positives, factors),
            authors: Groups::new(&items.author, &items.positives, factors),
            total_positives: items.positives.iter().map(|n| *n as f32).sum::<f32>().max(1.0),
            mean_stars: items.mean_stars(),
        };
        encoder.values = (0..items.len()).map(|i| encoder.item_values(items, i, popularity[i])).collect();
        encoder
    }

    fn item_values(&self, items: &ItemTable, i: usize, popularity: f32) -> [f32; ITEM_FEATURES] {
        // Per million positives, so that a model trained on a part of the data reads the whole the same way.
        let share = |count: u32| (1e6 * count as f32 / self.total_positives).ln_1p();
        let idle = if items.latest[i] == NONE { UNKNOWN } else { self.feedback.age_years(items.latest[i]) };
        let stars = bayesian_mean(items.stars_sum[i], items.ratings[i], self.mean_stars);
        self.assemble(
            [share(items.positives[i]), share(items.ratings[i]), share(items.favorites[i]), stars, popularity],
            self.age(items.published[i]),
            idle,
            (self.categories.of_item[i], self.authors.of_item[i]),
        )
    }

    fn assemble(&self, counts: [f32; 5], age: f32, idle: f32, (category, author): (u32, u32)) -> [f32; ITEM_FEATURES] {
        let [a, b, c, d, e] = counts;
        let ([f, g], [h, i]) = (self.categories.size(category), self.authors.size(author));
        [a, b, c, d, e, age, idle, f, g, h, i]
    }

    fn age(&self, published: i64) -> f32 {
        if published == NONE || self.feedback.now == NONE { UNKNOWN } else { self.feedback.age_years(published) }
    }

    pub fn known(&self, item: u32) -> Candidate {
        let i = item as usize;
        Candidate {
            values: self.values[i],
            category: self.categories.of_item[i],
            author: self.authors.of_item[i],
            item: Some(item),
        }
    }

    /// Asks for what [`Encoder::known`] reads.
    pub fn prefetch(&self, item: u32) {
        let i = item as usize;
        prefetch(&self.values[i..=i]);
        prefetch(&self.categories.of_item[i..=i]);
        prefetch(&self.authors.of_item[i..=i]);
    }

    /// Asks for what [`Encoder::encode`] reads of the candidate's groups.
    pub fn prefetch_groups(&self, candidate: &Candidate) {
        for (groups, group) in [(&self.categories, candidate.category), (&self.authors, candidate.author)] {
            if group != NO_GROUP {
                prefetch(groups.embedding.row(group as usize));
            }
        }
    }

    /// An item that is newer than the model: no counts yet, but a category, an author and an age.
    pub fn newcomer(&self, info: ItemInfo) -> Candidate {
        let (category, author) = (find(&self.categories.ids, info.category), find(&self.authors.ids, info.author));
        let values =
            self.assemble([0.0, 0.0, 0.0, self.mean_stars, 0.0], self.age(info.published), UNKNOWN, (category, author));
        Candidate { values, category, author, item: None }
    }

    /// What the encoder needs of a user, once per call. `factor` is empty for a user without one.
    pub fn user<'a>(&self, row: Row<'a>, since: i64, factor: Vec<f32>) -> UserFeatures<'a> {
        let mut categories = Vec::new();
        let mut authors = Vec::new();
        let (mut weights, mut popularity, mut ages, mut aged) = (0.0f32, 0.0f32, 0.0f32, 0.0f32);
        let (mut reviews, mut stars_sum, mut favorites, mut positives) = (0u32, 0.0f32, 0u32, 0u32);
        for i in 0..row.len() {
            let item = row.item[i] as usize;
            let (stars, favorite) = (row.stars[i], row.favorite[i]);
            reviews += u32::from(stars > 0.0);
            stars_sum += stars;
            favorites += u32::from(favorite);
            let weight = self.feedback.weight(stars, favorite, row.at[i]);
            let taste = Taste { weight, stars_sum: stars, ratings: f32::from(stars > 0.0) };
            categories.push((self.categories.of_item[item], taste));
            authors.push((self.authors.of_item[item], taste));
            if weight > 0.0 {
                positives += 1;
                weights += weight;
                popularity += weight * self.values[item][POPULARITY];
                if self.values[item][AGE] != UNKNOWN {
                    ages += weight * self.values[item][AGE];
                    aged += weight;
                }
            }
        }
        let (categories, authors) = (Tastes::new(categories), Tastes::new(authors));
        let share = |part: f32, whole: f32| if whole > 0.0 { part / whole } else { 0.0 };
        let mean_popularity = share(popularity, weights);
        let account_age =
            if since == NONE || self.feedback.now == NONE { UNKNOWN } else { self.feedback.age_years(since) };
        UserFeatures {
            values: [
                (positives as f32).ln_1p(),
                (reviews as f32).ln_1p(),
                if reviews > 0 { stars_sum / reviews as f32 } else { self.mean_stars },
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
            row,
            tables: None,
        }
    }

    /// Writes the candidate's own and pair features into one lane of a block (`VARYING` rows).
    pub fn encode(&self, user: &UserFeatures<'_>, candidate: &Candidate, lane: usize, block: &mut [[f32; LANES]]) {
        let own = user.own(candidate, self);
        let (category, author) = match &user.tables {
            Some(tables) if own == Taste::default() => tables.look_up(candidate),
            _ => (self.of_category(user, candidate.category, own), self.of_author(user, candidate.author, own)),
        };
        let age = candidate.values[AGE];
        let differences = [
            candidate.values[POPULARITY] - user.mean_popularity,
            if age == UNKNOWN || user.mean_age == UNKNOWN { 0.0 } else { age - user.mean_age },
        ];
        let values = candidate.values.iter().chain(&category).chain(&author).chain(&differences);
        for (row, value) in block.iter_mut().zip(values) {
            row[lane] = *value;
        }
    }

    /// Share of the user's liking, the same over everybody's, and affinity.
    fn of_category(&self, user: &UserFeatures<'_>, group: u32, own: Taste) -> [f32; CATEGORY_FEATURES] {
        let taste = user.categories.without(group, own);
        let share = user.share(taste.weight, own);
        let global = match group {
            NO_GROUP => 0.0,
            group => self.categories.positives[group as usize] as f32 / self.total_positives,
        };
        // The pseudo-share keeps the lift of a category that hardly anybody reads from exploding.
        [share, (share + 0.01) / (global + 0.01), self.categories.affinity(group, &user.factor)]
    }

    /// Liking, its share of the user's, mean stars given, and affinity.
    fn of_author(&self, user: &UserFeatures<'_>, group: u32, own: Taste) -> [f32; AUTHOR_FEATURES] {
        let taste = user.authors.without(group, own);
        let stars = if taste.ratings > 0.5 { taste.stars_sum / taste.ratings } else { 0.0 };
        let affinity = self.authors.affinity(group, &user.factor);
        [taste.weight, user.share(taste.weight, own), stars, affinity]
    }

    /// Computes the features of all categories and authors beforehand: worth it where most items will be encoded.
    pub fn tabulate(&self, user: &mut UserFeatures<'_>) {
        let none = Taste::default();
        let groups = |n: usize| (0..n as u32).chain([NO_GROUP]);
        user.tables = Some(Tables {
            categories: groups(self.categories.ids.len()).map(|g| self.of_category(user, g, none)).collect(),
            authors: groups(self.authors.ids.len()).map(|g| self.of_author(user, g, none)).collect(),
        });
    }
}

/// Pair features by group; the last row is that of no group.
#[derive(Debug, Clone)]
struct Tables {
    categories: Vec<[f32; CATEGORY_FEATURES]>,
    authors: Vec<[f32; AUTHOR_FEATURES]>,
}

impl Tables {
    fn look_up(&self, candidate: &Candidate) -> ([f32; CATEGORY_FEATURES], [f32; AUTHOR_FEATURES]) {
        let row = |group: u32, rows: usize| (group as usize).min(rows - 1);
        (
            self.categories[row(candidate.category, self.categories.len())],
            self.authors[row(candidate.author, self.authors.len())],
        )
    }
}

/// How much a user liked one group of items.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Taste {
    weight: f32,
    stars_sum: f32,
    ratings: f32,
}

/// By group, ascending.
#[derive(Debug, Clone, Default)]
struct Tastes(Vec<(u32, Taste)>);

impl Tastes {
    fn new(mut all: Vec<(u32, Taste)>) -> Tastes {
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
        Tastes(all)
    }

    fn get(&self, group: u32) -> Taste {
        self.0.binary_search_by_key(&group, |(g, _)| *g).map_or(Taste::default(), |i| self.0[i].1)
    }

    /// What the user thinks of a group, a candidate of it left out.
    fn without(&self, group: u32, own: Taste) -> Taste {
        let all = self.get(group);
        Taste {
            weight: (all.weight - own.weight).max(0.0),
            stars_sum: all.stars_sum - own.stars_sum,
            ratings: all.ratings - own.ratings,
        }
    }

    fn heaviest(&self) -> f32 {
        self.0.iter().map(|(_, t)| t.weight).fold(0.0, f32::max)
    }
}

/// A user as the encoder sees it.
#[derive(Debug, Clone)]
pub struct UserFeatures<'a> {
    pub values: [f32; USER_FEATURES],
    mean_popularity: f32,
    mean_age: f32,
    weights: f32,
    categories: Tastes,
    authors: Tastes,
    pub factor: Vec<f32>,
    row: Row<'a>,
    tables: Option<Tables>,
}

impl UserFeatures<'_> {
    fn share(&self, weight: f32, own: Taste) -> f32 {
        let whole = self.weights - own.weight;
        if whole > 0.0 { weight / whole } else { 0.0 }
    }

    /// The candidate's own share in the user's sums.
    fn own(&self, candidate: &Candidate, encoder: &Encoder) -> Taste {
        let Some(place) = candidate.item.and_then(|item| self.row.item.binary_search(&item).ok()) else {
            return Taste::default();
        };
        let (stars, favorite, at) = (self.row.stars[place], self.row.favorite[place], self.row.at[place]);
        Taste {
            weight: encoder.feedback.weight(stars, favorite, at),
            stars_sum: stars,
            ratings: f32::from(stars > 0.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::dataset::{Catalog, Dataset, Ratings, Sources};

    fn world() -> (Dataset, Encoder, Feedback) {
        let ratings = Ratings {
            user: vec![1, 1, 1, 2],
            item: vec![10, 11, 12, 10],
            stars: vec![5.0, 5.0, 2.0, 4.0],
            at: vec![NONE; 4],
        };
        let catalog = Catalog {
            id: vec![10, 11, 12, 13],
            category: vec![1, 1, 2, 1],
            author: vec![7, 8, 7, NONE],
            published: vec![NONE; 4],
        };
        let data = Dataset::build(Sources { ratings, catalog, ..Sources::default() }).unwrap();
        let feedback = Feedback { positive_stars: 4.0, now: data.latest };
        let items = ItemTable::count(&data, &feedback);
        let factors = Array2::from_shape_fn((4, 2), |(i, j)| (i + j) as f32);
        let encoder = Encoder::new(&items, factors.view(), &[0.9, 0.5, 0.1, 0.0], feedback);
        (data, encoder, feedback)
    }

    fn encoded(encoder: &Encoder, user: &UserFeatures<'_>, candidate: &Candidate) -> Vec<f32> {
        let mut block = vec![[0.0; LANES]; VARYING];
        encoder.encode(user, candidate, 3, &mut block);
        block.iter().map(|row| row[3]).collect()
    }

    fn named(values: &[f32], name: &str) -> f32 {
        values[FEATURE_NAMES.iter().position(|n| *n == name).unwrap()]
    }

    #[test]
    fn shares_are_of_the_liked_items() {
        let (data, encoder, _) = world();
        let user = encoder.user(data.events.row(0), NONE, vec![]);
        let values = encoded(&encoder, &user, &encoder.known(3));
        assert_eq!(named(&values, "category_share"), 1.0);
        assert_eq!(named(&values, "author_share"), 0.0);
        assert_eq!(named(&values, "age"), UNKNOWN);
    }

    #[test]
    fn a_pair_never_counts_itself() {
        let (data, encoder, feedback) = world();
        let with = encoder.user(data.events.row(0), NONE, vec![]);
        let without = data.events.select(|user, i| (user, data.events.item[i]) != (0, 0), |i| i);
        let rest = encoder.user(without.row(0), NONE, vec![]);
        assert_eq!(feedback.positives(without.row(0)).count(), 1);
        let (a, b) = (encoded(&encoder, &with, &encoder.known(0)), encoded(&encoder, &rest, &encoder.known(0)));
        for name in ["category_share", "category_lift", "author_weight", "author_share", "author_stars"] {
            assert!((named(&a, name) - named(&b, name)).abs() < 1e-6, "{name}: {a:?} {b:?}");
        }
        assert_eq!(named(&a, "author_stars"), 2.0);
    }

    #[test]
    fn tables_change_nothing() {
        let (data, encoder, _) = world();
        let plain = encoder.user(data.events.row(0), NONE, vec![1.0, 2.0]);
        let mut tabulated = plain.clone();
        encoder.tabulate(&mut tabulated);
        for item in 0..data.items.len() as u32 {
            let candidate = encoder.known(item);
            assert_eq!(encoded(&encoder, &plain, &candidate), encoded(&encoder, &tabulated, &candidate));
        }
    }

    #[test]
    fn a_newcomer_has_the_features_of_its_author() {
        let (data, encoder, _) = world();
        let user = encoder.user(data.events.row(0), NONE, vec![1.0, 1.0]);
        let values = encoded(&encoder, &user, &encoder.newcomer(ItemInfo { category: 99, author: 7, published: NONE }));
        assert!(named(&values, "author_share") > 0.0 && named(&values, "author_affinity") > 0.0);
        assert_eq!((named(&values, "positives"), named(&values, "category_affinity")), (0.0, 0.0));
    }

    #[test]
    fn every_value_is_finite_for_a_user_without_a_past() {
        let (data, encoder, _) = world();
        let nobody = Row { item: &[], stars: &[], favorite: &[], at: &[] };
        let user = encoder.user(nobody, 5, vec![]);
        assert!(user.values.iter().all(|v| v.is_finite()));
        for item in 0..data.items.len() as u32 {
            assert!(encoded(&encoder, &user, &encoder.known(item)).iter().all(|v| v.is_finite()));
        }
    }
}

//! The features by name and place.

/// Features of the item.
pub const ITEM_FEATURES: usize = 11;
/// Features of the item that are those of its category, or of its author.
pub const GROUP_FEATURES: usize = 2;
pub const CATEGORY_FEATURES: usize = 3;
pub const AUTHOR_FEATURES: usize = 4;
const PAIR_FEATURES: usize = CATEGORY_FEATURES + AUTHOR_FEATURES + 2;
pub const USER_FEATURES: usize = 8;
/// Features of the pair that texts and embeddings give, two of each. Only models of sites that have either know them.
pub const VECTOR_FEATURES: usize = 4;
/// Features that vary from item to item without those of vectors, which come next; those of the user come last.
const VARYING: usize = ITEM_FEATURES + PAIR_FEATURES;
/// Features that vary, where all are there.
pub const MOST_VARYING: usize = VARYING + VECTOR_FEATURES;
/// Features of a pair, where all are there: of the item, of the pair, of the user.
pub const MOST_FEATURES: usize = MOST_VARYING + USER_FEATURES;

/// The names of the features in an explanation, in their order.
const NAMES: [&str; MOST_FEATURES] = [
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
    "text_weight",
    "text_similarity",
    "embedding_weight",
    "embedding_similarity",
    "user_positives",
    "user_reviews",
    "user_mean_stars",
    "user_favorite_share",
    "account_age",
    "top_category_share",
    "user_mean_popularity",
    "top_author_share",
];

/// Which features there are. A model without vectors has the features, and the bytes, that it had before there were any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    pub vectors: bool,
}

impl Layout {
    /// The number of features that vary from item to item.
    pub fn varying(self) -> usize {
        if self.vectors { MOST_VARYING } else { VARYING }
    }

    /// The number of all features.
    pub fn features(self) -> usize {
        self.varying() + USER_FEATURES
    }

    /// The name of a feature by its place; None beyond the last.
    pub fn name(self, feature: usize) -> Option<&'static str> {
        let skipped = if feature >= VARYING && !self.vectors { VECTOR_FEATURES } else { 0 };
        NAMES.get(feature + skipped).copied()
    }

    /// The names in their order.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        (0..self.features()).filter_map(move |feature| self.name(feature))
    }

    /// The topic of a feature, by its place; None for the features of the user, which are the same for every item.
    pub fn topic_of(self, feature: usize) -> Option<Topic> {
        Some(match self.name(feature)? {
            "author_weight" | "author_share" | "author_stars" | "author_affinity" => Topic::Author,
            "category_share" | "category_lift" | "category_affinity" => Topic::Category,
            "text_weight" | "text_similarity" | "embedding_weight" | "embedding_similarity" => Topic::Description,
            "mean_stars" => Topic::Stars,
            "age" | "age_difference" => Topic::Age,
            _ if feature < self.varying() => Topic::Counts,
            _ => return None,
        })
    }

    /// Whether a value of the feature at this place stands for an unknown age.
    pub fn age_is_unknown(self, feature: usize, value: f32) -> bool {
        value == UNKNOWN && matches!(self.name(feature), Some("age" | "idle" | "account_age"))
    }
}

/// Stands for an unknown age: real ages are not negative.
pub const UNKNOWN: f32 = -1.0;

/// Place of the item's popularity among its features.
pub const POPULARITY: usize = 4;
/// Place of the item's age in years.
pub const AGE: usize = 5;

/// Places of what is known of the item's categories and authors: their number of items, after which comes that of their
/// positives, and the affinity of the user.
pub const CATEGORY_ITEMS: usize = 7;
pub const AUTHOR_ITEMS: usize = 9;
pub const CATEGORY_AFFINITY: usize = 13;
pub const AUTHOR_AFFINITY: usize = 17;

/// Place of the first of the features that texts and embeddings give.
pub const VECTORS: usize = VARYING;

/// What a feature of the item or the pair tells something about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic {
    Author,
    Category,
    /// What its text or embedding says.
    Description,
    /// How many users reacted to the item or like it.
    Counts,
    /// How well the item is rated.
    Stars,
    Age,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_vectors_the_features_are_those_of_before() {
        let (plain, all) = (Layout { vectors: false }, Layout { vectors: true });
        assert_eq!((plain.varying(), plain.features()), (20, 28));
        assert!(all.names().eq(NAMES) && plain.name(28).is_none() && all.name(32).is_none());
        let others = all.names().filter(|name| !name.starts_with("text_") && !name.starts_with("embedding_"));
        assert!(plain.names().eq(others));
        assert_eq!((plain.topic_of(20), all.topic_of(20)), (None, Some(Topic::Description)));
        assert!(
            plain.age_is_unknown(24, UNKNOWN) && all.age_is_unknown(28, UNKNOWN) && !all.age_is_unknown(24, UNKNOWN)
        );
    }
}

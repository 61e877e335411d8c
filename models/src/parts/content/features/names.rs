//! The features by name and place.

/// Features of the item.
pub const ITEM_FEATURES: usize = 11;
/// Features of the item that are those of its category, or of its author.
pub const GROUP_FEATURES: usize = 2;
pub const CATEGORY_FEATURES: usize = 3;
pub const AUTHOR_FEATURES: usize = 4;
const PAIR_FEATURES: usize = CATEGORY_FEATURES + AUTHOR_FEATURES + 2;
pub const USER_FEATURES: usize = 8;
/// Features that vary from item to item; those of the user come after them.
pub const VARYING: usize = ITEM_FEATURES + PAIR_FEATURES;
/// Features of a pair: of the item, of the pair, of the user.
pub const FEATURES: usize = VARYING + USER_FEATURES;

/// The names of the features in an explanation, in their order.
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

/// What a feature of the item or the pair tells something about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic {
    Author,
    Category,
    /// How many users reacted to the item or like it.
    Counts,
    /// How well the item is rated.
    Stars,
    Age,
}

/// The topic of a feature, by its place; None for the features of the user, which are the same for every item.
pub fn topic_of(feature: usize) -> Option<Topic> {
    Some(match *FEATURE_NAMES.get(feature)? {
        "author_weight" | "author_share" | "author_stars" | "author_affinity" => Topic::Author,
        "category_share" | "category_lift" | "category_affinity" => Topic::Category,
        "mean_stars" => Topic::Stars,
        "age" | "age_difference" => Topic::Age,
        _ if feature < VARYING => Topic::Counts,
        _ => return None,
    })
}

/// Whether a value of the feature at this place stands for an unknown age.
pub fn age_is_unknown(feature: usize, value: f32) -> bool {
    value == UNKNOWN && matches!(FEATURE_NAMES.get(feature), Some(&"age" | &"idle" | &"account_age"))
}

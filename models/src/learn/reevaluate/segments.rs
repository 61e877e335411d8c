//! Segments of the users, by how much is known of them, and of the items, by how much they are read and what they are.

use std::cmp::Reverse;
use std::collections::HashMap;

use crate::data::split::Split;

/// What a figure is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Segment {
    All,
    /// Users with fewer than five liked items to learn from.
    Cold,
    /// The other users.
    Warm,
    /// The most liked items, which together have half of the likes.
    Head,
    /// The other items.
    Tail,
    /// The items of one category.
    Category(i64),
}

impl Segment {
    pub fn name(self) -> &'static str {
        match self {
            Segment::All => "all",
            Segment::Cold => "cold",
            Segment::Warm => "warm",
            Segment::Head => "head",
            Segment::Tail => "tail",
            Segment::Category(_) => "category",
        }
    }

    pub fn category(self) -> Option<i64> {
        match self {
            Segment::Category(category) => Some(category),
            _ => None,
        }
    }
}

/// With fewer liked items than the training usually demands of a user, little is known of one.
const WARM: usize = 5;
/// Categories that are evaluated: those with the most liked items in the hold-out.
const CATEGORIES: usize = 20;

/// A segment of the users that are evaluated, or of the items.
pub struct Group {
    pub segment: Segment,
    /// The places of its users among those that are evaluated. Of a segment of items: of those with one of them in their
    /// hold-out.
    pub places: Vec<usize>,
    /// By item, whether it is in the segment; None for a segment of users.
    pub items: Option<Vec<bool>>,
}

/// Everybody, and the segments if they are wanted; those without a user are left out.
pub fn groups(split: &Split, users: &[u32], segments: bool) -> Vec<Group> {
    let mut groups = vec![Group { segment: Segment::All, places: (0..users.len()).collect(), items: None }];
    if segments {
        groups.extend(of_users(split, users));
        let items = of_items(split).into_iter().chain(categories(split, users));
        groups.extend(items.map(|(segment, items)| {
            let held_out = |user: u32| split.held_out(user as usize).iter().any(|item| items[*item as usize]);
            let places = (0..users.len()).filter(|place| held_out(users[*place])).collect();
            Group { segment, places, items: Some(items) }
        }));
    }
    groups.retain(|group| !group.places.is_empty());
    groups
}

fn of_users(split: &Split, users: &[u32]) -> [Group; 2] {
    let is_cold = |place: &usize| split.train.liked_items(users[*place]).len() < WARM;
    let (cold, warm) = (0..users.len()).partition(is_cold);
    [(Segment::Cold, cold), (Segment::Warm, warm)].map(|(segment, places)| Group { segment, places, items: None })
}

fn of_items(split: &Split) -> [(Segment, Vec<bool>); 2] {
    let liked = split.train.liked();
    let mut likes = vec![0usize; liked.cols()];
    liked.indices().iter().for_each(|item| likes[*item as usize] += 1);
    let mut by_likes: Vec<usize> = (0..likes.len()).collect();
    by_likes.sort_by_key(|item| (Reverse(likes[*item]), *item));
    let (mut head, mut counted) = (vec![false; likes.len()], 0);
    for item in by_likes {
        if 2 * counted >= liked.nnz() {
            break;
        }
        counted += likes[item];
        head[item] = true;
    }
    let tail = head.iter().map(|is_head| !is_head).collect();
    [(Segment::Head, head), (Segment::Tail, tail)]
}

fn categories(split: &Split, users: &[u32]) -> Vec<(Segment, Vec<bool>)> {
    let labels = &split.train.data.category;
    let mut held_out: HashMap<i64, usize> = HashMap::new();
    for item in users.iter().flat_map(|user| split.held_out(*user as usize)) {
        labels.of(*item as usize).for_each(|category| *held_out.entry(category).or_default() += 1);
    }
    let mut most: Vec<(Reverse<usize>, i64)> = held_out.into_iter().map(|(key, count)| (Reverse(count), key)).collect();
    most.sort_unstable();
    most.truncate(CATEGORIES);
    let of = |category: i64| {
        let has = |item: usize| labels.of(item).any(|key| key == category);
        (Segment::Category(category), (0..split.train.data.items.len()).map(has).collect())
    };
    most.into_iter().map(|(_, category)| of(category)).collect()
}

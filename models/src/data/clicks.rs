//! Clicks on what was shown: weaker signs of liking, which a training may learn from.

use crate::data::cut::Cut;
use crate::data::dataset::NONE;
use crate::data::feedback::Interactions;
use crate::data::split::{HeldOut, hash_share};

/// Clicks as they were read, one element each; all columns are equally long.
#[derive(Debug, Default, Clone)]
pub struct Clicks {
    pub user: Vec<i64>,
    pub item: Vec<i64>,
    /// Seconds since 1970.
    pub at: Vec<i64>,
    /// How probable it was that the item was shown, where exploration showed it; else 1.
    pub propensity: Vec<f32>,
}

/// A user's first click on an item.
#[derive(Debug, Clone, Copy)]
struct Click {
    user: i64,
    item: i64,
    at: i64,
    propensity: f32,
}

/// The first click of each pair, by user and item.
#[derive(Debug, Default)]
pub struct FirstClicks(Vec<Click>);

impl FirstClicks {
    pub fn of(clicks: &Clicks) -> FirstClicks {
        let Clicks { user, item, at, propensity } = clicks;
        let click = |i: usize| Click { user: user[i], item: item[i], at: at[i], propensity: propensity[i] };
        let mut all: Vec<Click> = (0..user.len()).map(click).collect();
        let order = |click: &Click| (click.user, click.item, click.at);
        all.sort_unstable_by(|a, b| order(a).cmp(&order(b)).then(a.propensity.total_cmp(&b.propensity)));
        all.dedup_by_key(|click| (click.user, click.item));
        FirstClicks(all)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn of_user(&self, user: i64) -> &[Click] {
        let start = self.0.partition_point(|click| click.user < user);
        let count = self.0[start..].iter().take_while(|click| click.user == user).count();
        &self.0[start..start + count]
    }
}

/// What is held out, and the salt of its hash.
pub type Held = (HeldOut, u64);

/// What the collaborative part of a cut learns from: what is liked, and where nothing else is said of an item the clicks on it.
/// A click weighs `weight`, a favourite being 1. One on an item that exploration showed counts by the inverse of its
/// propensity, because it stands for the users to whom it was not shown; but no click more than a favourite.
///
/// Nothing that is held out is learned: not the clicks after the moment of a cut, and none on pairs that were held out.
pub fn with_clicks(cut: &Cut, weight: f32, held: &[Held]) -> Interactions {
    let data = &cut.data;
    let is_held = |click: &Click| {
        held.iter().any(|(held, salt)| match *held {
            HeldOut::After(last) => click.at == NONE || click.at > last,
            HeldOut::Share(share) => hash_share(click.user, click.item, *salt) < share,
        })
    };
    let (mut start, mut items, mut weights) = (vec![0], Vec::new(), Vec::new());
    for (user, id) in data.users.iter().enumerate() {
        let said = data.events.row(user).item;
        let clicked = data.clicks.of_user(*id).iter().filter(|click| !is_held(click)).filter_map(|click| {
            let item = data.items.binary_search(&click.item).ok()? as u32;
            let counts = (weight / click.propensity.max(f32::MIN_POSITIVE)).min(weight.max(1.0));
            said.binary_search(&item).is_err().then_some((item, counts))
        });
        let mut row: Vec<(u32, f32)> = cut.liked_by(user as u32).into_iter().chain(clicked).collect();
        row.sort_unstable_by_key(|(item, _)| *item);
        items.extend(row.iter().map(|(item, _)| *item));
        weights.extend(row.iter().map(|(_, weight)| *weight));
        start.push(items.len());
    }
    Interactions::new((data.users.len(), data.items.len()), start, items, weights)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::dataset::{Dataset, Favorites, Ratings, Sources};

    fn cut(clicks: Clicks) -> Cut {
        let favorites = Favorites { user: vec![1, 1, 2], item: vec![10, 20, 30], at: vec![NONE; 3] };
        let ratings = Ratings { user: vec![1], item: vec![30], stars: vec![1.0], at: vec![NONE], key: vec![] };
        Cut::new(Dataset::build(Sources { favorites, ratings, clicks, ..Sources::default() }).unwrap(), 4.0)
    }

    fn clicks(rows: &[(i64, i64, i64, f32)]) -> Clicks {
        Clicks {
            user: rows.iter().map(|r| r.0).collect(),
            item: rows.iter().map(|r| r.1).collect(),
            at: rows.iter().map(|r| r.2).collect(),
            propensity: rows.iter().map(|r| r.3).collect(),
        }
    }

    fn row(matrix: &Interactions, user: usize) -> Vec<(usize, f32)> {
        matrix.outer_view(user).unwrap().iter().map(|(item, weight)| (item, *weight)).collect()
    }

    #[test]
    fn a_click_counts_where_nothing_else_is_said() {
        // On a favourite, on what was reviewed badly, by nobody and on nothing that is known.
        let cut = cut(clicks(&[(1, 10, 5, 1.0), (1, 30, 5, 1.0), (2, 10, 5, 1.0), (7, 10, 5, 1.0), (2, 99, 5, 1.0)]));
        let matrix = with_clicks(&cut, 0.25, &[]);
        assert_eq!(row(&matrix, 0), [(0, 1.0), (1, 1.0)]);
        assert_eq!(row(&matrix, 1), [(0, 0.25), (2, 1.0)]);
        assert_eq!(cut.liked_by(1), [(2, 1.0)], "what is liked stays what it was");
    }

    #[test]
    fn explored_clicks_count_by_their_inverse_propensity_up_to_a_favourite() {
        let of = |propensity| row(&with_clicks(&cut(clicks(&[(2, 10, 5, propensity)])), 0.25, &[]), 1)[0].1;
        assert_eq!((of(1.0), of(0.5), of(0.001)), (0.25, 0.5, 1.0));
    }

    #[test]
    fn what_is_held_out_is_not_learned() {
        let cut = cut(clicks(&[(2, 10, 5, 1.0), (2, 20, 15, 1.0), (2, 20, 12, 1.0)]));
        let items = |held: &[Held]| row(&with_clicks(&cut, 0.25, held), 1).len() - 1;
        assert_eq!(items(&[]), 2);
        assert_eq!(items(&[(HeldOut::After(11), 1)]), 1);
        assert_eq!(items(&[(HeldOut::After(12), 1)]), 2, "the first click of a pair");
        assert_eq!(items(&[(HeldOut::Share(1.0), 1)]), 0);
        let by_hash = |share| usize::from(hash_share(2, 10, 7) >= share) + usize::from(hash_share(2, 20, 7) >= share);
        for share in [0.2, 0.5, 0.8] {
            assert_eq!(items(&[(HeldOut::Share(share), 7)]), by_hash(share), "{share}");
        }
    }
}

use super::*;

fn sources() -> Sources {
    Sources {
        ratings: Ratings {
            user: vec![7, 3, 7, 7],
            item: vec![20, 10, 10, 20],
            stars: vec![2.0, 5.0, 4.0, 5.0],
            at: vec![100, NONE, 50, 200],
            key: vec![],
        },
        favorites: Favorites { user: vec![7, 9], item: vec![20, 30], at: vec![150, 300] },
        catalog: Catalog {
            id: vec![40, 10],
            category: vec![1, 2],
            author: vec![NONE, 5],
            published: vec![0, 0],
            ..Catalog::default()
        },
        accounts: Accounts { id: vec![9, 1], since: vec![11, 12] },
        ..Sources::default()
    }
}

#[test]
fn the_latest_review_wins_and_favourites_merge() {
    let data = Dataset::build(sources()).unwrap();
    assert_eq!(data.users, [3, 7, 9]);
    assert_eq!(data.items, [10, 20, 30, 40]);
    assert_eq!(data.since, [NONE, NONE, 11]);
    assert_eq!(*data.category.first, [2, NONE, NONE, 1]);
    let row = data.events.row(1);
    assert_eq!((row.item, row.stars, row.favorite), (&[0, 1][..], &[4.0, 5.0][..], &[false, true][..]));
    assert_eq!((row.at, data.latest), (&[50, 200][..], 300));
}

#[test]
fn an_item_that_the_catalogue_repeats_is_one_whatever_the_order() {
    let build = |order: [usize; 3]| {
        let of = |values: [i64; 3]| order.map(|i| values[i]).to_vec();
        let catalog = Catalog {
            id: of([10, 40, 10]),
            category: of([2, 1, 7]),
            author: of([5, NONE, 3]),
            published: of([9, 0, NONE]),
            more_categories: Links { item: vec![10, 999, 40], key: vec![7, 1, 1] },
            ..Catalog::default()
        };
        let data = Dataset::build(Sources { catalog, ..sources() }).unwrap();
        (data.items, data.category, data.author, data.published)
    };
    let expected = (
        vec![10, 20, 30, 40],
        Labels::new(4, vec![(0, 2), (0, 7), (3, 1)]),
        Labels::new(4, vec![(0, 3), (0, 5)]),
        vec![9, NONE, NONE, 0],
    );
    assert_eq!(build([0, 1, 2]), expected);
    assert_eq!(build([2, 1, 0]), expected);
}

#[test]
fn a_history_is_the_row_that_training_has() {
    let all = sources();
    let data = Dataset::build(all.clone()).unwrap();
    let of = |user: i64, column: &[i64]| -> Vec<usize> { (0..column.len()).filter(|i| column[*i] == user).collect() };
    let (r, f) = (of(7, &all.ratings.user), of(7, &all.favorites.user));
    let ratings = Ratings {
        user: vec![7; r.len()],
        item: r.iter().map(|i| all.ratings.item[*i]).collect(),
        stars: r.iter().map(|i| all.ratings.stars[*i]).collect(),
        at: r.iter().map(|i| all.ratings.at[*i]).collect(),
        key: vec![],
    };
    let favorites = Favorites {
        user: vec![7; f.len() + 1],
        item: f.iter().map(|i| all.favorites.item[*i]).chain([999]).collect(),
        at: f.iter().map(|i| all.favorites.at[*i]).chain([NONE]).collect(),
    };
    let history = History::new(&ratings, &favorites, &Signals::default(), |id| {
        data.items.binary_search(&id).ok().map(|i| i as u32)
    });
    let (now, then) = (history.row(), data.events.row(1));
    assert_eq!((now.item, now.stars, now.favorite, now.at), (then.item, then.stars, then.favorite, then.at));
    assert_eq!(history.unknown, 1);
}

#[test]
fn of_reviews_of_one_day_the_one_with_the_highest_key_counts() {
    let stars = |key: Vec<i64>, at: Vec<i64>| {
        let ratings = Ratings { user: vec![1; 2], item: vec![2; 2], stars: vec![5.0, 1.0], at, key };
        let history = History::new(&ratings, &Favorites::default(), &Signals::default(), |_| Some(0));
        let data = Dataset::build(Sources { ratings, ..Sources::default() }).unwrap();
        assert_eq!(history.row().stars, data.events.stars);
        data.events.stars[0]
    };
    assert_eq!((stars(vec![7, 8], vec![100; 2]), stars(vec![8, 7], vec![100; 2])), (1.0, 5.0));
    assert_eq!((stars(vec![7, 8], vec![NONE; 2]), stars(vec![7, 8], vec![200, 100])), (1.0, 5.0));
    assert_eq!(stars(vec![], vec![100; 2]), 5.0);
}

#[test]
fn a_later_review_with_few_stars_withdraws_a_favourite() {
    let merged = |stars: f32, reviewed: i64, favored: i64| {
        let ratings = Ratings { user: vec![1], item: vec![2], stars: vec![stars], at: vec![reviewed], key: vec![] };
        let favorites = Favorites { user: vec![1], item: vec![2], at: vec![favored] };
        let history = History::new(&ratings, &favorites, &Signals::default(), |_| Some(0));
        let data = Dataset::build(Sources { ratings, favorites, ..Sources::default() }).unwrap();
        assert_eq!(history.row().favorite, data.events.row(0).favorite);
        assert_eq!(history.disliked(), if stars <= 2.0 { vec![0] } else { vec![] });
        data.events.favorite[0]
    };
    assert!(!merged(1.0, 200, 100) && !merged(2.0, 200, 100));
    assert!(merged(3.0, 200, 100) && merged(1.0, 100, 200) && merged(1.0, 100, 100));
    assert!(merged(1.0, NONE, 100) && merged(1.0, 100, NONE) && merged(1.0, NONE, NONE));
}

#[test]
fn stars_out_of_range_are_named() {
    let mut bad = sources();
    bad.ratings.stars[2] = 7.0;
    assert_eq!(Dataset::build(bad).unwrap_err().to_string(), "stars holds 7, outside of 1 to 5");
    let mut bad = sources();
    bad.ratings.stars[0] = f32::NAN;
    assert!(Dataset::build(bad).is_err());
}

#[test]
fn a_restriction_keeps_the_interactions_between_those_that_stay() {
    let data = Dataset::build(sources()).unwrap();
    let small = data.restrict(&[1, 2], &[1, 3]);
    assert_eq!((small.users.as_slice(), small.items.as_slice()), (&[7, 9][..], &[20, 40][..]));
    assert_eq!((small.events.start.as_slice(), small.events.item.as_slice()), (&[0, 1, 1][..], &[0][..]));
}

#[test]
fn empty_sources_are_an_empty_dataset() {
    let data = Dataset::build(Sources::default()).unwrap();
    assert_eq!((data.users.len(), data.items.len(), data.events.users(), data.latest), (0, 0, 0, NONE));
}
/// What is merged of the signals (weight and time), a review (stars and time) and a favourite of one pair.
fn said(signals: &[(f32, i64)], review: Option<(f32, i64)>, favored: Option<i64>) -> Statement {
    let ratings = Ratings {
        user: vec![1; review.iter().len()],
        item: vec![2; review.iter().len()],
        stars: review.iter().map(|r| r.0).collect(),
        at: review.iter().map(|r| r.1).collect(),
        key: vec![],
    };
    let n = favored.iter().len();
    let favorites = Favorites { user: vec![1; n], item: vec![2; n], at: favored.into_iter().collect() };
    let signals = Signals {
        user: vec![1; signals.len()],
        item: vec![2; signals.len()],
        weight: signals.iter().map(|s| s.0).collect(),
        at: signals.iter().map(|s| s.1).collect(),
    };
    let history = History::new(&ratings, &favorites, &signals, |_| Some(0));
    let data = Dataset::build(Sources { ratings, favorites, signals, ..Sources::default() }).unwrap();
    assert_eq!(history.row().get(0), data.events.get(0));
    data.events.get(0)
}

#[test]
fn the_weights_of_signals_add_up_until_something_later_is_against() {
    assert_eq!(said(&[(0.2, 10), (3.0, 20)], None, None).signal, 3.2);
    assert_eq!(said(&[(90.0, 10), (90.0, 20)], None, None).signal, 100.0);
    assert_eq!(said(&[(0.0, 10)], None, None), Statement { stars: 0.0, favorite: false, signal: 0.0, at: 10 });
    assert!(said(&[(3.0, 10), (-1.0, 20)], None, None).is_against());
    assert_eq!(said(&[(-1.0, 10), (3.0, 20)], None, None).signal, 3.0);
    assert!(said(&[(-1.0, 10), (3.0, 10)], None, None).is_against());
    // Without a time what is against stands.
    assert!(said(&[(-1.0, NONE), (3.0, 20)], None, None).is_against());
    assert!(said(&[(-1.0, 20), (3.0, NONE)], None, None).is_against());
}

#[test]
fn reviews_favourites_and_signals_withdraw_each_other() {
    let withdrawn = said(&[(-2.0, 20)], Some((5.0, 10)), Some(10));
    assert!(withdrawn.is_against() && !withdrawn.favorite && withdrawn.stars == 5.0);
    let liked = said(&[(-2.0, 20)], None, Some(30));
    assert!(liked.favorite && liked.signal == 0.0 && !liked.is_against());
    assert_eq!(said(&[(-2.0, 20)], Some((4.0, 30)), None).signal, 0.0);
    assert!(said(&[(-2.0, 20)], Some((1.0, 30)), None).is_against());
    assert_eq!(said(&[(3.0, 20)], Some((1.0, 30)), None).signal, 0.0);
    assert_eq!(said(&[(3.0, NONE)], Some((1.0, 30)), None).signal, 3.0);
    assert_eq!(said(&[(3.0, 40)], Some((3.0, 30)), None).signal, 3.0);
}

use serde_json::json;

use super::*;
use crate::data::dataset::{Catalog, NONE, Ratings, Sources};
use crate::learn::params::Params;
use crate::learn::train::train;

const USERS: i64 = 400;
const ITEMS: i64 = 3000;

/// Users of ten tastes, each with a category and authors of its own; items with ids from `first` on.
fn sources(first: i64) -> Sources {
    let mut ratings = Ratings::default();
    for (user, n) in (0..USERS).flat_map(|user| (0..20).map(move |n| (user, n))) {
        let step = (user * 7919 + n * n * 31) % (ITEMS / 10);
        ratings.user.push(user);
        ratings.item.push(first + step * step / (ITEMS / 10) * 10 + user % 10);
        ratings.stars.push(if (user + n) % 5 == 0 { 2.0 } else { 5.0 });
        ratings.at.push(NONE);
    }
    let id: Vec<i64> = (first..first + ITEMS).collect();
    let catalog = Catalog {
        category: id.iter().map(|id| id % 10).collect(),
        author: id.iter().map(|id| id % 90).collect(),
        published: vec![NONE; id.len()],
        id,
        ..Catalog::default()
    };
    Sources { ratings, catalog, ..Sources::default() }
}

#[test]
fn what_the_bounds_leave_out_is_not_among_the_best() {
    let params =
        Params::from_json(&json!({"min_interactions": 1, "evaluation_users": 50})).unwrap().validate().unwrap();
    let trained = train(sources(0), &params, None, 2, &Control::default()).unwrap();
    assert!(trained.model.forest().is_some());
    let shifted = Dataset::build(sources(500)).unwrap();
    for weights in [[0.5, 0.3, 0.2], [0.8, 0.2, 0.0], [0.1, 0.9, 0.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]] {
        let model = trained.model.clone().with_weights(Weights::new(weights).unwrap());
        for (ranker, data) in
            [(Ranker::own(&model, &trained.data), &trained.data), (Ranker::foreign(&model, &shifted), &shifted)]
        {
            for user in (0..data.users.len() as u32).step_by(7) {
                let (ready, seen) = (ranker.user(data, user).unwrap(), data.events.row(user as usize).item);
                let all = ranker.parts(&ranker.raw(&ready, data.items.len())).blended(&model.weights());
                assert_eq!(ranker.best(&ready, data.items.len(), seen), top(&all, K, seen), "{weights:?}, {user}");
            }
        }
    }
}

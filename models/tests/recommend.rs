//! What recommending relies on, on the generated library: recall of the two stages, variety, likeness.

mod common;

use std::sync::OnceLock;

use common::sources;
use reco_models::{
    Control, EXHAUSTIVE, ItemInfo, Kinship, Model, NONE, Params, Pick, ServedModel, Target, Trained, User, Weights,
    diversify, train,
};
use serde_json::json;

/// Large enough that not everything is scored.
const BOOKS: usize = 15_000;

fn trained() -> &'static Trained {
    static TRAINED: OnceLock<Trained> = OnceLock::new();
    TRAINED.get_or_init(|| {
        let params = Params::from_json(&json!({"evaluation_users": 100})).unwrap().validate().unwrap();
        train(sources(5000, BOOKS, 200_000), &params, None, 2, &Control::default()).unwrap()
    })
}

fn ids(model: &Model, items: impl Iterator<Item = u32>) -> Vec<(i64, Target)> {
    items.map(|item| (model.items().id[item as usize], Target::Known(item))).collect()
}

fn all_ranked(model: &Model, user: &User<'_>, seen: &[u32]) -> Vec<Pick> {
    let unseen = (0..model.items().len() as u32).filter(|item| seen.binary_search(item).is_err());
    model.rank(user, &ids(model, unseen), |_| 1.0, || ()).collect()
}

/// Of the ten best of everything, the share that the candidates hold; equal scores are equally good.
fn recall(model: &ServedModel, data: &reco_models::Dataset, users: impl Iterator<Item = usize>) -> f64 {
    let (mut found, mut of) = (0, 0);
    for user in users {
        let row = data.events.row(user);
        let reader = model.user(row, NONE, None).unwrap();
        let best = all_ranked(model, &reader, row.item);
        let candidates = model.candidates(&reader, row.item, None, || ()).unwrap();
        assert!(candidates.len() < BOOKS / 2, "{} candidates are no short list", candidates.len());
        let picks = model.rank(&reader, &ids(model, candidates.into_iter()), |_| 1.0, || ()).take(10);
        found += picks.filter(|pick| pick.scored.score >= best[9].scored.score).count();
        of += 10;
    }
    f64::from(found as u32) / f64::from(of as u32)
}

#[test]
fn two_stages_find_the_ten_best_of_everything() {
    const { assert!(BOOKS > 2 * EXHAUSTIVE) };
    let trained = trained();
    for share in [None, Some(0.0), Some(0.5), Some(1.0)] {
        for weights in [[0.5, 0.3, 0.2], [0.65, 0.35, 0.0], [0.4, 0.6, 0.0]] {
            let model = trained.model.clone().with_weights(Weights::new(weights).unwrap());
            let model = match share {
                Some(share) => model.with_neighbour_share(share),
                None => model,
            };
            let recall = recall(&model.into(), &trained.data, (0..trained.data.users.len()).step_by(100));
            println!("share {share:?}, weights {weights:?}: recall@10 {recall}");
            assert!(recall >= 0.99, "share {share:?}, weights {weights:?}: recall@10 {recall}");
        }
    }
}

#[test]
fn the_best_few_are_the_first_of_all() {
    let trained = trained();
    for weights in [[0.5, 0.3, 0.2], [0.1, 0.9, 0.0], [0.0, 0.0, 1.0]] {
        let model = trained.model.clone().with_weights(Weights::new(weights).unwrap());
        for user in (0..trained.data.users.len()).step_by(500) {
            let row = trained.data.events.row(user);
            let reader = model.user(row, NONE, None).unwrap();
            let all = all_ranked(&model, &reader, row.item);
            let scored = model.score(&reader, &all.iter().map(|pick| pick.target.clone()).collect::<Vec<_>>());
            assert!(all.iter().zip(scored).all(|(pick, scored)| pick.scored == scored));
            assert!(all.windows(2).all(|w| w[0].scored.score >= w[1].scored.score));
            let mut items = ids(&model, (0..BOOKS as u32).filter(|item| row.item.binary_search(item).is_err()));
            // A book that the model does not know has no collaborative part, and its trees count for more.
            items.push((-1, Target::Newcomer(ItemInfo::new([1], [], NONE))));
            items.push((-2, Target::Unknown));
            let targets: Vec<Target> = items.iter().map(|(_, target)| target.clone()).collect();
            let scores = model.score(&reader, &targets);
            let every_third_less: fn(i64) -> f32 = |id| if id % 3 == 0 { 0.6 } else { 1.0 };
            for weight in [|_| 1.0, every_third_less] {
                let all: Vec<Pick> = model.rank(&reader, &items, weight, || ()).collect();
                let mut sorted: Vec<(f32, i64, f32)> = scores
                    .iter()
                    .zip(&items)
                    .map(|(scored, (id, _))| (weight(*id) * scored.score, *id, scored.score))
                    .collect();
                sorted.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
                let ranked: Vec<_> = all.iter().map(|pick| (pick.weighted, pick.id, pick.scored.score)).collect();
                assert_eq!(ranked, sorted);
                for most in [0, 1, 10, 300] {
                    let first: Vec<Pick> = model.rank(&reader, &items, weight, || ()).take(most).collect();
                    assert_eq!(first, all[..most]);
                }
            }
        }
    }
}

#[test]
fn who_likes_nothing_yet_gets_the_best_of_everything_too() {
    let model = &ServedModel::from(trained().model.clone());
    let history = model.history(&Default::default(), &Default::default(), &Default::default());
    let nobody = model.user(history.row(), NONE, None).unwrap();
    let candidates = model.candidates(&nobody, &[], None, || ()).unwrap();
    let picks: Vec<Pick> = model.rank(&nobody, &ids(model, candidates.into_iter()), |_| 1.0, || ()).take(10).collect();
    let best = all_ranked(model, &nobody, &[]);
    assert_eq!(picks.len(), 10);
    assert!(picks.iter().zip(&best).all(|(a, b)| a.scored.score == b.scored.score));
}

#[test]
fn more_diversity_is_less_alike_and_costs_score() {
    let trained = trained();
    let model = &trained.model;
    let (mut alike, mut scores) = (Vec::new(), Vec::new());
    let levels = [0.0, 0.3, 0.6, 1.0];
    for diversity in levels {
        let (mut likeness, mut score) = (0.0, 0.0);
        for user in (0..1000).step_by(50) {
            let row = trained.data.events.row(user);
            let best = all_ranked(model, &model.user(row, NONE, None).unwrap(), row.item);
            let list = diversify(model, &best[..100], 10, diversity, || ());
            assert_eq!((list.len(), &list[0]), (10, &best[0]));
            if diversity == 0.0 {
                assert_eq!(list, best[..10]);
            }
            score += list.iter().map(|pick| pick.scored.score).sum::<f32>();
            for (i, a) in list.iter().enumerate() {
                likeness += list[..i].iter().map(|b| cosine(model, a, b)).sum::<f32>();
            }
        }
        alike.push(likeness);
        scores.push(score);
    }
    assert!(alike.windows(2).all(|w| w[0] > w[1]), "{alike:?}");
    assert!(scores.windows(2).all(|w| w[0] >= w[1]), "{scores:?}");
}

fn cosine(model: &Model, a: &Pick, b: &Pick) -> f32 {
    let row = |pick: &Pick| model.collaborative_part().factors.row(pick.target.index().unwrap() as usize).to_vec();
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
    let (a, b) = (row(a), row(b));
    let lengths = (dot(&a, &a) * dot(&b, &b)).sqrt();
    if lengths > 0.0 { dot(&a, &b) / lengths } else { 0.0 }
}

#[test]
fn similar_items_are_others_best_first_and_of_one_kind() {
    let trained = trained();
    let model = ServedModel::from(trained.model.clone());
    let items = model.items();
    let read = (0..items.len() as u32).max_by_key(|i| items.positives[*i as usize]).unwrap();
    let unread = (0..items.len() as u32).find(|i| items.positives[*i as usize] == 0).unwrap();
    for item in [read, unread] {
        let info = items.info(item);
        let similar = model.similar(&Target::Known(item), &info, 300, || ()).unwrap();
        assert_eq!(similar.len(), 300);
        assert!(similar.iter().all(|s| s.item != item && (0.0..=1.0).contains(&s.similarity)));
        assert!(similar.windows(2).all(|w| w[0].similarity >= w[1].similarity));
        let mut distinct: Vec<u32> = similar.iter().map(|s| s.item).collect();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), 300);
    }
    let first = model.similar(&Target::Known(read), &items.info(read), 10, || ()).unwrap();
    assert!(first.iter().all(|s| s.kinship == Kinship::Readers || s.kinship == Kinship::Factors));
    // An item that is newer than the model: the author's, then the category's.
    let info = ItemInfo::new(items.category.of(read as usize), items.author.of(read as usize), NONE);
    let kin = model.similar(&Target::Newcomer(info.clone()), &info, 10, || ()).unwrap();
    assert_eq!(kin[0].kinship, Kinship::Author);
    assert!(kin.iter().all(|s| match s.kinship {
        Kinship::Author => items.author.of(s.item as usize).eq(info.authors()),
        _ => items.category.of(s.item as usize).eq(info.categories()),
    }));
}

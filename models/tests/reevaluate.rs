//! Stored models evaluated again, by the public interface: what a training found is found again, whatever the threads.

mod common;

use common::sources;
use reco_models::{
    Control, Error, Figure, NONE, Params, Request, Segment, Sources, Stored, System, Trained, decode, encode,
    reevaluate, train,
};
use serde_json::json;

const SEED: u64 = 42;

fn trained(split: &str) -> Trained {
    let params = Params::from_json(&json!({"split": split, "evaluation_users": 500})).unwrap().validate().unwrap();
    train(library(), &params, None, 2, &Control::default()).unwrap()
}

fn library() -> Sources {
    sources(1500, 600, 40_000)
}

/// As the registry keeps it.
fn stored(trained: &Trained) -> Stored {
    let twin = decode(&(std::sync::Arc::new(encode(&trained.twin).unwrap()) as _)).unwrap();
    let choice = serde_json::from_str(&trained.choice.report().to_string()).unwrap();
    Stored::new(twin, &choice).unwrap()
}

fn request(segments: bool) -> Request {
    Request { cutoffs: vec![5, 10], most_users: 500, seed: SEED, segments }
}

fn evaluated(sources: Sources, stored: &Stored, request: &Request, threads: usize) -> Vec<Figure> {
    reevaluate(sources, stored, request, threads, &Control::default()).unwrap()
}

fn find(figures: &[Figure], segment: Segment, system: System, k: usize, metric: &str) -> Option<Figure> {
    let is_it = |f: &&Figure| (f.segment, f.system, f.k, f.metric) == (segment, system, k, metric);
    figures.iter().find(is_it).cloned()
}

#[test]
fn figures_at_ten_are_those_of_the_training() {
    for split in ["temporal", "by_user"] {
        let trained = trained(split);
        let figures = evaluated(library(), &stored(&trained), &request(false), 2);
        for (system, summary) in trained.evaluation.summaries() {
            let (mean, of) = (summary.mean, |metric| find(&figures, Segment::All, system, 10, metric).unwrap());
            let there = [mean.precision, mean.recall, mean.ndcg, mean.map, mean.mrr, mean.hit_rate];
            let names = ["precision", "recall", "ndcg", "map", "mrr", "hit_rate"];
            assert_eq!(names.map(|name| of(name).value), there, "{split}, {system:?}");
            assert_eq!(of("ndcg").interval, Some((summary.ndcg_low, summary.ndcg_high)), "{split}, {system:?}");
            assert_eq!(of("ndcg").users, summary.users);
        }
        assert!(trained.evaluation.summary(System::Ensemble).unwrap().users >= 200);
    }
}

#[test]
fn figures_do_not_depend_on_the_number_of_threads() {
    let trained = trained("temporal");
    let stored = stored(&trained);
    let one = evaluated(library(), &stored, &request(true), 1);
    assert!(one.len() > 1000);
    for threads in [2, 5] {
        assert_eq!(evaluated(library(), &stored, &request(true), threads), one);
    }
}

#[test]
fn segments_sum_to_the_whole() {
    let trained = trained("by_user");
    let figures = evaluated(library(), &stored(&trained), &request(true), 2);
    for system in System::ALL {
        for metric in ["precision", "recall", "ndcg", "map", "mrr", "hit_rate", "novelty", "diversity"] {
            let of = |segment| find(&figures, segment, system, 5, metric);
            let sum = |segments: [Segment; 2]| {
                segments.into_iter().filter_map(of).map(|f| f.value * f.users as f64).sum::<f64>()
            };
            let all = of(Segment::All).unwrap();
            let whole = all.value * all.users as f64;
            assert!((sum([Segment::Cold, Segment::Warm]) - whole).abs() < 1e-9, "{system:?} {metric}");
            // Of segments of items hits add up, and nothing else.
            if metric == "precision" {
                assert!((sum([Segment::Head, Segment::Tail]) - whole).abs() < 1e-9, "{system:?}");
            }
        }
    }
    let covered = |segment| find(&figures, segment, System::Popularity, 10, "coverage").unwrap().value;
    assert!(covered(Segment::Head) > 3.0 * covered(Segment::Tail), "popularity lists what is popular");
}

#[test]
fn what_came_later_is_held_out_by_the_rule_of_the_training() {
    let trained = trained("temporal");
    let (stored, mut later) = (stored(&trained), library());
    let last = *later.ratings.at.iter().max().unwrap();
    for user in 1..=20 {
        later.favorites.user.push(user);
        later.favorites.item.push(trained.twin.items().id[0]);
        later.favorites.at.push(last + 1000);
    }
    let (then, now) =
        (evaluated(library(), &stored, &request(false), 2), evaluated(later, &stored, &request(false), 2));
    let of = |figures| find(figures, Segment::All, System::Random, 10, "recall").unwrap();
    assert!(of(&then).value != of(&now).value);
}

#[test]
fn items_that_are_gone_are_neither_ranked_nor_missed() {
    let trained = trained("temporal");
    let known = &trained.twin.items().id;
    let is_there = |item: &i64| known.binary_search(item).is_ok_and(|place| place % 2 == 0);
    let mut fewer = library();
    let rows: Vec<bool> = fewer.ratings.item.iter().map(is_there).collect();
    let ratings = &mut fewer.ratings;
    [&mut ratings.user, &mut ratings.item, &mut ratings.at].into_iter().for_each(|column| keep(column, &rows));
    keep(&mut ratings.stars, &rows);
    ratings.key.clear();
    fewer.favorites = Default::default();
    let rows: Vec<bool> = fewer.catalog.id.iter().map(is_there).collect();
    let catalog = &mut fewer.catalog;
    for column in [&mut catalog.id, &mut catalog.category, &mut catalog.author, &mut catalog.published] {
        keep(column, &rows);
    }
    // A list of all: it covers what is left, and all of it.
    let all = Request { cutoffs: vec![1000], ..request(false) };
    let figures = evaluated(fewer, &stored(&trained), &all, 2);
    let of = |metric| find(&figures, Segment::All, System::Random, 1000, metric).unwrap().value;
    assert_eq!((of("coverage"), of("recall"), of("hit_rate")), (1.0, 1.0, 1.0));
}

fn keep<T>(column: &mut Vec<T>, rows: &[bool]) {
    let mut rows = rows.iter();
    column.retain(|_| *rows.next().unwrap());
}

#[test]
fn a_hold_out_that_is_gone_is_an_error() {
    let trained = trained("temporal");
    let mut timeless = library();
    timeless.ratings.at.fill(NONE);
    timeless.favorites.at.fill(NONE);
    let outcome = reevaluate(timeless, &stored(&trained), &request(false), 2, &Control::default());
    assert!(matches!(outcome, Err(Error::TooLittleData(_))));
    assert!(Stored::new(trained.twin, &json!({"held_out": {"share": 0.2}})).is_none());
}

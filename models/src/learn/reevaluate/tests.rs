use serde_json::Value;

use super::*;
use crate::data::dataset::{Catalog, Favorites, NONE};
use crate::data::split::{HeldOut, Split};
use crate::learn::evaluate::System;
use segments::Group;

/// What tests/peers/reference.py wrote: lists, what is relevant, what was met before, and what RecTools says of them.
fn reference() -> Value {
    serde_json::from_str(include_str!("rectools.json")).unwrap()
}

fn numbers(of: &Value) -> Vec<i64> {
    of.as_array().unwrap().iter().map(|n| n.as_i64().unwrap()).collect()
}

fn rows(of: &Value) -> Vec<Vec<i64>> {
    of.as_array().unwrap().iter().map(numbers).collect()
}

fn split_of(reference: &Value) -> Split {
    let before = rows(&reference["before"]);
    let pairs =
        || before.iter().enumerate().flat_map(|(user, items)| items.iter().map(move |item| (user as i64, *item)));
    let favorites = Favorites {
        user: pairs().map(|p| p.0).collect(),
        item: pairs().map(|p| p.1).collect(),
        at: vec![NONE; pairs().count()],
    };
    let (category, author) = (numbers(&reference["category"]), numbers(&reference["author"]));
    let id: Vec<i64> = (0..category.len() as i64).collect();
    let catalog = Catalog { published: vec![NONE; id.len()], id, category, author, ..Catalog::default() };
    let train = Cut::new(Dataset::build(Sources { favorites, catalog, ..Sources::default() }).unwrap(), 4.0);
    let relevant = rows(&reference["relevant"]);
    let mut start = vec![0];
    relevant.iter().for_each(|items| start.push(start[start.len() - 1] + items.len()));
    let items = relevant.concat().into_iter().map(|item| item as u32).collect();
    Split { held: HeldOut::Share(0.2), train, start, items }
}

/// Every system gives the same lists.
fn lists_of(reference: &Value) -> Lists {
    let lists = rows(&reference["lists"]);
    let longest = lists.iter().map(Vec::len).max().unwrap();
    let padded = |list: &Vec<i64>| -> Vec<u32> {
        list.iter().map(|item| *item as u32).chain(std::iter::repeat(u32::MAX)).take(longest).collect()
    };
    let of_user = |list| std::iter::repeat_n(padded(list), System::ALL.len()).flatten();
    Lists { longest, items: lists.iter().flat_map(of_user).collect() }
}

fn request(cutoffs: Vec<usize>) -> Request {
    Request { cutoffs, most_users: 1000, seed: 42, segments: true }
}

#[test]
fn every_figure_is_that_of_rectools() {
    let reference = reference();
    let (split, lists, control) = (split_of(&reference), lists_of(&reference), Control::default());
    let request = request(vec![1, 3, 5, 10]);
    let users: Vec<u32> = (0..split.train.data.users.len() as u32).collect();
    let figures = Figures::new(&split, &users, &lists, false, &request, &control);
    // One by one, so that two errors cannot cancel.
    let mut compared = 0;
    for place in 0..=users.len() {
        let places = if place == users.len() { (0..place).collect() } else { vec![place] };
        let group = Group { segment: Segment::All, places: places.clone(), items: None };
        for figure in figures.of_all(&[group]).unwrap() {
            let theirs = &reference["values"][figure.k.to_string()][figure.metric];
            let expected = match theirs.as_array() {
                Some(of_users) => {
                    places.iter().map(|place| of_users[*place].as_f64().unwrap()).sum::<f64>() / places.len() as f64
                }
                None if place == users.len() => theirs.as_f64().unwrap(),
                None => continue,
            };
            assert!((figure.value - expected).abs() < 1e-9, "{figure:?}, RecTools: {expected}");
            compared += 1;
        }
    }
    // Users and their mean, cut-offs, systems but the content part, metrics; and the coverage.
    assert_eq!(compared, 26 * 4 * 7 * 8 + 4 * 7);
}

#[test]
fn an_interval_holds_its_value_and_coverage_has_none() {
    let reference = reference();
    let (split, lists, control) = (split_of(&reference), lists_of(&reference), Control::default());
    let (request, users) = (request(vec![5]), (0..25).collect::<Vec<u32>>());
    let groups = segments::groups(&split, &users, false);
    for figure in Figures::new(&split, &users, &lists, true, &request, &control).of_all(&groups).unwrap() {
        match figure.interval {
            Some((low, high)) => assert!(low < figure.value && figure.value < high, "{figure:?}"),
            None => assert_eq!(figure.metric, "coverage"),
        }
    }
}

#[test]
fn segments_divide_the_users_and_the_items() {
    let split = split_of(&reference());
    let users: Vec<u32> = (0..25).collect();
    let groups = segments::groups(&split, &users, true);
    let of = |segment| groups.iter().find(|group| group.segment == segment).unwrap();
    let (cold, warm) = (of(Segment::Cold), of(Segment::Warm));
    assert_eq!(cold.places.len() + warm.places.len(), 25);
    assert!(cold.places.iter().all(|user| split.train.liked_items(*user as u32).len() < 5));
    let (head, tail) = (of(Segment::Head).items.as_ref().unwrap(), of(Segment::Tail).items.as_ref().unwrap());
    assert!(head.iter().zip(tail).all(|(head, tail)| head != tail));
    let likes = |of: &[bool]| split.train.liked().indices().iter().filter(|item| of[**item as usize]).count();
    let (liked, all) = (likes(head), likes(head) + likes(tail));
    assert!(2 * liked >= all && 2 * liked < all + 20, "{liked} of {all}");
    let categories: Vec<_> = groups.iter().filter_map(|group| group.segment.category()).collect();
    assert_eq!(categories.len(), 4, "{categories:?}");
}

#[test]
fn a_stop_ends_the_figures() {
    let reference = reference();
    let (split, lists, control) = (split_of(&reference), lists_of(&reference), Control::default());
    let (request, users) = (request(vec![5]), (0..25).collect::<Vec<u32>>());
    let groups = segments::groups(&split, &users, true);
    control.stop();
    let figures = Figures::new(&split, &users, &lists, true, &request, &control).of_all(&groups);
    assert!(matches!(figures, Err(Error::Stopped)));
}

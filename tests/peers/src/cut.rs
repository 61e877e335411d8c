//! The cuts that every model learns from and is evaluated on: reco's own splits, as files.

use std::path::Path;

use reco_models::steps::{self, HOLDOUT_SALT, Interactions, Split, VALIDATION_SALT};
use reco_models::{Control, Dataset, SplitKind};
use serde_json::{Value, json};

use crate::Outcome;
use crate::columns::{read, write};
use crate::source;

/// As `reco_train` cuts by default: five positives or more, a fifth held out by user, four stars and more liked.
const LEAST: usize = 5;
const SHARE: f64 = 0.2;
const POSITIVE_STARS: f32 = 4.0;
/// Users that the test looks at, at most; as `reco_train` does.
const TEST_USERS: usize = 4000;

/// The training part, and the held-out likes of the evaluated users.
pub struct Cut {
    pub train: Interactions,
    pub users: Vec<u32>,
    /// By user of `users`.
    pub relevant: Vec<Vec<u32>>,
}

impl Cut {
    pub fn load(folder: &Path) -> Outcome<Cut> {
        let users: Vec<u32> = read(folder, "users")?;
        let start: Vec<i64> = read(folder, "test.start")?;
        let items: Vec<u32> = read(folder, "test.item")?;
        let relevant = start.windows(2).map(|w| items[w[0] as usize..w[1] as usize].to_vec()).collect();
        Ok(Cut { train: load_train(folder)?, users, relevant })
    }
}

pub fn load_train(folder: &Path) -> Outcome<Interactions> {
    let start: Vec<i64> = read(folder, "train.start")?;
    let items: Vec<i64> = read(folder, "items")?;
    let shape = (start.len() - 1, items.first().map_or(0, |n| *n as usize));
    let start: Vec<usize> = start.into_iter().map(|at| at as usize).collect();
    Ok(Interactions::new(shape, start, read(folder, "train.item")?, read(folder, "train.weight")?))
}

fn held_out(part: &steps::Cut, salt: u64) -> Split {
    steps::split(part, SplitKind::ByUser, SHARE, salt)
}

/// The core of the data, split into training part and hold-out as `reco_train` does.
pub fn outer(data: &Path) -> Outcome<Split> {
    let all = steps::Cut::new(Dataset::build(source::load(data)?)?, POSITIVE_STARS);
    let (users, items) = steps::core(&all, LEAST, &Control::default())?;
    Ok(held_out(&all.restrict(&users, &items), HOLDOUT_SALT))
}

pub fn test_users(outer: &Split) -> Vec<u32> {
    steps::sample(&outer.users(), TEST_USERS)
}

pub fn split(data: &Path) -> Outcome<Value> {
    let outer = outer(data)?;
    let inner = held_out(&outer.train, VALIDATION_SALT);
    let train = write_cut(&data.join("outer"), &outer, &test_users(&outer))?;
    write_cut(&data.join("inner"), &inner, &inner.users())?;
    let items = &outer.train.data;
    write(data, "item.category", items.category.first.iter().copied())?;
    write(data, "item.author", items.author.first.iter().copied())?;
    write(data, "item.published", items.published.iter().copied())?;
    Ok(json!({
        "users": train.rows(), "items": train.cols(), "train": train.nnz(), "test": outer.items.len(),
        "evaluated": test_users(&outer).len(),
    }))
}

fn write_cut(folder: &Path, split: &Split, users: &[u32]) -> Outcome<Interactions> {
    let train = split.train.liked();
    write_train(folder, train)?;
    write(folder, "users", users.iter().copied())?;
    let mut start = vec![0i64];
    let mut items = Vec::new();
    for user in users {
        items.extend_from_slice(split.held_out(*user as usize));
        start.push(items.len() as i64);
    }
    write(folder, "test.start", start)?;
    write(folder, "test.item", items)?;
    Ok(train.clone())
}

fn write_train(folder: &Path, train: &Interactions) -> Outcome<()> {
    write(folder, "items", [train.cols() as i64])?;
    write(folder, "train.start", train.proper_indptr().iter().map(|at| *at as i64))?;
    write(folder, "train.item", train.indices().iter().copied())?;
    write(folder, "train.weight", train.data().iter().copied())
}

pub fn all(data: &Path) -> Outcome<Value> {
    let all = Dataset::build(source::load(data)?)?;
    let all = steps::Cut::new(all, 1.0);
    let pairs = all.liked();
    write_train(&data.join("all"), pairs)?;
    Ok(json!({"users": pairs.rows(), "items": pairs.cols(), "train": pairs.nnz()}))
}

//! Predicted stars for the folds in DATA/source/rating.fold.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use reco_models::{Control, Dataset, RatingModel, Ratings, Sources};
use serde_json::{Value, json};

use crate::Outcome;
use crate::columns::read;
use crate::source;

const SEED: u64 = 42;

/// Root mean squared error and seconds (fit and prediction) of the first `folds` of them, in turn.
pub fn stars(data: &Path, folds: i32) -> Outcome<Value> {
    let all = source::load(data)?.ratings;
    let fold: Vec<i32> = read(&data.join("source"), "rating.fold")?;
    let (mut errors, mut seconds) = (Vec::new(), Vec::new());
    for held_out in 0..folds {
        let begun = Instant::now();
        let (training, test) = (part(&all, |i| fold[i] != held_out), part(&all, |i| fold[i] == held_out));
        errors.push(error(&training, &test)?);
        seconds.push(begun.elapsed().as_secs_f64());
    }
    Ok(json!({"errors": errors, "seconds": seconds}))
}

fn part(all: &Ratings, chosen: impl Fn(usize) -> bool) -> Ratings {
    rows(all, &(0..all.user.len()).filter(|i| chosen(*i)).collect::<Vec<_>>())
}

fn rows(all: &Ratings, of: &[usize]) -> Ratings {
    Ratings {
        user: of.iter().map(|i| all.user[*i]).collect(),
        item: of.iter().map(|i| all.item[*i]).collect(),
        stars: of.iter().map(|i| all.stars[*i]).collect(),
        at: of.iter().map(|i| all.at[*i]).collect(),
        key: Vec::new(),
    }
}

/// As `reco_predict_rating` predicts: user by user, each computed from its reviews.
fn error(training: &Ratings, test: &Ratings) -> Outcome<f64> {
    let data = Dataset::build(Sources { ratings: training.clone(), ..Sources::default() })?;
    let model = RatingModel::fit(&data, SEED, &Control::default())?.ok_or("no ratings to learn from")?;
    let (known, asked) = (by_user(training), by_user(test));
    let mut squares = 0.0;
    for (user, of) in &asked {
        let reviews = known.get(user).map_or_else(Ratings::default, |of| rows(training, of));
        let items: Vec<i64> = of.iter().map(|i| test.item[*i]).collect();
        let predicted = model.predict(&model.rater(&reviews)?, &items);
        squares += of.iter().zip(predicted).map(|(i, p)| f64::from(p - test.stars[*i]).powi(2)).sum::<f64>();
    }
    Ok((squares / test.user.len() as f64).sqrt())
}

fn by_user(ratings: &Ratings) -> BTreeMap<i64, Vec<usize>> {
    let mut of = BTreeMap::<i64, Vec<usize>>::new();
    ratings.user.iter().enumerate().for_each(|(i, user)| of.entry(*user).or_default().push(i));
    of
}

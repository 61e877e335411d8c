use nalgebra::{DMatrix, DVector};

use super::*;
use crate::data::dataset::{NONE, Sources};

fn ratings(of: impl IntoIterator<Item = (i64, i64, f32)>) -> Ratings {
    let mut ratings = Ratings::default();
    for (user, item, stars) in of {
        ratings.user.push(user);
        ratings.item.push(item);
        ratings.stars.push(stars);
        ratings.at.push(NONE);
    }
    ratings
}

fn fitted(ratings: Ratings) -> RatingModel {
    let data = Dataset::build(Sources { ratings, ..Sources::default() }).unwrap();
    RatingModel::fit(&data, 42, &Control::default()).unwrap().unwrap()
}

fn predict(model: &RatingModel, reviews: &Ratings, items: &[i64]) -> Vec<f32> {
    model.predict(&model.rater(reviews).unwrap(), items)
}

fn of_user(all: &Ratings, user: i64) -> Ratings {
    let of = (0..all.user.len()).filter(|i| all.user[*i] == user);
    ratings(of.map(|i| (user, all.item[i], all.stars[i])))
}

/// Repeatable numbers in [0, 1).
fn random(a: i64, b: i64, salt: u64) -> f32 {
    hash_share(a, b, salt) as f32
}

/// Ratings of two kinds of users for two kinds of items, with biases: those of every pair, and those that are known.
fn clubs(users: i64, items: i64) -> (Vec<(i64, i64, f32)>, Ratings) {
    let sign = |id: i64| if id % 2 == 0 { 1.0 } else { -1.0 };
    let stars = |u: i64, i: i64| {
        let biases = random(u, 0, 11) + random(0, i, 12) - 1.0;
        (3.0 + biases + sign(u) * sign(i) + 0.4 * (random(u, i, 13) - 0.5)).clamp(1.0, 5.0)
    };
    let all: Vec<_> = (0..users).flat_map(|u| (0..items).map(move |i| (u, i, stars(u, i)))).collect();
    let shown = ratings(all.iter().copied().filter(|(u, i, _)| random(*u, *i, 14) < 0.4));
    (all, shown)
}

/// Mean and covariance of a row.
type Gaussian = (DVector<f64>, DMatrix<f64>);

/// The precision and the right side of a posterior. By the augmented vector (b, 1, f), E[(z − b − x·y)²] is a quadratic
/// form in x.
fn normal_equations(rated: &[(&Gaussian, f32)], prior_mean: &[f32], prior_precision: &[f64], noise: f64) -> Gaussian {
    let size = prior_mean.len();
    let mut precision = DMatrix::from_diagonal(&DVector::from_row_slice(prior_precision));
    let mut right = DVector::from_fn(size, |i, _| prior_precision[i] * f64::from(prior_mean[i]));
    for ((mean, covariance), z) in rated {
        let second = mean * mean.transpose() + covariance;
        for i in 0..size {
            let y = if i == 0 { 1.0 } else { mean[i] };
            let crossed = if i == 0 { mean[0] } else { second[(0, i)] };
            right[i] += noise * (f64::from(*z) * y - crossed);
            for j in 0..size {
                let yy = match (i, j) {
                    (0, 0) => 1.0,
                    (0, k) | (k, 0) => mean[k],
                    _ => second[(i, j)],
                };
                precision[(i, j)] += noise * yy;
            }
        }
    }
    (right, precision)
}

/// The expected squared error of a rating, by the mean and the variance of b + b' + f·f'.
fn expected_error((ma, va): &Gaussian, (mb, vb): &Gaussian, z: f32) -> f64 {
    let size = ma.len();
    let (fa, fb) = (ma.rows(1, size - 1), mb.rows(1, size - 1));
    let (ca, cb) = (va.view((1, 1), (size - 1, size - 1)), vb.view((1, 1), (size - 1, size - 1)));
    let residual = f64::from(z) - ma[0] - mb[0] - fa.dot(&fb);
    let variance = va[(0, 0)]
        + vb[(0, 0)]
        + 2.0 * va.view((1, 0), (size - 1, 1)).dot(&fb)
        + 2.0 * vb.view((1, 0), (size - 1, 1)).dot(&fa)
        + (fb.transpose() * ca * fb)[0]
        + (fa.transpose() * cb * fa)[0]
        + (ca * cb).trace();
    residual * residual + variance
}

#[test]
fn a_posterior_is_that_of_the_definition() {
    let size = 4;
    let other: Vec<Gaussian> = (0..5i64)
        .map(|row| {
            let root = DMatrix::from_fn(size, size, |i, j| f64::from(random(row, (i * size + j) as i64, 1)) - 0.5);
            let mean = DVector::from_fn(size, |i, _| f64::from(random(row, i as i64, 2)) - 0.5);
            (mean, &root * root.transpose())
        })
        .collect();
    let mut packed = vec![0.0; 5 * moments::width(size)];
    for (row, (mean, covariance)) in packed.chunks_exact_mut(moments::width(size)).zip(&other) {
        let (mean, covariance) = (mean.as_slice().to_vec(), covariance.as_slice().to_vec());
        Posterior { mean, covariance }.store(row);
    }
    let (index, z) = ([0u32, 3, 4], [1.5f32, -0.5, 0.25]);
    let (prior_mean, prior_precision, noise) = ([0.1f32, 0.2, -0.1, 0.0], [2.0, 3.0, 4.0, 5.0], 1.7);
    let mut sums = Sums::new(size);
    sums.add(&packed, &index, &z);
    let mut fast = Posterior::new(size);
    sums.solve(&prior_mean, &prior_precision, noise, &mut fast).unwrap();

    let rated: Vec<(&Gaussian, f32)> = index.iter().map(|row| &other[*row as usize]).zip(z).collect();
    let (right, precision) = normal_equations(&rated, &prior_mean, &prior_precision, noise);
    let covariance = precision.try_inverse().unwrap();
    let exact = (&covariance * right, covariance);
    let close = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-6);
    assert!(close(&fast.mean, exact.0.as_slice()) && close(&fast.covariance, exact.1.as_slice()));
    let error: f64 = rated.iter().map(|(other, z)| expected_error(&exact, other, *z)).sum();
    assert!((sums.squared_error(&fast) - error).abs() < 1e-5 * error);
}

#[test]
fn a_system_that_is_not_positive_definite_is_refused() {
    let mut sums = Sums::new(1);
    sums.add(&[1.0, 0.5, 0.25], &[0], &[1.0]);
    for (precision, noise) in [(-2.0, 1.0), (1.0, f64::NAN), (1.0, f64::INFINITY)] {
        assert!(sums.solve(&[0.0], &[precision], noise, &mut Posterior::new(1)).is_err(), "{precision} {noise}");
    }
}

#[test]
fn effects_are_the_ridge_regression_on_the_raters() {
    let (size, rows, raters) = (2, 40usize, 12usize);
    let rated = |row: usize, rater: usize| rater == row % raters || random(row as i64, rater as i64, 5) < 0.3;
    let mut dense = DMatrix::zeros(rows, raters);
    let (mut start, mut index) = (vec![0], Vec::new());
    for row in 0..rows {
        index.extend((0..raters).filter(|rater| rated(row, *rater)).map(|rater| rater as u32));
        start.push(index.len());
        let count = start[row + 1] - start[row];
        index[start[row]..].iter().for_each(|rater| dense[(row, *rater as usize)] = 1.0 / (count as f64).sqrt());
    }
    let by_row = Interactions::new((rows, raters), start, index.clone(), vec![0.0; index.len()]);
    let by_rater = transposed(&by_row);
    // Rows with a rating of the third rater have a high bias.
    let bias = |row: usize| dense[(row, 2)] * 2.0 + 0.1 * f64::from(random(row as i64, 0, 6));
    let mut packed = vec![0.0; rows * moments::width(size)];
    for (row, to) in packed.chunks_exact_mut(moments::width(size)).enumerate() {
        Posterior { mean: vec![bias(row), 0.3], covariance: vec![0.01, 0.0, 0.0, 0.01] }.store(to);
    }
    let mut prior = Prior::new(size, rows, raters, 1);
    for _ in 0..200 {
        prior.update(&packed, &by_row, &by_rater, &Control::default()).unwrap();
    }
    let ridge = prior.ridge();
    let target = DVector::from_fn(rows, |row, _| bias(row) - prior.center[0]);
    let gram = dense.transpose() * &dense + DMatrix::identity(raters, raters) * ridge;
    let exact = gram.try_inverse().unwrap() * dense.transpose() * target;
    for (rater, effects) in prior.effects().chunks_exact(size).enumerate() {
        assert!((f64::from(effects[0]) - exact[rater]).abs() < 1e-2, "{rater}: {} {}", effects[0], exact[rater]);
    }
    assert!(exact[2] > 1.0, "the third rater's effect is {}", exact[2]);
}

#[test]
fn factors_find_what_biases_cannot_express() {
    let (all, shown) = clubs(80, 60);
    let data = Dataset::build(Sources { ratings: shown.clone(), ..Sources::default() }).unwrap();
    let rmse = |factors: usize| {
        let model = fit(&data, factors, 42, &Control::default()).unwrap().unwrap();
        let (mut sum, mut count) = (0.0, 0.0);
        for user in 0..80 {
            let hidden: Vec<_> = all.iter().filter(|(u, i, _)| *u == user && random(*u, *i, 14) >= 0.4).collect();
            let ids: Vec<i64> = hidden.iter().map(|h| h.1).collect();
            let predicted = predict(&model, &of_user(&shown, user), &ids);
            sum += predicted.iter().zip(&hidden).map(|(p, h)| f64::from(p - h.2).powi(2)).sum::<f64>();
            count += ids.len() as f64;
        }
        (sum / count).sqrt()
    };
    let (with, without) = (rmse(FACTORS), rmse(0));
    assert!(without > 0.8 && with < 0.25, "RMSE {with} with factors, {without} without");
}

#[test]
fn an_evaluation_compares_with_the_biases() {
    let data = Dataset::build(Sources { ratings: clubs(80, 60).1, ..Sources::default() }).unwrap();
    let evidence = evaluate(&data, 42, &Control::default()).unwrap().unwrap();
    assert!(evidence.held_out > 100 && evidence.rmse < 0.4 * evidence.baseline_rmse, "{evidence:?}");
    let one = Dataset::build(Sources { ratings: ratings([(1, 1, 4.0)]), ..Sources::default() }).unwrap();
    assert_eq!(evaluate(&one, 42, &Control::default()).unwrap(), None);
}

#[test]
fn without_a_rating_there_is_no_model() {
    let empty = Dataset::build(Sources::default()).unwrap();
    assert_eq!(RatingModel::fit(&empty, 42, &Control::default()).unwrap(), None);
    assert_eq!(evaluate(&empty, 42, &Control::default()).unwrap(), None);
}

#[test]
fn equal_stars_are_predicted_everywhere() {
    let same = ratings((0..200).map(|i| (i % 20, i / 20, 4.0)));
    let model = fitted(same.clone());
    let no_reviews = Ratings::default();
    for reviews in [&of_user(&same, 3), &no_reviews] {
        let predicted = predict(&model, reviews, &[0, 5, -77]);
        assert!(predicted.iter().all(|p| *p == 4.0), "{predicted:?}");
    }
}

#[test]
fn single_users_items_and_ratings_can_be_fitted() {
    let one_user = fitted(ratings([(1, 1, 2.0), (1, 2, 4.0), (1, 3, 5.0)]));
    let one_item = fitted(ratings([(1, 7, 2.0), (2, 7, 4.0), (3, 7, 5.0)]));
    let one = fitted(ratings([(1, 1, 3.0)]));
    for (model, low, high) in [(&one_user, 2.0, 5.0), (&one_item, 2.0, 5.0), (&one, 3.0, 3.0)] {
        let predicted = predict(model, &ratings([(1, 1, 3.0)]), &[1, 7, 99]);
        assert!(predicted.iter().all(|p| (low..=high).contains(p)), "{predicted:?}");
    }
}

#[test]
fn unknown_users_and_items_get_the_means_that_are_known() {
    let (all, shown) = clubs(80, 60);
    let model = fitted(shown.clone());
    let mean = |of: &dyn Fn(&&(i64, i64, f32)) -> bool| {
        let stars: Vec<f32> = all.iter().filter(of).map(|a| a.2).collect();
        stars.iter().sum::<f32>() / stars.len() as f32
    };
    let no_reviews = Ratings::default();
    let nothing = predict(&model, &no_reviews, &[-1, i64::MAX]);
    assert!(nothing[0] == nothing[1] && (nothing[0] - mean(&|_| true)).abs() < 0.2, "{nothing:?}");
    for id in 0..5 {
        let of_item = predict(&model, &no_reviews, &[id])[0];
        assert!((of_item - mean(&|a| a.1 == id)).abs() < 0.35, "item {id}: {of_item}");
        let of_user = predict(&model, &of_user(&shown, id), &[-1])[0];
        assert!((of_user - mean(&|a| a.0 == id)).abs() < 0.35, "user {id}: {of_user}");
    }
}

#[test]
fn a_review_counts_at_once_even_of_an_unknown_item() {
    let model = fitted(clubs(80, 60).1);
    let expect = |reviews: Ratings| predict(&model, &reviews, &[8])[0];
    let before = expect(Ratings::default());
    assert!(expect(ratings([(1, 999, 5.0)])) > before);
    assert!(expect(ratings([(1, 999, 1.0)])) < before);
    let fans = ratings([(1, 0, 5.0), (1, 2, 5.0), (1, 4, 5.0), (1, 1, 1.0), (1, 3, 1.0), (1, 5, 1.0)]);
    let others = ratings([(1, 0, 1.0), (1, 2, 1.0), (1, 4, 1.0), (1, 1, 5.0), (1, 3, 5.0), (1, 5, 5.0)]);
    assert!(expect(fans) > expect(others) + 1.0);
}

#[test]
fn the_latest_review_counts_and_impossible_stars_do_not() {
    let model = fitted(clubs(80, 60).1);
    let mut twice = ratings([(1, 3, 1.0), (1, 5, 2.0), (1, 3, 5.0), (1, 9, 2.0)]);
    twice.at = vec![20, NONE, 10, NONE];
    twice.stars[3] = f32::NAN;
    let once = ratings([(1, 3, 1.0), (1, 5, 2.0)]);
    assert_eq!(predict(&model, &twice, &[8, 9]), predict(&model, &once, &[8, 9]));
}

#[test]
fn threads_and_the_order_of_reading_do_not_matter() {
    let shown = clubs(200, 300).1;
    let on = |threads: usize, ratings: &Ratings| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| fitted(ratings.clone()))
    };
    let serial = on(1, &shown);
    assert!(serial == on(3, &shown), "threads changed the model");
    let n = shown.user.len();
    let backwards = ratings((0..n).rev().map(|i| (shown.user[i], shown.item[i], shown.stars[i])));
    assert!(serial == on(1, &backwards), "the order of reading changed the model");
}

#[test]
fn users_and_items_may_be_numbered_in_any_way() {
    let shown = clubs(80, 60).1;
    let n = shown.user.len();
    let renamed = ratings((0..n).map(|i| (-7 * shown.user[i], 1000 - shown.item[i], shown.stars[i])));
    let (a, b) = (fitted(shown.clone()), fitted(renamed.clone()));
    let items: Vec<i64> = (0..60).collect();
    let items_renamed: Vec<i64> = items.iter().map(|i| 1000 - i).collect();
    for user in 0..80 {
        let a = predict(&a, &of_user(&shown, user), &items);
        let b = predict(&b, &of_user(&renamed, -7 * user), &items_renamed);
        let furthest = a.iter().zip(&b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(furthest < 0.15, "user {user}: {furthest}");
    }
}

#[test]
fn stars_that_are_not_finite_are_refused() {
    let mut data = Dataset::build(Sources { ratings: clubs(5, 5).1, ..Sources::default() }).unwrap();
    data.events.stars[0] = f32::NAN;
    assert!(matches!(RatingModel::fit(&data, 42, &Control::default()), Err(Error::Value { column: "stars", .. })));
}

#[test]
fn a_stopped_fit_ends() {
    let data = Dataset::build(Sources { ratings: clubs(20, 20).1, ..Sources::default() }).unwrap();
    let control = Control::default();
    control.stop();
    assert!(matches!(RatingModel::fit(&data, 42, &control), Err(Error::Stopped)));
}

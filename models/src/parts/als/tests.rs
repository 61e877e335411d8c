//! The fast solver against a slow and obvious one, and what a user relies on in any data.

use nalgebra::{DMatrix, DVector};

use super::*;
use crate::math::isa::Isa;

const PARAMS: AlsParams = AlsParams { factors: 8, epochs: 4, regularization: 0.02, alpha0: 0.1, seed: 1 };

fn matrix(users: usize, items: usize, triplets: &[(usize, usize, f32)]) -> Interactions {
    let mut all = sprs::TriMatI::<f32, u32>::new((users, items));
    for (user, item, weight) in triplets {
        all.add_triplet(*user, *item, *weight);
    }
    all.to_csr()
}

/// Two tastes that never meet, users and items of very different frequency.
fn blocks(users: usize, items: usize) -> Vec<(usize, usize, f32)> {
    let pairs = (0..users).flat_map(|u| (0..items).map(move |i| (u, i)));
    pairs
        .filter(|(u, i)| u % 2 == i % 2 && (u * 31 + i * 17) % 7 < 4 && (i * i) % items <= (u * 5) % items + 3)
        .map(|(u, i)| (u, i, 0.5 + ((u + i) % 3) as f32 / 4.0))
        .collect()
}

fn run(matrix: &Interactions, params: &AlsParams) -> Factorisation {
    factorise(matrix, params, &Control::default()).unwrap()
}

/// The normal equations of one row as they are written in the paper, dense and in f64.
fn reference_solve(side: &Array2<f32>, pairs: &[(usize, f32)], params: &AlsParams) -> DVector<f64> {
    let (a, b) = reference_system(side, pairs, params);
    a.cholesky().unwrap().solve(&b)
}

/// What one of the pairs adds to the score of an item with factor `y`.
fn reference_share(
    side: &Array2<f32>,
    pairs: &[(usize, f32)],
    (item, weight): (usize, f32),
    y: ndarray::ArrayView1<f32>,
    params: &AlsParams,
) -> f64 {
    let (a, _) = reference_system(side, pairs, params);
    let own = DVector::from_iterator(side.ncols(), side.row(item).iter().map(|v| f64::from(weight * v)));
    let x = a.cholesky().unwrap().solve(&own);
    y.iter().zip(x.iter()).map(|(y, x)| f64::from(*y) * x).sum()
}

fn reference_system(side: &Array2<f32>, pairs: &[(usize, f32)], params: &AlsParams) -> (DMatrix<f64>, DVector<f64>) {
    let (rows, k) = side.dim();
    let y = DMatrix::from_fn(rows, k, |i, j| f64::from(side[(i, j)]));
    let alpha0 = f64::from(params.alpha0);
    let ridge = f64::from(params.regularization) * (pairs.len() as f64 + alpha0 * rows as f64);
    let mut a = alpha0 * y.transpose() * &y + DMatrix::identity(k, k) * ridge;
    let mut b = DVector::zeros(k);
    for (row, weight) in pairs {
        let v = y.row(*row).transpose();
        a += f64::from(*weight) * &v * v.transpose();
        b += f64::from(*weight) * v;
    }
    (a, b)
}

#[test]
fn every_user_solves_the_normal_equations() {
    // Rows shorter and longer than k: both forms are met.
    let matrix = matrix(40, 60, &blocks(40, 60));
    let lengths: Vec<usize> = matrix.outer_iterator().map(|r| r.nnz()).collect();
    assert!(lengths.iter().any(|n| *n > 8) && lengths.iter().any(|n| (1..8).contains(n)), "{lengths:?}");
    let model = run(&matrix, &PARAMS);
    for (user, row) in matrix.outer_iterator().enumerate() {
        let pairs: Vec<_> = row.iter().map(|(i, w)| (i, *w)).collect();
        let exact = reference_solve(&model.items, &pairs, &PARAMS);
        for j in 0..8 {
            let (fast, slow) = (f64::from(model.users[(user, j)]), exact[j]);
            assert!((fast - slow).abs() < 1e-4 * (1.0 + slow.abs()), "user {user}, n {}: {fast} {slow}", pairs.len());
        }
    }
}

#[test]
fn every_set_solves_the_normal_equations() {
    let matrix = matrix(40, 60, &blocks(40, 60));
    let model = run(&matrix, &PARAMS);
    for isa in Isa::available() {
        let solver = Solver::new(Side::of(&model.items), &model.user_basis).on(isa);
        let mut scratch = solver.scratch();
        for row in matrix.outer_iterator() {
            let pairs: Vec<_> = row.iter().map(|(i, w)| (i, *w)).collect();
            let fast = solver.solve(pairs.iter().map(|(i, w)| (*i as u32, *w)), &mut scratch).unwrap();
            if !pairs.is_empty() {
                let exact = reference_solve(&model.items, &pairs, &PARAMS);
                for (fast, slow) in fast.iter().zip(&exact) {
                    assert!((f64::from(*fast) - slow).abs() < 1e-4 * (1.0 + slow.abs()), "{}", isa.name());
                }
            }
        }
    }
}

#[test]
fn the_shares_of_the_interactions_are_those_of_the_normal_equations() {
    let matrix = matrix(40, 60, &blocks(40, 60));
    let model = run(&matrix, &PARAMS);
    let solver = Solver::new(Side::new(model.items.as_slice().unwrap(), 8), &model.user_basis);
    let mut scratch = solver.scratch();
    let targets: Vec<u32> = (0..60).step_by(7).collect();
    for (user, row) in matrix.outer_iterator().enumerate() {
        let pairs: Vec<(u32, f32)> = row.indices().iter().copied().zip(row.data().iter().copied()).collect();
        let all: Vec<_> = row.iter().map(|(i, w)| (i, *w)).collect();
        let places: Vec<usize> = (0..pairs.len()).collect();
        solver.solve(pairs.iter().copied(), &mut scratch).unwrap();
        for target in &targets {
            let shares = solver.shares(&pairs, &places, *target, &mut scratch).unwrap();
            let y = model.items.row(*target as usize);
            for (p, (item, weight)) in all.iter().enumerate() {
                // The system is that of all pairs; its right side, that of this pair alone.
                let exact = reference_share(&model.items, &all, (*item, *weight), y, &PARAMS);
                let fast = f64::from(shares[p]);
                assert!((fast - exact).abs() < 1e-4 * (1.0 + exact.abs()), "user {user}: {fast} {exact}");
            }
            let whole: f32 = y.dot(&model.users.row(user));
            assert!((shares.iter().sum::<f32>() - whole).abs() < 1e-4 * (1.0 + whole.abs()), "user {user}");
        }
    }
}

#[test]
fn an_item_folded_in_equals_the_item_trained() {
    let matrix = matrix(40, 60, &blocks(40, 60));
    // Converged, so that one more step changes nothing.
    let params = AlsParams { epochs: 50, ..PARAMS };
    let model = run(&matrix, &params);
    let again = model.fold_in_items(&transposed(&matrix), &params, &Control::default()).unwrap();
    for (a, b) in again.iter().zip(model.items.iter()) {
        assert!((a - b).abs() < 1e-3, "{a} {b}");
    }
}

#[test]
fn the_objective_falls_with_every_epoch() {
    let matrix = matrix(40, 60, &blocks(40, 60));
    let dense = matrix.to_dense();
    let objective = |epochs: usize| -> f64 {
        let model = run(&matrix, &AlsParams { epochs, ..PARAMS });
        let scores = model.users.dot(&model.items.t());
        let alpha0 = f64::from(PARAMS.alpha0);
        let mut sum = 0.0;
        for (s, w) in scores.iter().zip(dense.iter()) {
            let (s, w) = (f64::from(*s), f64::from(*w));
            sum += w * (s - 1.0).powi(2) + alpha0 * s * s;
        }
        let norms = |side: &Array2<f32>, other: usize, counts: &[usize]| -> f64 {
            side.rows()
                .into_iter()
                .zip(counts)
                .map(|(r, n)| f64::from(r.dot(&r)) * (*n as f64 + alpha0 * other as f64))
                .sum()
        };
        let by_user: Vec<usize> = matrix.outer_iterator().map(|r| r.nnz()).collect();
        let by_item: Vec<usize> = transposed(&matrix).outer_iterator().map(|r| r.nnz()).collect();
        let lambda = f64::from(PARAMS.regularization);
        sum + lambda * (norms(&model.users, 60, &by_user) + norms(&model.items, 40, &by_item))
    };
    let values: Vec<f64> = (1..=5).map(objective).collect();
    assert!(values.windows(2).all(|w| w[1] <= w[0] * (1.0 + 1e-5)), "{values:?}");
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let matrix = matrix(300, 200, &blocks(300, 200));
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| run(&matrix, &PARAMS))
    };
    let (one, three) = (on(1), on(3));
    assert_eq!((one.users, one.items), (three.users, three.items));
}

#[test]
fn empty_rows_are_zero_and_never_harm() {
    let model = run(&matrix(3, 3, &[(0, 0, 1.0), (2, 2, 1.0)]), &PARAMS);
    assert!(model.users.row(1).iter().chain(model.items.row(1)).all(|v| *v == 0.0));
    let none = run(&matrix(2, 2, &[]), &PARAMS);
    assert!(none.users.iter().all(|v| *v == 0.0));
    let one = run(&matrix(1, 1, &[(0, 0, 1.0)]), &PARAMS);
    assert!(one.users.row(0).dot(&one.items.row(0)).is_finite());
}

#[test]
fn weights_of_zero_are_absent_and_huge_ones_stay_finite() {
    let with_zero = run(&matrix(4, 4, &[(0, 0, 1.0), (0, 1, 0.0), (1, 1, 1.0)]), &PARAMS);
    let without = run(&matrix(4, 4, &[(0, 0, 1.0), (1, 1, 1.0)]), &PARAMS);
    assert_eq!(with_zero.users, without.users);
    let huge = run(&matrix(4, 4, &[(0, 0, 1e6), (1, 1, 1.0), (0, 1, 1e6)]), &PARAMS);
    assert!(huge.users.iter().chain(huge.items.iter()).all(|v| v.is_finite()));
}

#[test]
fn not_a_number_is_refused() {
    let error = factorise(&matrix(2, 2, &[(0, 0, f32::NAN)]), &PARAMS, &Control::default()).unwrap_err();
    assert_eq!(error.to_string(), "weight holds NaN, outside of finite numbers");
}

#[test]
fn a_stop_ends_the_run() {
    let control = Control::default();
    control.stop();
    assert!(matches!(factorise(&matrix(2, 2, &[(0, 0, 1.0)]), &PARAMS, &control), Err(Error::Stopped)));
}

#[test]
fn one_user_one_item_at_any_strength() {
    for (regularization, alpha0) in [(0.01, 0.1), (0.0033333334, 0.1), (0.01, 0.3), (10.0, 10.0), (1e-6, 1e-6)] {
        let params = AlsParams { factors: 50, epochs: 20, regularization, alpha0, seed: 42 };
        let model = run(&matrix(1, 1, &[(0, 0, 1.0)]), &params);
        assert!(model.users.iter().chain(model.items.iter()).all(|v| v.is_finite()));
    }
}

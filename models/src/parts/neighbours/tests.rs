use super::*;

fn matrix(users: usize, items: usize, pairs: &[(usize, usize)]) -> Interactions {
    let mut all = sprs::TriMatI::<f32, u32>::new((users, items));
    pairs.iter().for_each(|(user, item)| all.add_triplet(*user, *item, 1.0));
    all.to_csr()
}

/// User u likes item i if a hash says so.
fn some(users: usize, items: usize) -> Vec<(usize, usize)> {
    let all = (0..users).flat_map(|u| (0..items).map(move |i| (u, i)));
    all.filter(|(u, i)| (u * 7919 + i * 104729) % 11 < 3).collect()
}

/// The same without a pattern: with that of [`some`] there are only eleven different users.
fn any(users: usize, items: usize) -> Vec<(usize, usize)> {
    let all = (0..users).flat_map(|u| (0..items).map(move |i| (u, i)));
    all.filter(|(u, i)| xxhash_rust::xxh3::xxh3_64(&[*u as u8, *i as u8]) % 11 < 3).collect()
}

const ALL: NeighbourParams =
    NeighbourParams { shrinkage: Shrinkage { ridge: 2.0, dropout: 0.0 }, whole: false, most: 1000, activity: -0.25 };

fn fit(matrix: &Interactions, params: &NeighbourParams) -> Neighbours {
    Neighbours::fit(matrix, params, &Control::default()).unwrap()
}

fn weight(model: &Neighbours, from: usize, to: usize) -> f32 {
    let (items, weights) = model.of(from as u32);
    assert!(items.windows(2).all(|w| w[0] < w[1]));
    items.binary_search(&(to as u32)).map_or(0.0, |place| weights[place])
}

/// Weighted counts of shared users, as the definition says it.
fn dense_gram(users: usize, items: usize, pairs: &[(usize, usize)]) -> nalgebra::DMatrix<f64> {
    let likes = |u: usize, i: usize| pairs.contains(&(u, i));
    let count = |u: usize| (0..items).filter(|i| likes(u, *i)).count() as f64;
    let raw: Vec<f64> = (0..users).map(|u| count(u).powf(-0.25)).collect();
    let average = raw.iter().sum::<f64>() / users as f64;
    nalgebra::DMatrix::from_fn(items, items, |i, j| {
        (0..users).filter(|u| likes(*u, i) && likes(*u, j)).map(|u| raw[u] / average).sum()
    })
}

#[test]
fn with_all_items_as_neighbours_it_is_a_ridge_regression_on_all_others() {
    let (users, items) = (60, 25);
    let pairs = some(users, items);
    let gram = dense_gram(users, items, &pairs);
    for dropout in [0.0f32, 0.5] {
        let model = fit(
            &matrix(users, items, &pairs),
            &NeighbourParams { shrinkage: Shrinkage { ridge: 2.0, dropout }, ..ALL },
        );
        let kept = 1.0 - f64::from(dropout);
        for to in 0..items {
            let others: Vec<usize> = (0..items).filter(|i| *i != to && gram[(*i, to)] > 0.0).collect();
            let n = others.len();
            let system = nalgebra::DMatrix::from_fn(n, n, |a, b| {
                let shared = gram[(others[a], others[b])];
                if a == b { shared / kept + 2.0 } else { shared }
            });
            let right = nalgebra::DVector::from_fn(n, |a, _| gram[(others[a], to)]);
            let expected = system.cholesky().unwrap().solve(&right);
            for (a, from) in others.iter().enumerate() {
                let found = weight(&model, *from, to);
                assert!((f64::from(found) - expected[a]).abs() < 1e-4, "{from} {to}: {found} {}", expected[a]);
            }
        }
        assert!(model.valid(items) && !model.valid(items + 1));
    }
}

/// All weights of the regression of an item on all others, by another item.
fn dense_regression(gram: &nalgebra::DMatrix<f64>, to: usize, shrinkage: Shrinkage) -> Vec<f64> {
    let others: Vec<usize> = (0..gram.nrows()).filter(|i| *i != to).collect();
    let n = others.len();
    let system = nalgebra::DMatrix::from_fn(n, n, |a, b| {
        let shared = gram[(others[a], others[b])];
        if a == b { shared / f64::from(1.0 - shrinkage.dropout) + f64::from(shrinkage.ridge) } else { shared }
    });
    let right = nalgebra::DVector::from_fn(n, |a, _| gram[(others[a], to)]);
    let solved = system.cholesky().unwrap().solve(&right);
    let mut weights = vec![0.0; n + 1];
    others.iter().zip(solved.iter()).for_each(|(other, weight)| weights[*other] = *weight);
    weights
}

#[test]
fn predicted_from_all_others_it_is_a_ridge_regression_on_them() {
    // Fewer items than users, and fewer users than items; more of both than a block of the inversion has.
    for (users, items) in [(60, 25), (25, 60), (150, 140), (140, 150)] {
        let pairs = any(users, items);
        let gram = dense_gram(users, items, &pairs);
        for shrinkage in [(2.0, 0.0), (2.0, 0.5), (30.0, 0.0)].map(|(ridge, dropout)| Shrinkage { ridge, dropout }) {
            let params = NeighbourParams { shrinkage, whole: true, ..ALL };
            let model = fit(&matrix(users, items, &pairs), &params);
            assert!(model.valid(items));
            let few = fit(&matrix(users, items, &pairs), &NeighbourParams { most: 5, ..params });
            for to in 0..items {
                for (from, expected) in dense_regression(&gram, to, shrinkage).iter().enumerate() {
                    let found = weight(&model, from, to);
                    assert!((f64::from(found) - expected).abs() < 1e-4, "{users} {from} {to}: {found} {expected}");
                }
                let kept: Vec<f32> = (0..items).map(|from| weight(&few, to, from).abs()).collect();
                let least = kept.iter().copied().filter(|w| *w > 0.0).fold(f32::INFINITY, f32::min);
                assert_eq!(kept.iter().filter(|w| **w > 0.0).count(), 5);
                let left_out = (0..items).filter(|from| kept[*from] == 0.0).map(|from| weight(&model, to, from).abs());
                assert!(left_out.fold(0.0, f32::max) <= least);
            }
        }
    }
}

#[test]
fn a_system_of_all_items_that_cannot_be_solved_is_an_error() {
    let same: Vec<(usize, usize)> = (0..50).flat_map(|user| (0..20).map(move |item| (user, item))).collect();
    let params = NeighbourParams { shrinkage: Shrinkage { ridge: 1e-30, dropout: 0.0 }, whole: true, ..ALL };
    let fitted = Neighbours::fit(&matrix(50, 20, &same), &params, &Control::default());
    assert!(matches!(fitted, Err(Error::NotFinite(_))));
}

#[test]
fn a_fit_on_all_others_can_be_stopped() {
    let control = Control::default();
    control.stop();
    let params = NeighbourParams { whole: true, ..ALL };
    assert!(matches!(Neighbours::fit(&matrix(60, 40, &some(60, 40)), &params, &control), Err(Error::Stopped)));
}

#[test]
fn an_item_is_predicted_from_the_nearest_by_cosine() {
    let (users, items) = (60, 40);
    let pairs = some(users, items);
    let model = fit(&matrix(users, items, &pairs), &NeighbourParams { most: 3, ..ALL });
    let gram = dense_gram(users, items, &pairs);
    for to in 0..items {
        let cosine = |i: usize| gram[(i, to)] / gram[(i, i)].sqrt();
        let mut all: Vec<f64> = (0..items).filter(|i| *i != to).map(cosine).collect();
        all.sort_by(|a, b| b.total_cmp(a));
        let from: Vec<usize> = (0..items).filter(|i| weight(&model, *i, to) != 0.0).collect();
        assert_eq!(from.len(), 3);
        assert!(from.iter().all(|i| cosine(*i) > all[2] - 1e-5));
    }
}

#[test]
fn several_shrinkages_at_once_are_those_one_by_one() {
    let matrix = matrix(60, 40, &some(60, 40));
    let all = [(1.0, 0.0), (30.0, 0.0), (30.0, 0.5)].map(|(ridge, dropout)| Shrinkage { ridge, dropout });
    let params = NeighbourParams { most: 20, ..ALL };
    let at_once = Regressions::fit(&matrix, &params, &all, &Control::default()).unwrap();
    for (place, shrinkage) in all.into_iter().enumerate() {
        assert_eq!(at_once.neighbours(place), fit(&matrix, &NeighbourParams { shrinkage, ..params }));
    }
}

#[test]
fn one_neighbour_is_enough() {
    // Two items: five users like the first, five the second, and five both.
    let two: Vec<(usize, usize)> = (0..10).map(|u| (u, 0)).chain((5..15).map(|u| (u, 1))).collect();
    let model = fit(&matrix(15, 2, &two), &ALL);
    let both = 2f32.powf(-0.25);
    let average = (10.0 + 5.0 * both) / 15.0;
    let expected = 5.0 * both / average / ((5.0 + 5.0 * both) / average + 2.0);
    assert!((weight(&model, 0, 1) - expected).abs() < 1e-5 && (weight(&model, 1, 0) - expected).abs() < 1e-5);
    let model = fit(&matrix(60, 40, &some(60, 40)), &NeighbourParams { most: 1, ..ALL });
    assert!(model.weight.len() == 40 && model.weight.iter().all(|w| *w > 0.0));
}

#[test]
fn systems_in_blocks_are_those_at_once() {
    let matrix = matrix(60, 40, &some(60, 40));
    let fit = |at_once| {
        let params = NeighbourParams { most: 20, ..ALL };
        Regressions::fit_in_blocks(&matrix, &params, &[ALL.shrinkage], at_once, &Control::default())
            .unwrap()
            .neighbours(0)
    };
    let whole = fit(40);
    assert!(whole.item.len() > 400);
    assert!([1, 7, 39].iter().all(|at_once| fit(*at_once) == whole));
}

#[test]
fn threads_and_numbers_of_the_items_change_nothing() {
    let on = |threads: usize, users: usize, params: &NeighbourParams| {
        let matrix = matrix(users, 50, &some(users, 50));
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| fit(&matrix, params))
    };
    for (users, whole) in [(80, false), (80, true), (30, true)] {
        let params = NeighbourParams { whole, ..ALL };
        let (one, three) = (on(1, users, &params), on(3, users, &params));
        assert_eq!(one, three);
        let reversed = one.renumbered(60, |item| 59 - item);
        assert!(reversed.valid(60) && reversed.of(3).0.is_empty());
        let liked = [(4, 1.0), (7, 0.5)];
        let scores = one.score_all(&liked, 50);
        let back = reversed.score_all(&liked.map(|(item, w)| (59 - item, w)), 60);
        assert!((0..50).all(|i| (scores[i] - back[59 - i]).abs() < 1e-5));
    }
}

#[test]
fn some_scores_are_those_of_all() {
    let model = fit(&matrix(80, 50, &some(80, 50)), &ALL);
    let liked = [(4, 1.0), (7, 0.5), (11, 0.8)];
    let (all, asked) = (model.score_all(&liked, 50), [9u32, 4, 9, 49, 0]);
    let mut found = [0.0f32; 5];
    model.score(&liked, &asked, |place, value| found[place] += value);
    assert_eq!(found.to_vec(), asked.iter().map(|i| all[*i as usize]).collect::<Vec<_>>());
}

#[test]
fn weights_order_and_users_without_likes_change_nothing() {
    let pairs = some(50, 30);
    let model = fit(&matrix(50, 30, &pairs), &ALL);
    let mut weighted = sprs::TriMatI::<f32, u32>::new((53, 30));
    // Users backwards and after three without likes, and weights of every size: only who likes what counts.
    let weights = [1e6, 1e-6, 0.5];
    pairs.iter().for_each(|(user, item)| weighted.add_triplet(52 - user, *item, weights[(user + item) % 3]));
    let other = fit(&weighted.to_csr(), &ALL);
    for item in 0..30 {
        let ((items, a), (others, b)) = (model.of(item), other.of(item));
        assert_eq!(items, others);
        assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-4), "{a:?} {b:?}");
    }
}

#[test]
fn nobody_and_nothing() {
    let empty = fit(&matrix(3, 4, &[]), &ALL);
    assert!(empty.valid(4) && empty.score_all(&[(1, 1.0)], 4).iter().all(|s| *s == 0.0));
    assert!(fit(&matrix(1, 1, &[(0, 0)]), &ALL).item.is_empty());
    for (users, items) in [(3, 4), (4, 3), (0, 3), (3, 0)] {
        let empty = fit(&matrix(users, items, &[]), &NeighbourParams { whole: true, ..ALL });
        assert!(empty.valid(items) && empty.item.is_empty());
    }
}

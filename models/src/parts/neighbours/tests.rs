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

const ALL: NeighbourParams =
    NeighbourParams { shrinkage: Shrinkage { ridge: 2.0, dropout: 0.0 }, most: 1000, activity: -0.25 };

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
    let matrix = matrix(80, 50, &some(80, 50));
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| fit(&matrix, &ALL))
    };
    let (one, three) = (on(1), on(3));
    assert_eq!(one, three);
    let reversed = one.renumbered(60, |item| 59 - item);
    assert!(reversed.valid(60) && reversed.of(3).0.is_empty());
    let liked = [(4, 1.0), (7, 0.5)];
    let scores = one.score_all(&liked, 50);
    let back = reversed.score_all(&liked.map(|(item, w)| (59 - item, w)), 60);
    assert!((0..50).all(|i| (scores[i] - back[59 - i]).abs() < 1e-5));
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
}

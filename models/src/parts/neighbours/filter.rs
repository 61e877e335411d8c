//! The low-pass filter of who likes what, as weights of neighbours: D^-½·V·Vᵀ·D^½, V the leading directions of the normalized likes and D the number
//! of each item's users. The ideal low-pass filter of GF-CF (Shen et al., "How Powerful is Graph Convolution for
//! Recommendation?", 2021) and of BSPM (Choi et al., "Blurring-Sharpening Process Models for Collaborative Filtering", 2023).
//!
//! In a sum with regressions it adds what many items have in common, which a regression shrinks away where items are liked by
//! few. NDCG@10 of the collaborative part without and with it as a candidate: 0.282 and 0.292 on a generated library (six tenths of the
//! sum). It is tried and not taken where ALS or a regression on all others brings the
//! same: MovieLens 100k 0.330, with every rating as a like 0.451, Book-Crossing 0.087, its readers and books with 20 likes 0.153. Beside the
//! nearest alone it gains there too (0.147 and 0.150; 0.438 and 0.452). The other half of these models, the normalized counts of
//! shared users themselves, made every sum worse on the smaller ones of these: a regression is the better form of that.

use ndarray::{Array2, Axis};
use rayon::prelude::*;

use super::Neighbours;
use super::whole::largest;
use crate::control::Control;
use crate::data::feedback::Interactions;
use crate::error::Result;
use crate::parts::als::leading;

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FilterParams {
    /// How many of the leading directions pass.
    pub directions: usize,
    /// The most items that one item helps to predict, those with the largest weights.
    pub most: usize,
    pub seed: u64,
}

/// Items that are predicted: the most liked. The weights grow with the root of the likes, and the work with the items.
const PREDICTED: usize = 10_000;
/// Items whose weights are computed at once.
const BLOCK: usize = 32;

/// Multiply-adds that a fit takes, the choice of the largest weights among them.
pub fn madds(users: usize, items: usize, positives: usize, directions: usize) -> f64 {
    const CHOSEN: f64 = 40.0;
    let (pairs, k) = (items as f64 * items.min(PREDICTED) as f64, directions as f64);
    // Five times there and back, along rows that are gathered; and a decomposition of k × k on one thread.
    pairs * (k + CHOSEN) + 40.0 * positives as f64 * k + 10.0 * (users + items) as f64 * k * k + 200.0 * k.powi(3)
}

/// Runs in the current rayon pool; the result does not depend on its size.
///
/// # Errors
/// Those of [`leading`].
pub fn fit(matrix: &Interactions, params: &FilterParams, control: &Control) -> Result<Neighbours> {
    let items = matrix.cols();
    let mut likes = vec![0u32; items];
    matrix.indices().iter().for_each(|item| likes[*item as usize] += 1);
    let directions = leading(matrix, params.directions, params.seed, control)?;
    let root = |item: usize| (likes[item].max(1) as f32).sqrt();
    let predicted = most_liked(&likes);
    let scaled = |place: usize, k: usize| directions[(predicted[place], k)] * root(predicted[place]);
    // Turned, for the product's sake.
    let right = Array2::from_shape_fn((params.directions, predicted.len()), |(k, place)| scaled(place, k));
    let blocks: Vec<Vec<Vec<(u32, f32)>>> = directions
        .axis_chunks_iter(Axis(0), BLOCK)
        .into_par_iter()
        .enumerate()
        .map(|(block, rows)| {
            control.check()?;
            let sums = rows.dot(&right);
            let row = |(place, sums): (usize, ndarray::ArrayView1<f32>)| {
                let item = block * BLOCK + place;
                let scale = root(item).recip();
                let weights = predicted.iter().zip(sums).map(|(other, sum)| (*other, scale * sum));
                largest(weights.filter(|(other, _)| *other != item), params.most)
            };
            Ok(sums.rows().into_iter().enumerate().map(row).collect())
        })
        .collect::<Result<_>>()?;
    Ok(Neighbours::gather(blocks.into_iter().flatten(), items))
}

/// Ascending; of items with equally many likes the first.
fn most_liked(likes: &[u32]) -> Vec<usize> {
    let mut all: Vec<usize> = (0..likes.len()).collect();
    if all.len() > PREDICTED {
        all.select_nth_unstable_by_key(PREDICTED, |item| (std::cmp::Reverse(likes[*item]), *item));
        all.truncate(PREDICTED);
        all.sort_unstable();
    }
    all
}

#[cfg(test)]
mod tests {
    use nalgebra::DMatrix;

    use super::*;

    /// Three groups of readers and books with some noise, so that three directions stand out.
    fn pairs(users: usize, items: usize) -> Vec<(usize, usize)> {
        let likes = |u: usize, i: usize| {
            let noise = xxhash_rust::xxh3::xxh3_64(&[u as u8, i as u8]) % 100;
            noise < if u % 3 == i % 3 { 60 } else { 6 + (i % 5) as u64 }
        };
        (0..users).flat_map(|u| (0..items).map(move |i| (u, i))).filter(|(u, i)| likes(*u, *i)).collect()
    }

    fn matrix(users: usize, items: usize) -> Interactions {
        let mut all = sprs::TriMatI::<f32, u32>::new((users, items));
        pairs(users, items).iter().for_each(|(user, item)| all.add_triplet(*user, *item, 1.0));
        all.to_csr()
    }

    /// From row to column, as the definition says it: by a whole decomposition.
    fn reference(users: usize, items: usize, directions: usize) -> DMatrix<f64> {
        let mut likes = DMatrix::<f64>::zeros(users, items);
        pairs(users, items).into_iter().for_each(|pair| likes[pair] = 1.0);
        let by_user: Vec<f64> = likes.row_iter().map(|row| row.sum().max(1.0)).collect();
        let by_item: Vec<f64> = likes.column_iter().map(|column| column.sum().max(1.0)).collect();
        let normalized = DMatrix::from_fn(users, items, |u, i| likes[(u, i)] / (by_user[u] * by_item[i]).sqrt());
        let decomposed = normalized.svd(false, true);
        let right = decomposed.v_t.unwrap();
        let mut order: Vec<usize> = (0..decomposed.singular_values.len()).collect();
        order.sort_by(|a, b| decomposed.singular_values[*b].total_cmp(&decomposed.singular_values[*a]));
        DMatrix::from_fn(items, items, |from, to| {
            let passes: f64 = order[..directions].iter().map(|k| right[(*k, from)] * right[(*k, to)]).sum();
            if from == to { 0.0 } else { passes * (by_item[to] / by_item[from]).sqrt() }
        })
    }

    fn dense(fitted: &Neighbours) -> DMatrix<f64> {
        let items = fitted.items();
        let mut dense = DMatrix::zeros(items, items);
        for from in 0..items {
            let (others, weights) = fitted.of(from as u32);
            others.iter().zip(weights).for_each(|(to, weight)| dense[(from, *to as usize)] = f64::from(*weight));
        }
        dense
    }

    const PARAMS: FilterParams = FilterParams { directions: 3, most: 1000, seed: 1 };

    #[test]
    fn it_is_the_projection_on_the_leading_singular_vectors() {
        for (users, items) in [(120, 45), (60, 90)] {
            let fitted = fit(&matrix(users, items), &PARAMS, &Control::default()).unwrap();
            assert!(fitted.valid(items));
            let difference = dense(&fitted) - reference(users, items, 3);
            assert!(difference.amax() < 0.01, "{}", difference.amax());
        }
    }

    #[test]
    fn the_largest_weights_of_each_item_are_kept() {
        let matrix = matrix(120, 45);
        let control = Control::default();
        let all = dense(&fit(&matrix, &PARAMS, &control).unwrap());
        let few = dense(&fit(&matrix, &FilterParams { most: 7, ..PARAMS }, &control).unwrap());
        for from in 0..45 {
            let (kept, left_out): (Vec<usize>, Vec<usize>) = (0..45).partition(|to| few[(from, *to)] != 0.0);
            let least = kept.iter().map(|to| few[(from, *to)].abs()).fold(f64::INFINITY, f64::min);
            assert_eq!(kept.len(), 7);
            assert!(left_out.iter().all(|to| all[(from, *to)].abs() <= least));
        }
    }

    #[test]
    fn threads_change_nothing_and_it_can_be_stopped() {
        let matrix = matrix(200, 100);
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| fit(&matrix, &PARAMS, &Control::default()).unwrap())
        };
        assert_eq!(on(1), on(3));
        let control = Control::default();
        control.stop();
        assert!(matches!(fit(&matrix, &PARAMS, &control), Err(crate::Error::Stopped)));
    }

    #[test]
    fn more_directions_than_there_are_and_nothing_at_all() {
        let wide = FilterParams { directions: 64, ..PARAMS };
        let fitted = fit(&matrix(20, 10), &wide, &Control::default()).unwrap();
        let identity = dense(&fitted);
        assert!(fitted.valid(10) && identity.amax() < 0.01, "everything passes: {}", identity.amax());
        for (users, items) in [(3, 4), (0, 3), (3, 0)] {
            let empty: Interactions = sprs::TriMatI::<f32, u32>::new((users, items)).to_csr();
            let fitted = fit(&empty, &PARAMS, &Control::default()).unwrap();
            assert!(fitted.valid(items) && fitted.item.is_empty());
        }
    }

    #[test]
    fn the_most_liked_are_predicted_where_there_are_many() {
        let likes: Vec<u32> = (0..PREDICTED as u32 + 500).map(|item| item % 7).collect();
        let chosen = most_liked(&likes);
        assert!(chosen.len() == PREDICTED && chosen.windows(2).all(|w| w[0] < w[1]));
        let least = chosen.iter().map(|item| likes[*item]).min().unwrap();
        let left_out = |item: &usize| chosen.binary_search(item).is_err();
        assert!((0..likes.len()).filter(left_out).all(|item| likes[item] <= least));
    }
}

//! Item neighbourhoods: books that the same readers liked, weighted by BM25.
//!
//! In the long tail, where most books have a handful of readers, counting shared readers ranks better than a
//! factorisation. An item is a document of its readers: S_ij = f_i·f_j·Σ_u idf(u)², the sum over the users who liked
//! both, f_i = (K1+1) / (K1·(1−B+B·n_i/n̄) + 1), idf(u) = ln(N / (1 + n_u)) (Robertson and Zaragoza, "The Probabilistic
//! Relevance Framework: BM25 and Beyond", 2009). A user's score of item i is Σ_j w_uj·S_ji over the liked items j ≠ i.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::als::transposed;
use crate::control::Control;
use crate::error::Result;
use crate::feedback::Interactions;

const K1: f32 = 1.2;

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct NeighbourParams {
    /// 0: popular items are not held back; 1: fully by their count.
    pub length_norm: f32,
    /// At most so many neighbours are kept of each item.
    pub most: usize,
}

/// The strongest neighbours of each item, by ascending index of the neighbour.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Neighbours {
    /// `items + 1` offsets.
    pub start: Vec<u32>,
    pub item: Vec<u32>,
    pub weight: Vec<f32>,
}

/// Users with more liked items than this count with an even sample of so many: their pairs grow with the square, and
/// who likes everything says little about what belongs together.
const MOST_LIKED: usize = 2000;

impl Neighbours {
    /// From positives (users × items). Runs in the current rayon pool; the result does not depend on its size.
    pub fn fit(matrix: &Interactions, params: &NeighbourParams, control: &Control) -> Result<Neighbours> {
        let by_item = transposed(matrix);
        let items = matrix.cols();
        let counts: Vec<f32> = by_item.outer_iterator().map(|row| row.nnz() as f32).collect();
        let average = (matrix.nnz() as f32 / items.max(1) as f32).max(f32::MIN_POSITIVE);
        let norm: Vec<f32> = counts
            .iter()
            .map(|n| (K1 + 1.0) / (K1 * (1.0 - params.length_norm + params.length_norm * n / average) + 1.0))
            .collect();
        let rarity: Vec<f32> = matrix
            .outer_iterator()
            .map(|row| (items as f32 / (1.0 + row.nnz() as f32)).ln().max(0.0).powi(2))
            .collect();
        let liked: Vec<Vec<u32>> = matrix.outer_iterator().map(|row| spread(row.indices())).collect();
        let chunks: Vec<Vec<Vec<(u32, f32)>>> = (0..items.div_ceil(CHUNK))
            .into_par_iter()
            .map_init(
                || Counter { sums: vec![0.0f32; items], touched: Vec::new() },
                |counter, chunk| {
                    control.check()?;
                    let range = chunk * CHUNK..((chunk + 1) * CHUNK).min(items);
                    Ok(range
                        .map(|item| {
                            let Some(readers) = by_item.outer_view(item) else { return Vec::new() };
                            counter.count(readers.indices(), &rarity, &liked);
                            counter.strongest(item as u32, &norm, params.most)
                        })
                        .collect())
                },
            )
            .collect::<Result<_>>()?;
        Ok(Neighbours::gather(chunks.into_iter().flatten(), items))
    }

    fn gather(rows: impl Iterator<Item = Vec<(u32, f32)>>, items: usize) -> Neighbours {
        let mut all = Neighbours { start: Vec::with_capacity(items + 1), ..Neighbours::default() };
        all.start.push(0);
        for row in rows {
            all.item.extend(row.iter().map(|(item, _)| *item));
            all.weight.extend(row.iter().map(|(_, weight)| *weight));
            all.start.push(all.item.len() as u32);
        }
        all
    }

    /// No neighbours at all.
    pub fn none(items: usize) -> Neighbours {
        Neighbours { start: vec![0; items + 1], ..Neighbours::default() }
    }

    pub fn items(&self) -> usize {
        self.start.len().saturating_sub(1)
    }

    /// Neighbours of an item with their weights.
    pub fn of(&self, item: u32) -> (&[u32], &[f32]) {
        let Some(end) = self.start.get(item as usize + 1) else { return (&[], &[]) };
        let range = self.start[item as usize] as usize..*end as usize;
        (&self.item[range.clone()], &self.weight[range])
    }

    /// The same neighbours under other indices; what has none is left out.
    pub fn renumbered(&self, items: usize, new: impl Fn(u32) -> u32) -> Neighbours {
        let mut rows = vec![Vec::new(); items];
        for old in 0..self.items() as u32 {
            let (neighbours, weights) = self.of(old);
            let row = neighbours.iter().zip(weights).map(|(n, w)| (new(*n), *w));
            rows[new(old) as usize] = row.collect();
        }
        rows.iter_mut().for_each(|row| row.sort_unstable_by_key(|(item, _)| *item));
        Neighbours::gather(rows.into_iter(), items)
    }

    /// What the scoring relies on; for what was decoded from storage.
    pub fn valid(&self, items: usize) -> bool {
        self.start.len() == items + 1
            && self.start.first() == Some(&0)
            && self.start.windows(2).all(|w| w[0] <= w[1])
            && self.start.last().is_some_and(|n| *n as usize == self.item.len())
            && self.item.len() == self.weight.len()
            && self.item.iter().all(|i| (*i as usize) < items)
            && self.weight.iter().all(|w| w.is_finite() && *w >= 0.0)
    }

    /// Scores of all items for a user with the given liked items and weights.
    pub fn score_all(&self, liked: &[(u32, f32)], items: usize) -> Vec<f32> {
        let mut scores = vec![0.0; items];
        for (item, liking) in liked {
            let (neighbours, weights) = self.of(*item);
            for (neighbour, weight) in neighbours.iter().zip(weights) {
                scores[*neighbour as usize] += liking * weight;
            }
        }
        scores
    }
}

/// A set of items, a bit each: one look tells that a neighbour is not asked for, which most are not.
struct Wanted(Vec<u64>);

impl Wanted {
    fn new(items: usize, wanted: &[u32]) -> Wanted {
        let mut bits = vec![0u64; items.div_ceil(64)];
        for item in wanted {
            bits[*item as usize / 64] |= 1 << (item % 64);
        }
        Wanted(bits)
    }

    fn has(&self, item: u32) -> bool {
        self.0[item as usize / 64] >> (item % 64) & 1 == 1
    }
}

/// Items per task.
const CHUNK: usize = 64;

/// Rarity-weighted counts of shared users, by the other item.
struct Counter {
    sums: Vec<f32>,
    touched: Vec<u32>,
}

impl Counter {
    fn count(&mut self, readers: &[u32], rarity: &[f32], liked: &[Vec<u32>]) {
        for user in readers {
            let rarity = rarity[*user as usize];
            if rarity == 0.0 {
                continue;
            }
            for other in &liked[*user as usize] {
                let sum = &mut self.sums[*other as usize];
                if *sum == 0.0 {
                    self.touched.push(*other);
                }
                *sum += rarity;
            }
        }
    }

    /// The strongest neighbours of an item, ascending by index; resets the counts.
    fn strongest(&mut self, item: u32, norm: &[f32], most: usize) -> Vec<(u32, f32)> {
        let own = norm[item as usize];
        let mut row: Vec<(u32, f32)> = self
            .touched
            .iter()
            .filter(|other| **other != item)
            .map(|other| (*other, own * norm[*other as usize] * self.sums[*other as usize]))
            .collect();
        for other in self.touched.drain(..) {
            self.sums[other as usize] = 0.0;
        }
        if row.len() > most {
            // By weight, then by index, so that ties do not depend on the order of counting.
            row.select_nth_unstable_by(most, |a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            row.truncate(most);
            // A popular item met thousands: their room would be kept for every row.
            row.shrink_to_fit();
        }
        row.sort_unstable_by_key(|(other, _)| *other);
        row
    }
}

fn spread(items: &[u32]) -> Vec<u32> {
    if items.len() <= MOST_LIKED {
        return items.to_vec();
    }
    (0..MOST_LIKED).map(|i| items[i * items.len() / MOST_LIKED]).collect()
}

impl Neighbours {
    /// Adds to the scores of the asked items only: `add` gets a place in `items` and what to add there.
    pub fn score(&self, liked: &[(u32, f32)], items: &[u32], mut add: impl FnMut(usize, f32)) {
        let wanted = Wanted::new(self.items(), items);
        let mut places: Vec<(u32, usize)> = items.iter().copied().zip(0..).collect();
        places.sort_unstable();
        for (item, liking) in liked {
            let (neighbours, weights) = self.of(*item);
            for (neighbour, weight) in neighbours.iter().zip(weights).filter(|(n, _)| wanted.has(**n)) {
                let first = places.partition_point(|(item, _)| item < neighbour);
                // An item that is asked for twice is scored twice.
                for (_, place) in places[first..].iter().take_while(|(item, _)| item == neighbour) {
                    add(*place, liking * weight);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
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

    const ALL: NeighbourParams = NeighbourParams { length_norm: 0.4, most: 1000 };

    fn fit(matrix: &Interactions, params: &NeighbourParams) -> Neighbours {
        Neighbours::fit(matrix, params, &Control::default()).unwrap()
    }

    #[test]
    fn equals_the_dense_product() {
        let (users, items) = (30, 25);
        let pairs = some(users, items);
        let model = fit(&matrix(users, items, &pairs), &ALL);
        let count = |item: usize| pairs.iter().filter(|(_, i)| *i == item).count() as f32;
        let average = pairs.len() as f32 / items as f32;
        let norm = |item: usize| 2.2 / (1.2 * (0.6 + 0.4 * count(item) / average) + 1.0);
        let idf = |user: usize| {
            let n = pairs.iter().filter(|(u, _)| *u == user).count() as f32;
            (items as f32 / (1.0 + n)).ln()
        };
        for i in 0..items {
            let (neighbours, weights) = model.of(i as u32);
            assert!(neighbours.windows(2).all(|w| w[0] < w[1]) && !neighbours.contains(&(i as u32)));
            for j in (0..items).filter(|j| *j != i) {
                let both = (0..users).filter(|u| pairs.contains(&(*u, i)) && pairs.contains(&(*u, j)));
                let expected: f32 = both.map(|u| idf(u).powi(2)).sum::<f32>() * norm(i) * norm(j);
                let found = neighbours.binary_search(&(j as u32)).map_or(0.0, |place| weights[place]);
                assert!((found - expected).abs() < 1e-4 * (1.0 + expected), "{i} {j}: {found} {expected}");
            }
        }
        assert!(model.valid(items) && !model.valid(items + 1));
    }

    #[test]
    fn only_the_strongest_are_kept() {
        let matrix = matrix(60, 40, &some(60, 40));
        let (all, few) = (fit(&matrix, &ALL), fit(&matrix, &NeighbourParams { most: 3, ..ALL }));
        for item in 0..40 {
            let mut weights = all.of(item).1.to_vec();
            weights.sort_by(|a, b| b.total_cmp(a));
            let mut kept = few.of(item).1.to_vec();
            kept.sort_by(|a, b| b.total_cmp(a));
            assert_eq!(kept, weights[..kept.len()]);
            assert_eq!(kept.len(), weights.len().min(3));
        }
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
    fn nobody_and_nothing() {
        let empty = fit(&matrix(3, 4, &[]), &ALL);
        assert!(empty.valid(4) && empty.score_all(&[(1, 1.0)], 4).iter().all(|s| *s == 0.0));
        assert!(fit(&matrix(1, 1, &[(0, 0)]), &ALL).item.is_empty());
    }
}

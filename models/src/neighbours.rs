//! Item neighbourhoods: of each item, the few others whose readers predict its readers best.
//!
//! An item's weights are a ridge regression of its column on those of its `most` nearest items by cosine:
//! w = (G_SS + λI)⁻¹·G_Sj, G_ab the weighted count of shared readers. That is EASE (Steck, "Embarrassingly Shallow
//! Autoencoders for Sparse Data", 2019) solved on a neighbourhood instead of on the whole catalogue, as fsSLIM does it
//! (Ning and Karypis, "SLIM: Sparse Linear Methods for Top-N Recommender Systems", 2011): linear in the items instead of
//! cubic, and better in the long tail, where a whole inverse fits noise. NDCG@10 on the hold-outs of Book-Crossing,
//! MovieLens 100k and the generated library: 0.085, 0.322, 0.275; the whole EASE 0.072 (elsewhere), 0.323, 0.269;
//! BM25 0.076, 0.298, 0.256; RP3beta 0.031, 0.286, 0.261. A user's score of item i is Σ_j w_uj·W_ji over the liked j.

use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::als::transposed;
use crate::column::Column;
use crate::control::Control;
use crate::error::Result;
use crate::feedback::Interactions;
use crate::kernel::{self, padded};
use crate::simd::dispatch;

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct NeighbourParams {
    /// λ of the regressions, in units of shared readers.
    pub ridge: f32,
    /// An item is predicted from at most so many others.
    pub most: usize,
}

/// What each item says of others, by ascending index of the other.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Neighbours {
    /// `items + 1` offsets.
    pub start: Column<u32>,
    pub item: Column<u32>,
    /// May be negative: what speaks against an item, others being liked.
    pub weight: Column<f32>,
}

/// Users with more liked items than this count with an even sample of so many: their pairs grow with the square, and
/// who likes everything says little about what belongs together.
const MOST_LIKED: usize = 2000;
/// A user of n liked items weighs n to this power: better on all three data sets than 0 and than −0.5.
const ACTIVITY_POWER: f32 = -0.25;

impl Neighbours {
    /// From positives (users × items). Runs in the current rayon pool; the result does not depend on its size.
    pub fn fit(matrix: &Interactions, params: &NeighbourParams, control: &Control) -> Result<Neighbours> {
        Ok(Regressions::fit(matrix, params.most, &[params.ridge], control)?.neighbours(0))
    }

    fn gather(rows: impl Iterator<Item = Vec<(u32, f32)>>, items: usize) -> Neighbours {
        let (mut start, mut item, mut weight) = (Vec::with_capacity(items + 1), Vec::new(), Vec::new());
        start.push(0);
        for row in rows {
            item.extend(row.iter().map(|(item, _)| *item));
            weight.extend(row.iter().map(|(_, weight)| *weight));
            start.push(item.len() as u32);
        }
        Neighbours { start: start.into(), item: item.into(), weight: weight.into() }
    }

    /// No neighbours at all.
    pub fn none(items: usize) -> Neighbours {
        Neighbours { start: vec![0; items + 1].into(), ..Neighbours::default() }
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
            && self.weight.iter().all(|w| w.is_finite())
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

/// The positives as the regressions see them.
struct Readings {
    by_user: Interactions,
    by_item: Interactions,
    /// By user.
    weight: Vec<f32>,
    /// By item: the summed weight of its readers.
    total: Vec<f32>,
}

impl Readings {
    fn new(matrix: &Interactions) -> Readings {
        let mut start = vec![0];
        let mut items = Vec::with_capacity(matrix.nnz());
        for row in matrix.outer_iterator() {
            items.extend(spread(row.indices()));
            start.push(items.len());
        }
        let ones = vec![1.0; items.len()];
        let by_user = Interactions::new((matrix.rows(), matrix.cols()), start, items, ones);
        let by_item = transposed(&by_user);
        let activity = |liked: usize| if liked == 0 { 0.0 } else { (liked as f32).powf(ACTIVITY_POWER) };
        let weight: Vec<f32> = matrix.outer_iterator().map(|row| activity(row.nnz())).collect();
        // In units of the average user, so that a ridge means the same on every data set.
        let average = weight.iter().sum::<f32>() / weight.iter().filter(|w| **w > 0.0).count().max(1) as f32;
        let weight: Vec<f32> = weight.iter().map(|w| w / average).collect();
        let total =
            by_item.outer_iterator().map(|row| row.indices().iter().map(|u| weight[*u as usize]).sum()).collect();
        Readings { by_user, by_item, weight, total }
    }

    fn liked(&self, user: u32) -> &[u32] {
        row(&self.by_user, user)
    }

    fn readers(&self, item: u32) -> &[u32] {
        row(&self.by_item, item)
    }
}

fn row(matrix: &Interactions, index: u32) -> &[u32] {
    let range = matrix.indptr().outer_inds_sz(index as usize);
    &matrix.indices()[range]
}

/// The regressions of all items, for one or several ridges: most of the work is shared.
pub struct Regressions(Vec<Regression>);

impl Regressions {
    pub fn fit(matrix: &Interactions, most: usize, ridges: &[f32], control: &Control) -> Result<Regressions> {
        let readings = Readings::new(matrix);
        let items = matrix.cols();
        let tasks = items.div_ceil(CHUNK);
        let done = AtomicUsize::new(0);
        let solved: Vec<Vec<Regression>> = (0..tasks)
            .into_par_iter()
            .map_init(
                || Regressor::new(&readings, most),
                |regressor, task| {
                    control.done(done.fetch_add(1, Ordering::Relaxed) as f32 / tasks as f32)?;
                    let range = task * CHUNK..((task + 1) * CHUNK).min(items);
                    Ok(range.map(|item| regressor.solve(item as u32, ridges)).collect())
                },
            )
            .collect::<Result<_>>()?;
        Ok(Regressions(solved.into_iter().flatten().collect()))
    }

    /// For the ridge at a place of those that were fitted: turned from what predicts an item to what an item predicts.
    pub fn neighbours(&self, ridge: usize) -> Neighbours {
        let items = self.0.len();
        let mut start = vec![0u32; items + 1];
        self.0.iter().flat_map(|r| &r.from).for_each(|from| start[*from as usize + 1] += 1);
        (0..items).for_each(|i| start[i + 1] += start[i]);
        let all = start[items] as usize;
        let mut next = start.clone();
        let (mut item_of, mut weight_of) = (vec![0; all], vec![0.0; all]);
        for (item, regression) in self.0.iter().enumerate() {
            let n = regression.from.len();
            for (from, weight) in regression.from.iter().zip(&regression.weights[ridge * n..]) {
                let place = next[*from as usize] as usize;
                item_of[place] = item as u32;
                weight_of[place] = *weight;
                next[*from as usize] += 1;
            }
        }
        Neighbours { start: start.into(), item: item_of.into(), weight: weight_of.into() }
    }
}

/// How an item is predicted from others.
struct Regression {
    from: Vec<u32>,
    /// As many for each ridge, one ridge after the other.
    weights: Vec<f32>,
}

/// Ends a list.
const END: u32 = u32::MAX;

/// Buffers of one thread.
struct Regressor<'a> {
    readings: &'a Readings,
    most: usize,
    /// By item: the weight of the readers it shares with the present item.
    shared: Vec<f32>,
    touched: Vec<u32>,
    /// By user, the last of the entries of that user, or [`END`].
    last: Vec<u32>,
    /// (place of a neighbour that the user likes, the entry before)
    entries: Vec<(u32, u32)>,
    users: Vec<u32>,
    gram: Vec<f32>,
    system: Vec<f32>,
    right: Vec<f32>,
}

impl<'a> Regressor<'a> {
    fn new(readings: &'a Readings, most: usize) -> Self {
        Regressor {
            readings,
            most,
            shared: vec![0.0; readings.total.len()],
            touched: Vec::new(),
            last: vec![END; readings.weight.len()],
            entries: Vec::new(),
            users: Vec::new(),
            gram: Vec::new(),
            system: Vec::new(),
            right: Vec::new(),
        }
    }

    fn solve(&mut self, item: u32, ridges: &[f32]) -> Regression {
        let nearest = self.nearest(item);
        self.fill_gram(&nearest);
        let (n, width) = (nearest.len(), padded(nearest.len()));
        let mut weights = Vec::with_capacity(n * ridges.len());
        for ridge in ridges {
            self.system.clone_from(&self.gram);
            (0..n).for_each(|i| self.system[i * width + i] += ridge);
            self.right.clear();
            self.right.extend(nearest.iter().map(|(_, shared)| *shared));
            self.right.resize(width, 0.0);
            // Positive definite by the ridge; where f32 does not see it, the item is left without neighbours.
            let solved = solve_best(&mut self.system, n, width, &mut self.right);
            let sound = solved && self.right.iter().all(|w| w.is_finite());
            weights.extend(self.right[..n].iter().map(|w| if sound { *w } else { 0.0 }));
        }
        Regression { from: nearest.into_iter().map(|(item, _)| item).collect(), weights }
    }

    /// The nearest items by cosine, ascending by index, with the weight of the shared readers.
    fn nearest(&mut self, item: u32) -> Vec<(u32, f32)> {
        let readings = self.readings;
        for user in readings.readers(item) {
            let weight = readings.weight[*user as usize];
            for other in readings.liked(*user) {
                let sum = &mut self.shared[*other as usize];
                if *sum == 0.0 {
                    self.touched.push(*other);
                }
                *sum += weight;
            }
        }
        let near = |other: u32, shared: f32| shared / readings.total[other as usize].sqrt();
        let others = self.touched.iter().filter(|other| **other != item);
        let mut found: Vec<(u32, f32)> = others.map(|other| (*other, self.shared[*other as usize])).collect();
        if found.len() > self.most {
            // By nearness, then by index, so that ties do not depend on the order of counting.
            let order = |a: &(u32, f32), b: &(u32, f32)| near(b.0, b.1).total_cmp(&near(a.0, a.1)).then(a.0.cmp(&b.0));
            found.select_nth_unstable_by(self.most, order);
            found.truncate(self.most);
            // A popular item met thousands: their room would be kept for every row.
            found.shrink_to_fit();
        }
        for other in self.touched.drain(..) {
            self.shared[other as usize] = 0.0;
        }
        found.sort_unstable_by_key(|(other, _)| *other);
        found
    }

    /// Weighted counts of shared readers between the given items, upper triangle.
    fn fill_gram(&mut self, items: &[(u32, f32)]) {
        let width = padded(items.len());
        self.gram.clear();
        self.gram.resize(width * width, 0.0);
        for (place, (item, _)) in items.iter().enumerate() {
            self.gram[place * width + place] = self.readings.total[*item as usize];
            for user in self.readings.readers(*item) {
                let last = &mut self.last[*user as usize];
                if *last == END {
                    self.users.push(*user);
                }
                self.entries.push((place as u32, *last));
                *last = self.entries.len() as u32 - 1;
            }
        }
        for user in self.users.drain(..) {
            let weight = self.readings.weight[user as usize];
            let mut at = std::mem::replace(&mut self.last[user as usize], END);
            while at != END {
                // Places descend along the list.
                let (column, before) = self.entries[at as usize];
                let mut other = before;
                while other != END {
                    let (row, before) = self.entries[other as usize];
                    self.gram[row as usize * width + column as usize] += weight;
                    other = before;
                }
                at = before;
            }
        }
        self.entries.clear();
    }
}

dispatch! { fn solve_best = solve_generic(a: &mut [f32], n: usize, width: usize, b: &mut [f32]) -> bool }

#[inline(always)]
fn solve_generic<const FMA: bool>(a: &mut [f32], n: usize, width: usize, b: &mut [f32]) -> bool {
    kernel::solve::<FMA>(a, n, width, b)
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

    const ALL: NeighbourParams = NeighbourParams { ridge: 2.0, most: 1000 };

    fn fit(matrix: &Interactions, params: &NeighbourParams) -> Neighbours {
        Neighbours::fit(matrix, params, &Control::default()).unwrap()
    }

    fn weight(model: &Neighbours, from: usize, to: usize) -> f32 {
        let (items, weights) = model.of(from as u32);
        assert!(items.windows(2).all(|w| w[0] < w[1]));
        items.binary_search(&(to as u32)).map_or(0.0, |place| weights[place])
    }

    /// Weighted counts of shared readers, as the definition says it.
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
        let model = fit(&matrix(users, items, &pairs), &ALL);
        let gram = dense_gram(users, items, &pairs);
        for to in 0..items {
            let others: Vec<usize> = (0..items).filter(|i| *i != to && gram[(*i, to)] > 0.0).collect();
            let n = others.len();
            let system =
                nalgebra::DMatrix::from_fn(n, n, |a, b| gram[(others[a], others[b])] + if a == b { 2.0 } else { 0.0 });
            let right = nalgebra::DVector::from_fn(n, |a, _| gram[(others[a], to)]);
            let expected = system.cholesky().unwrap().solve(&right);
            for (a, from) in others.iter().enumerate() {
                let found = weight(&model, *from, to);
                assert!((f64::from(found) - expected[a]).abs() < 1e-4, "{from} {to}: {found} {}", expected[a]);
            }
        }
        assert!(model.valid(items) && !model.valid(items + 1));
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
    fn several_ridges_at_once_are_those_one_by_one() {
        let matrix = matrix(60, 40, &some(60, 40));
        let both = Regressions::fit(&matrix, 20, &[1.0, 30.0], &Control::default()).unwrap();
        for (place, ridge) in [1.0, 30.0].into_iter().enumerate() {
            assert_eq!(both.neighbours(place), fit(&matrix, &NeighbourParams { ridge, most: 20 }));
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
}

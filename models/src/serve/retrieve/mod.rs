//! Which items are worth the whole ensemble: a few thousand of a catalogue of any size.
//!
//! The trees cost about 1 µs an item, so that a quarter of a million items would cost a quarter of a second. All other
//! parts are cheap. Items are therefore ordered by what those say, w_c·collaborative + w_p·popularity, and the best
//! [`BY_PARTS`] go on, together with what the trees might lift out of the middle: what scores best for a user that
//! nobody knows, overall and among the authors and categories that this user reads.
//!
//! The order is exact. Neighbours of the liked items, whose weights may be negative, are counted in full. For all others
//! the collaborative part is a dot product, first taken over factors of one byte each, which is a cache line per item
//! instead of four, and again over the real ones where the rounding could hide a place in the list. Items are visited by
//! falling norm: by Cauchy and Schwarz nothing better can follow once norm times norm is not enough.

use std::ops::Deref;
use std::sync::OnceLock;

use crate::data::column::Column;
use crate::data::dataset::{Favorites, NONE, Ratings};
use crate::error::Result;
use crate::math::simd::{LANES, dispatch, dot, madd, total};
use crate::math::topk::top;
use crate::model::ensemble::Weights;
use crate::model::model::Model;
use crate::model::score::Target;
use crate::model::uncalibrated::User;
use crate::parts::collaborative::Reader;

/// Up to so many items everything is scored: some 5 ms.
pub const EXHAUSTIVE: usize = 5000;
/// See `models/tests/recommend.rs` for the recall that these numbers give.
const BY_PARTS: usize = 1500;
const PRIOR: usize = 1000;
/// Items of the authors that the user reads, heaviest first, in equal shares but at least so many each; and the same of
/// categories. Who read one book only gets all of its author's.
const BY_AUTHOR: usize = 1000;
const OF_AUTHOR: usize = 25;
const BY_CATEGORY: usize = 1500;
const OF_CATEGORY: usize = 100;
/// Rows per step of the pass over the norms; their bound is that of the first.
const CHUNK: usize = 1024;

/// Orders of the items that follow from a model, made once.
#[derive(Debug, Clone)]
pub(super) struct Retrieval {
    pub screen: Screen,
    /// All items, the most popular first.
    pub popular: Column<u32>,
    /// The best for a user that nobody knows.
    pub prior: Column<u32>,
    pub by_author: Shelves,
    pub by_category: Shelves,
}

/// Items by a key, the best for a user that nobody knows first.
#[derive(Debug, Clone)]
pub(crate) struct Shelves {
    pub item: Column<u32>,
    /// Of each of them, ascending.
    pub key: Column<i64>,
}

impl Shelves {
    fn new(keys: &[i64], score: &[f32]) -> Shelves {
        let mut item: Vec<u32> = (0..keys.len() as u32).collect();
        let place = |i: &u32| *i as usize;
        item.sort_unstable_by(|a, b| {
            let by_score = score[place(b)].total_cmp(&score[place(a)]);
            keys[place(a)].cmp(&keys[place(b)]).then(by_score).then(a.cmp(b))
        });
        Shelves { key: item.iter().map(|i| keys[place(i)]).collect(), item: item.into() }
    }

    pub fn of(&self, key: i64) -> &[u32] {
        let start = self.key.partition_point(|k| *k < key);
        let end = start + self.key[start..].partition_point(|k| *k == key);
        &self.item[start..end]
    }
}

/// The keys that most of the liking is for, heaviest first.
fn heaviest(liked: &[(u32, f32)], keys: &[i64], most: usize) -> Vec<i64> {
    let mut all: Vec<(i64, f32)> = liked.iter().map(|(item, weight)| (keys[*item as usize], *weight)).collect();
    all.retain(|(key, _)| *key != NONE);
    all.sort_by_key(|(key, _)| *key);
    all.dedup_by(|next, kept| {
        let same = next.0 == kept.0;
        kept.1 += if same { next.1 } else { 0.0 };
        same
    });
    all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    all.into_iter().take(most).map(|(key, _)| key).collect()
}

/// A bit per item that is settled: excluded, or already taken.
#[derive(Clone)]
struct Settled(Vec<u64>);

impl Settled {
    fn new(items: usize, excluded: &[u32]) -> Settled {
        let mut settled = Settled(vec![0; items.div_ceil(64)]);
        for item in excluded {
            settled.settle(*item);
        }
        settled
    }

    /// Whether it was not settled before.
    fn settle(&mut self, item: u32) -> bool {
        let (word, bit) = (item as usize / 64, 1u64 << (item % 64));
        let new = self.0[word] & bit == 0;
        self.0[word] |= bit;
        new
    }
}

impl Retrieval {
    /// Scores the whole catalogue once. `pause` is called every few milliseconds.
    pub(super) fn new(model: &Model, mut pause: impl FnMut()) -> Result<Retrieval> {
        let items = model.items();
        let nobody = model.history(&Ratings::default(), &Favorites::default());
        let nobody = model.user(nobody.row(), NONE, None)?;
        let mut prior_score = Vec::with_capacity(items.len());
        for start in (0..items.len() as u32).step_by(CHUNK) {
            pause();
            let block: Vec<Target> =
                (start..(start + CHUNK as u32).min(items.len() as u32)).map(Target::Known).collect();
            prior_score.extend(model.score(&nobody, &block).iter().map(|s| s.score));
        }
        Ok(Retrieval {
            screen: Screen::new(model),
            popular: falling(model.popularity()),
            prior: top(&prior_score, PRIOR, &[]).into(),
            by_author: Shelves::new(&items.author, &prior_score),
            by_category: Shelves::new(&items.category, &prior_score),
        })
    }

    fn candidates(&self, model: &Model, user: &User<'_>, excluded: &[u32], category: Option<i64>) -> Vec<u32> {
        let (table, liked) = (model.items(), user.reader().liked());
        let barred = Settled::new(table.len(), excluded);
        let mut best = self.best_by_parts(model, user, barred.clone());
        // What did not get into that list is open to the others again.
        let mut settled = barred;
        for item in &best {
            settled.settle(*item);
        }
        let authors = heaviest(liked, &table.author, BY_AUTHOR / OF_AUTHOR);
        let categories = heaviest(liked, &table.category, BY_CATEGORY / OF_CATEGORY);
        let (each_author, each_category) = (BY_AUTHOR / authors.len().max(1), BY_CATEGORY / categories.len().max(1));
        let authors = authors.iter().flat_map(|key| self.by_author.of(*key).iter().take(each_author));
        let categories = categories.iter().flat_map(|key| self.by_category.of(*key).iter().take(each_category));
        let named = category.map_or(&[][..], |key| self.by_category.of(key)).iter().take(PRIOR);
        best.extend(authors.chain(categories).chain(named).chain(&*self.prior).filter(|item| settled.settle(**item)));
        best
    }

    fn best_by_parts(&self, model: &Model, user: &User<'_>, mut settled: Settled) -> Vec<u32> {
        let collaborative = model.collaborative_part();
        let reader = user.reader();
        if reader.factor.is_empty() {
            return Vec::new();
        }
        let scale = PartScale { model, weights: model.weights() };
        let by_factors = (1.0 - collaborative.blend.share) / collaborative.blend.als_scale;
        let raw = |item: u32, neighbours: f32| match by_factors > 0.0 {
            true => by_factors * dot(collaborative.factors.row(item as usize), &reader.factor) + neighbours,
            false => neighbours,
        };
        let mut list = Shortlist::new(BY_PARTS);
        for (item, sum) in collaborative.neighbour_sums(reader) {
            if settled.settle(item) {
                list.offer(scale.of(item, raw(item, sum)), item);
            }
        }
        // What is left has no neighbour among the liked items; of what has no factor either, the most popular is best.
        for item in &*self.popular {
            if scale.of(*item, 0.0) <= list.bar() {
                break;
            }
            if settled.settle(*item) {
                list.offer(scale.of(*item, raw(*item, 0.0)), *item);
            }
        }
        if by_factors > 0.0 {
            self.screen.pass(&scale, reader, by_factors, &mut settled, &mut list);
        }
        list.into_items()
    }
}

/// A model that is asked for items of the whole catalogue, with the orders of them that this takes.
pub struct ServedModel {
    model: Model,
    /// It takes as long as the scoring of every item, so it is made when it is first asked for.
    retrieval: OnceLock<Retrieval>,
}

impl From<Model> for ServedModel {
    fn from(model: Model) -> Self {
        ServedModel { model, retrieval: OnceLock::new() }
    }
}

impl Deref for ServedModel {
    type Target = Model;

    fn deref(&self) -> &Model {
        &self.model
    }
}

impl ServedModel {
    /// With orders that were made before.
    pub(super) fn with_retrieval(model: Model, retrieval: Retrieval) -> Self {
        ServedModel { model, retrieval: OnceLock::from(retrieval) }
    }

    /// Made when it is first asked for, if the model was not opened with it. `pause` is called every few milliseconds.
    pub(super) fn retrieval(&self, pause: impl FnMut()) -> Result<&Retrieval> {
        if let Some(made) = self.retrieval.get() {
            return Ok(made);
        }
        let made = Retrieval::new(&self.model, pause)?;
        Ok(self.retrieval.get_or_init(|| made))
    }

    /// Items to be scored in full, none of `excluded` (ascending). All of a small catalogue. Who excludes all but a
    /// category names it, so that the best of it are among them. `pause` is called every few milliseconds.
    pub fn candidates(
        &self,
        user: &User<'_>,
        excluded: &[u32],
        category: Option<i64>,
        pause: impl FnMut(),
    ) -> Result<Vec<u32>> {
        let items = self.model.items().len();
        if items <= EXHAUSTIVE {
            return Ok((0..items as u32).filter(|item| excluded.binary_search(item).is_err()).collect());
        }
        Ok(self.retrieval(pause)?.candidates(&self.model, user, excluded, category))
    }
}

/// Items by falling score; equal ones by ascending index.
fn falling(score: &[f32]) -> Column<u32> {
    let mut item: Vec<u32> = (0..score.len() as u32).collect();
    item.sort_by(|a, b| score[*b as usize].total_cmp(&score[*a as usize]));
    item.into()
}

/// Factors of one byte each, by falling norm.
#[derive(Debug, Clone)]
pub(crate) struct Screen {
    pub item: Column<u32>,
    /// The factors of each, padded with zeros to [`Screen::width`].
    pub rows: Column<i8>,
    /// By row: a byte of 1 stands for so much.
    pub step: Column<f32>,
    /// By chunk: the largest norm in it.
    pub norm: Column<f32>,
    /// By chunk: the highest popularity from it on.
    pub popularity: Column<f32>,
}

impl Screen {
    /// Bytes of a row of so many factors: whole vectors.
    pub fn width(factors: usize) -> usize {
        factors.next_multiple_of(LANES)
    }

    /// Chunks of so many rows.
    pub fn chunks(rows: usize) -> usize {
        rows.div_ceil(CHUNK)
    }

    fn new(model: &Model) -> Screen {
        let factors = &model.collaborative_part().factors;
        let popularity = model.popularity();
        let row = |item: u32| factors.row(item as usize);
        let mut order: Vec<(f32, u32)> = (0..factors.nrows() as u32)
            .map(|item| (dot(row(item), row(item)).sqrt(), item))
            .filter(|(norm, _)| *norm > 0.0)
            .collect();
        order.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let highest = |chunk: &[(f32, u32)]| chunk.iter().map(|(_, i)| popularity[*i as usize]).fold(0.0, f32::max);
        let mut from_here: Vec<f32> = order.chunks(CHUNK).map(highest).collect();
        for i in (1..from_here.len()).rev() {
            from_here[i - 1] = from_here[i - 1].max(from_here[i]);
        }
        let width = Screen::width(factors.ncols());
        let mut rows = vec![0i8; order.len() * width];
        let mut step = Vec::with_capacity(order.len());
        for ((_, item), bytes) in order.iter().zip(rows.chunks_exact_mut(width.max(1))) {
            let largest = row(*item).iter().map(|v| v.abs()).fold(f32::MIN_POSITIVE, f32::max);
            step.push(largest / 127.0);
            bytes.iter_mut().zip(row(*item)).for_each(|(byte, v)| *byte = (v / largest * 127.0).round() as i8);
        }
        Screen {
            norm: order.chunks(CHUNK).map(|chunk| chunk[0].0).collect(),
            popularity: from_here.into(),
            item: order.into_iter().map(|(_, item)| item).collect(),
            rows: rows.into(),
            step: step.into(),
        }
    }

    /// Offers every item that can enter the list and is not settled.
    fn pass(&self, scale: &PartScale<'_>, reader: &Reader, weight: f32, settled: &mut Settled, list: &mut Shortlist) {
        let factors = &scale.model.collaborative_part().factors;
        let width = Screen::width(factors.ncols());
        let mut vector = reader.factor.clone();
        let length = dot(&vector, &vector).sqrt();
        // Rounding moves a factor by half a step at most; the rest is for the float sums.
        let slack = 0.5001 * vector.iter().map(|v| v.abs()).sum::<f32>();
        vector.resize(width, 0.0);
        let mut products = [0.0; CHUNK];
        for (chunk, (norm, popularity)) in self.norm.iter().zip(&*self.popularity).enumerate() {
            let needed = scale.needed(list.bar(), *popularity);
            if 1.0001 * weight * norm * length <= needed {
                break;
            }
            let range = chunk * CHUNK..((chunk + 1) * CHUNK).min(self.item.len());
            screen_rows(&self.rows[range.start * width..range.end * width], &vector, &mut products);
            for ((item, step), product) in self.item[range.clone()].iter().zip(&self.step[range]).zip(&products) {
                if weight * step * (product + slack) > needed && settled.settle(*item) {
                    let product = dot(factors.row(*item as usize), &reader.factor);
                    list.offer(scale.of(*item, weight * product), *item);
                }
            }
        }
    }
}

#[inline(always)]
fn screen_rows_generic<const FMA: bool>(rows: &[i8], vector: &[f32], out: &mut [f32]) {
    for (row, out) in rows.chunks_exact(vector.len()).zip(out) {
        let mut sums = [0.0f32; LANES];
        for (bytes, values) in row.chunks_exact(LANES).zip(vector.chunks_exact(LANES)) {
            for ((sum, byte), value) in sums.iter_mut().zip(bytes).zip(values) {
                *sum = madd::<FMA>(f32::from(*byte), *value, *sum);
            }
        }
        *out = total(sums);
    }
}

dispatch! {
    fn screen_rows = screen_rows_generic(rows: &[i8], vector: &[f32], out: &mut [f32])
}

/// What the cheap parts add to a score.
struct PartScale<'a> {
    model: &'a Model,
    weights: Weights,
}

impl PartScale<'_> {
    fn of(&self, item: u32, raw: f32) -> f32 {
        self.sum(raw, self.model.popularity()[item as usize])
    }

    fn sum(&self, raw: f32, popularity: f32) -> f32 {
        let [collaborative, _, popular] = self.weights.parts();
        collaborative * self.model.calibrations()[0].apply(raw) + popular * popularity
    }

    /// A raw score up to which the sum is not above `bar`, as large as a bisection finds.
    fn needed(&self, bar: f32, popularity: f32) -> f32 {
        let [mut low, mut high] = self.model.calibrations()[0].range();
        if self.sum(high, popularity) <= bar {
            // Above the scale all raw scores are alike.
            return f32::INFINITY;
        }
        if self.sum(low, popularity) > bar {
            return f32::NEG_INFINITY;
        }
        for _ in 0..20 {
            let middle = 0.5 * (low + high);
            if self.sum(middle, popularity) > bar { high = middle } else { low = middle }
        }
        low
    }
}

/// The best of a stream: twice as many are kept as are wanted, and halved when they are full.
struct Shortlist {
    most: usize,
    bar: f32,
    kept: Vec<(f32, u32)>,
}

impl Shortlist {
    fn new(most: usize) -> Shortlist {
        Shortlist { most, bar: f32::NEG_INFINITY, kept: Vec::with_capacity(2 * most) }
    }

    /// Nothing below this can be among the best.
    fn bar(&self) -> f32 {
        self.bar
    }

    fn offer(&mut self, score: f32, item: u32) {
        if score <= self.bar {
            return;
        }
        self.kept.push((score, item));
        if self.kept.len() == 2 * self.most {
            self.halve();
        }
    }

    fn halve(&mut self) {
        self.kept.select_nth_unstable_by(self.most - 1, |a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        self.kept.truncate(self.most);
        self.bar = self.kept[self.most - 1].0;
    }

    fn into_items(mut self) -> Vec<u32> {
        if self.kept.len() > self.most {
            self.halve();
        }
        self.kept.into_iter().map(|(_, item)| item).collect()
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;
    use rand::{RngExt, SeedableRng};

    use super::*;
    use crate::data::feedback::Feedback;
    use crate::data::items::ItemTable;
    use crate::model::calibration::Calibration;
    use crate::model::model::Fitted;
    use crate::parts::als::Basis;
    use crate::parts::collaborative::{Blend, Collaborative};
    use crate::parts::neighbours::Neighbours;

    const ITEMS: usize = 3 * EXHAUSTIVE;
    const FACTORS: usize = 20;

    /// Factors and neighbours by chance, norms by a power law, every seventh item without a factor.
    fn model(share: f32, weights: [f32; 3]) -> ServedModel {
        let mut rng = rand_pcg::Pcg64Mcg::seed_from_u64(1);
        let mut number = || rng.random_range(-1.0f32..1.0);
        let factors = Array2::from_shape_fn((ITEMS, FACTORS), |(i, _)| {
            let size = if i % 7 == 0 { 0.0 } else { 1.0 / (1.0 + (i % 500) as f32) };
            size * number()
        });
        // A quarter of the weights speaks against the other item.
        let neighbours = Neighbours {
            start: (0..=10 * ITEMS as u32).step_by(10).collect(),
            item: (0..ITEMS as u32)
                .flat_map(|item| (0..10).map(move |n| (item / 20 * 20 + 2 * n) % ITEMS as u32))
                .collect(),
            weight: (0..10 * ITEMS).map(|_| 0.5 + number()).collect(),
        };
        let basis = Basis { gram: vec![1.0; FACTORS], rows: ITEMS, regularization: 0.01, alpha0: 0.1 };
        let items = ItemTable {
            id: (0..ITEMS as i64).collect(),
            category: (0..ITEMS as i64).map(|i| i % 30).collect(),
            author: (0..ITEMS as i64).map(|i| i % 700).collect(),
            published: vec![NONE; ITEMS].into(),
            ratings: (0..ITEMS as u32).map(|i| 9000 / (1 + i % 1009)).collect(),
            stars_sum: (0..ITEMS as u32).map(|i| 4.0 * (9000 / (1 + i % 1009)) as f32).collect(),
            favorites: vec![0; ITEMS].into(),
            positives: vec![1; ITEMS].into(),
            latest: vec![NONE; ITEMS].into(),
        };
        let scale =
            |most: f32| Calibration::fit((0..5000).map(|i| most * (i as f32 / 5000.0).powi(6)).collect(), ITEMS);
        let fitted = Fitted {
            feedback: Feedback { positive_stars: 4.0, now: NONE },
            items,
            collaborative: Collaborative {
                factors: factors.into(),
                basis,
                neighbours,
                blend: Blend { share, als_scale: 1.0, neighbour_scale: 1.0 },
            },
            forest: None,
            calibrations: [scale(3.0), scale(1.0), scale(1.0)],
            weights: Weights::new(weights).unwrap(),
            ratings: None,
        };
        Model::new(fitted).unwrap().into()
    }

    #[test]
    fn the_screen_finds_what_a_full_sort_finds() {
        let mut met = 0;
        for (share, weights) in
            [(0.0, [1.0, 0.0, 0.0]), (0.0, [0.5, 0.3, 0.2]), (0.6, [0.5, 0.3, 0.2]), (1.0, [0.5, 0.0, 0.5])]
        {
            let model = model(share, weights);
            for liked in [[3u32, 77, 4000], [1, 2, 14_999]] {
                let favorites = Favorites { user: vec![1; 3], item: liked.map(i64::from).to_vec(), at: vec![NONE; 3] };
                let history = model.history(&Ratings::default(), &favorites);
                let user = model.user(history.row(), NONE, None).unwrap();
                let raw = model.collaborative_part().score_all(user.reader());
                let scale = PartScale { model: &model, weights: model.weights() };
                let all: Vec<f32> = (0..ITEMS as u32).map(|i| scale.of(i, raw[i as usize])).collect();
                let expected = top(&all, BY_PARTS, &liked);
                let retrieval = model.retrieval(|| ()).unwrap();
                let found = retrieval.best_by_parts(&model, &user, Settled::new(ITEMS, &liked));
                assert!(liked.iter().all(|item| !found.contains(item)));
                let bar = all[expected[BY_PARTS - 1] as usize];
                let above: Vec<u32> = expected.into_iter().filter(|i| all[*i as usize] > bar + 1e-5).collect();
                assert!(above.iter().all(|item| found.contains(item)), "share {share}, weights {weights:?}");
                met += above.len();
            }
        }
        assert!(met > 4 * BY_PARTS, "{met}");
    }

    #[test]
    fn candidates_are_distinct_and_none_is_excluded() {
        let model = model(0.5, [0.5, 0.3, 0.2]);
        let favorites = Favorites { user: vec![1; 2], item: vec![3, 77], at: vec![NONE; 2] };
        let history = model.history(&Ratings::default(), &favorites);
        let user = model.user(history.row(), NONE, None).unwrap();
        let excluded: Vec<u32> = (0..ITEMS as u32).filter(|i| i % 30 != 4).collect();
        for (excluded, category) in [(vec![3, 77], None), (excluded, Some(4))] {
            let mut found = model.candidates(&user, &excluded, category, || ()).unwrap();
            assert!(found.len() > 400 && found.iter().all(|i| excluded.binary_search(i).is_err()));
            let count = found.len();
            found.sort_unstable();
            found.dedup();
            assert_eq!(found.len(), count);
        }
    }
}

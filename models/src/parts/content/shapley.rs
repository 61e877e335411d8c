//! Exact Shapley values of a raw content score: what each feature adds to the mean of the forest.
//!
//! The game is TreeSHAP's, "path-dependent" (Lundberg et al., "Consistent Individualized Feature Attribution for Tree
//! Ensembles", 2018): where a feature is unknown, a row goes both ways, in the proportion of the training rows. A leaf's
//! payoff is then a product over the features on its path, o or z: o = 1 if the row passes all tests on the feature,
//! else 0, z the share of the training rows that does. The Shapley value of such a game is an integral of its
//! multilinear extension (Owen, 1972): φ_f = v·(o_f − z_f)·∫₀¹ Π_{g≠f} (z_g + (o_g − z_g)·t) dt. The polynomial has at
//! most degree 14 with 16 leaves, so eight Gauss-Legendre points are exact, in fewer steps than the recursion of the
//! paper and without its loss of digits.

use super::forest::{Forest, MAX_LEAVES, Tree};
use crate::math::isa::Isa;
use crate::math::simd::dispatch;
use crate::math::vector::Simd;

const POINTS: usize = 8;
/// Gauss-Legendre on [0,1], exact up to degree 15.
const NODES: [f64; POINTS] = [
    0.019_855_071_751_231_87,
    0.101_666_761_293_186_64,
    0.237_233_795_041_835_5,
    0.408_282_678_752_175_1,
    0.591_717_321_247_825,
    0.762_766_204_958_164_5,
    0.898_333_238_706_813_4,
    0.980_144_928_248_768_1,
];
const WEIGHTS: [f64; POINTS] = [
    0.050_614_268_145_188_13,
    0.111_190_517_226_687_24,
    0.156_853_322_938_943_64,
    0.181_341_891_689_180_98,
    0.181_341_891_689_180_98,
    0.156_853_322_938_943_64,
    0.111_190_517_226_687_24,
    0.050_614_268_145_188_13,
];

/// A raw score as the mean of the forest and what each feature adds to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Attribution {
    pub mean: f64,
    pub by_feature: Vec<f64>,
}

impl Forest {
    /// The mean raw score of the training rows.
    pub fn mean(&self) -> f64 {
        let mean = |tree: &Tree| -> f64 {
            let rows = tree.rows[..tree.count].iter().map(|n| f64::from(*n));
            let sum: f64 = rows.clone().zip(tree.leaves).map(|(n, value)| n * value).sum();
            sum / rows.sum::<f64>()
        };
        self.trees.iter().map(mean).sum()
    }

    /// `rows`: pairs of candidate and user, each with all features. Several at once cost less than one by one: the demands
    /// of a tree's leaves are found once.
    pub fn shapley(&self, rows: &[&[f32]]) -> Vec<Attribution> {
        self.shapley_on(Isa::best(), rows)
    }

    /// [`Forest::shapley`] on the given instruction set.
    pub fn shapley_on(&self, isa: Isa, rows: &[&[f32]]) -> Vec<Attribution> {
        let features = rows.first().map_or(1, |row| row.len());
        let mut sums = vec![[0.0; POINTS]; rows.len() * features];
        add_trees_on(isa, self, rows, features, &mut sums);
        let mean = self.mean();
        let row = |sums: &[Points]| Attribution { mean, by_feature: sums.iter().map(|s| s.iter().sum()).collect() };
        sums.chunks(features).map(row).collect()
    }
}

/// A value at each point of the integral: one register with AVX-512, two with AVX2.
type Points = [f64; POINTS];

dispatch! {
    fn add_trees_on(isa) = add_trees(simd, forest: &Forest, rows: &[&[f32]], features: usize, sums: &mut [Points])
}

/// `sums`: rows × features, to be added over the points.
#[inline(always)]
fn add_trees<S: Simd>(_: S, forest: &Forest, rows: &[&[f32]], features: usize, sums: &mut [Points]) {
    let mut demands = Vec::new();
    for tree in &forest.trees {
        let ends = demands_of(tree, &mut demands);
        for (values, sums) in rows.iter().zip(sums.chunks_exact_mut(features)) {
            let left = went_left(tree, values);
            let mut first = 0;
            for (end, value) in ends.into_iter().zip(tree.leaves).take(tree.count) {
                add_leaf(&demands[first..end], left, value, sums);
                first = end;
            }
        }
    }
}

/// The condition of a leaf on one feature. Tests of the tree are bits.
#[derive(Clone, Copy)]
struct Demand {
    feature: usize,
    /// Share of the training rows that pass.
    share: f64,
    /// The tests on the feature that stand above the leaf.
    tests: u16,
    /// Those of them that have the leaf on their left.
    left: u16,
}

/// Fills in the demands, one leaf after the other; returns where each leaf's demands end.
#[inline(always)]
fn demands_of(tree: &Tree, demands: &mut Vec<Demand>) -> [usize; MAX_LEAVES] {
    demands.clear();
    let mut branches = [Branch::default(); MAX_LEAVES];
    let branches = branches_of(tree, &mut branches);
    let mut ends = [0; MAX_LEAVES];
    for (leaf, end) in ends.iter_mut().enumerate().take(tree.count) {
        let first = demands.len();
        for (test, branch) in branches.iter().enumerate().filter(|(_, b)| (b.first..b.end).contains(&leaf)) {
            let left = leaf < branch.middle;
            let share = if left { branch.left_share } else { 1.0 - branch.left_share };
            let (tests, left) = (1 << test, u16::from(left) << test);
            match demands[first..].iter_mut().find(|d| d.feature == branch.feature) {
                Some(demand) => {
                    demand.share *= share;
                    demand.tests |= tests;
                    demand.left |= left;
                }
                None => demands.push(Demand { feature: branch.feature, share, tests, left }),
            }
        }
        *end = demands.len();
    }
    ends
}

/// A test, the training rows on both sides of it and the leaves that it stands above: `first..middle` on the left,
/// `middle..end` on the right.
#[derive(Clone, Copy, Default)]
struct Branch {
    feature: usize,
    left_share: f64,
    first: usize,
    middle: usize,
    end: usize,
}

#[inline(always)]
fn branches_of<'a>(tree: &Tree, branches: &'a mut [Branch; MAX_LEAVES]) -> &'a [Branch] {
    let mut before = [0.0; MAX_LEAVES + 1];
    for leaf in 0..tree.count {
        before[leaf + 1] = before[leaf] + f64::from(tree.rows[leaf]);
    }
    // The leaves that a failing test clears are the ones on its left: consecutive, and never the last.
    let mut left = [(0, 0); MAX_LEAVES];
    for (left, test) in left.iter_mut().zip(&tree.tests) {
        let cleared = !test.keep & ((1u32 << tree.count) - 1);
        *left = (cleared.trailing_zeros() as usize, 32 - cleared.leading_zeros() as usize);
    }
    let left = &left[..tree.tests.len().min(MAX_LEAVES)];
    for ((branch, test), (first, middle)) in branches.iter_mut().zip(&tree.tests).zip(left.iter().copied()) {
        // A node's leaves end where the smallest left side around it does.
        let around = left.iter().filter(|(a, b)| *a <= first && *b > middle);
        let end = around.map(|(_, b)| *b).min().unwrap_or(tree.count);
        let left_share = (before[middle] - before[first]) / (before[end] - before[first]);
        *branch = Branch { feature: usize::from(test.feature), left_share, first, middle, end };
    }
    &branches[..left.len()]
}

/// The tests that send a row to the left, a bit each.
#[inline(always)]
fn went_left(tree: &Tree, values: &[f32]) -> u16 {
    let tests = tree.tests.iter().take(MAX_LEAVES).enumerate();
    tests.fold(0, |left, (i, t)| left | u16::from(values[usize::from(t.feature)] <= t.threshold) << i)
}

#[inline(always)]
fn add_leaf(demands: &[Demand], left: u16, value: f64, sums: &mut [Points]) {
    // Of each demand, what all before it multiply the payoff by.
    let mut before = [[0.0; POINTS]; MAX_LEAVES];
    let mut product = WEIGHTS;
    for (demand, before) in demands.iter().zip(&mut before) {
        *before = product;
        product = times(product, factor(demand, left));
    }
    let mut after = [value; POINTS];
    for (demand, before) in demands.iter().zip(&before).rev() {
        let gain = f64::from(u8::from(demand.passes(left))) - demand.share;
        let others = times(*before, after);
        let mut sum = sums[demand.feature];
        sum.iter_mut().zip(others).for_each(|(sum, o)| *sum += gain * o);
        sums[demand.feature] = sum;
        after = times(after, factor(demand, left));
    }
}

impl Demand {
    #[inline(always)]
    fn passes(&self, left: u16) -> bool {
        (left ^ self.left) & self.tests == 0
    }
}

#[inline(always)]
fn times(mut a: Points, b: Points) -> Points {
    a.iter_mut().zip(b).for_each(|(a, b)| *a *= b);
    a
}

/// What a feature multiplies a leaf's payoff by at each point.
#[inline(always)]
fn factor(demand: &Demand, left: u16) -> Points {
    let slope = if demand.passes(left) { 1.0 - demand.share } else { -demand.share };
    NODES.map(|t| demand.share + slope * t)
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_pcg::Pcg64Mcg;

    use super::super::forest::{LANES, Splits};
    use super::*;

    /// A random tree over few features, so that paths test some of them twice.
    fn random_tree(rng: &mut Pcg64Mcg, leaves: usize, features: usize) -> Splits {
        let mut tree = Splits { leaf_value: vec![0.0], leaf_count: vec![0], ..Splits::default() };
        let mut places: Vec<Option<(usize, bool)>> = vec![None];
        while tree.leaf_value.len() < leaves {
            let leaf = rng.random_range(0..tree.leaf_value.len());
            let split = tree.feature.len() as i32;
            match places[leaf] {
                Some((parent, true)) => tree.left[parent] = split,
                Some((parent, false)) => tree.right[parent] = split,
                None => {}
            }
            tree.feature.push(rng.random_range(0..features));
            tree.threshold.push(rng.random_range(-1.0..1.0));
            tree.left.push(!(leaf as i32));
            tree.right.push(!(tree.leaf_value.len() as i32));
            places[leaf] = Some((split as usize, true));
            places.push(Some((split as usize, false)));
            tree.leaf_value.push(0.0);
            tree.leaf_count.push(0);
        }
        tree.leaf_value.iter_mut().for_each(|v| *v = rng.random_range(-1.0..1.0));
        tree.leaf_count.iter_mut().for_each(|n| *n = rng.random_range(1..1000));
        tree
    }

    fn rows_below(tree: &Splits, node: i32) -> f64 {
        if node < 0 {
            return f64::from(tree.leaf_count[!node as usize]);
        }
        rows_below(tree, tree.left[node as usize]) + rows_below(tree, tree.right[node as usize])
    }

    /// The expectation over a tree where only the features in `known` are.
    fn expectation(tree: &Splits, node: i32, values: &[f32], known: u32) -> f64 {
        if node < 0 {
            return tree.leaf_value[!node as usize];
        }
        let i = node as usize;
        let (left, right) = (tree.left[i], tree.right[i]);
        if known >> tree.feature[i] & 1 == 1 {
            let next = if f64::from(values[tree.feature[i]]) <= tree.threshold[i] { left } else { right };
            return expectation(tree, next, values, known);
        }
        let (a, b) = (rows_below(tree, left), rows_below(tree, right));
        (a * expectation(tree, left, values, known) + b * expectation(tree, right, values, known)) / (a + b)
    }

    /// The definition, over all coalitions.
    fn brute_force(tree: &Splits, values: &[f32]) -> Vec<f64> {
        let n = values.len();
        let root = if tree.feature.is_empty() { !0 } else { 0 };
        let factorial = |k: usize| (1..=k).map(|i| i as f64).product::<f64>();
        (0..n)
            .map(|f| {
                let others = (0..1u32 << n).filter(|known| known >> f & 1 == 0);
                others
                    .map(|known| {
                        let size = known.count_ones() as usize;
                        let gain =
                            expectation(tree, root, values, known | 1 << f) - expectation(tree, root, values, known);
                        gain * factorial(size) * factorial(n - 1 - size) / factorial(n)
                    })
                    .sum()
            })
            .collect()
    }

    #[test]
    fn equals_the_definition_and_adds_up() {
        let mut rng = Pcg64Mcg::seed_from_u64(3);
        for round in 0..200 {
            let features = 1 + round % 7;
            let trees: Vec<Splits> =
                (0..3).map(|_| random_tree(&mut rng, 1 + (round * 5) % MAX_LEAVES, features)).collect();
            let forest = Forest::new(&trees, features, features).unwrap();
            assert!(forest.valid(features, features));
            let values: Vec<f32> = (0..features).map(|_| rng.random_range(-1.0..1.0)).collect();
            let found = &forest.shapley(&[&values])[0];
            for (f, found) in found.by_feature.iter().enumerate() {
                let exact: f64 = trees.iter().map(|t| brute_force(t, &values)[f]).sum();
                assert!((found - exact).abs() < 1e-12, "round {round}, feature {f}: {found} {exact}");
            }
            let block: Vec<[f32; LANES]> = values.iter().map(|v| [*v; LANES]).collect();
            let mut raw = [0.0; LANES];
            forest.score(&forest.prepare(&[]), &block, &mut raw);
            let sum = found.mean + found.by_feature.iter().sum::<f64>();
            assert!((sum - raw[0]).abs() < 1e-9 * (1.0 + raw[0].abs()), "round {round}: {sum} {}", raw[0]);
        }
    }

    #[test]
    fn several_rows_at_once_are_those_one_by_one() {
        let mut rng = Pcg64Mcg::seed_from_u64(4);
        let trees: Vec<Splits> = (0..20).map(|_| random_tree(&mut rng, MAX_LEAVES, 6)).collect();
        let forest = Forest::new(&trees, 6, 6).unwrap();
        let rows: Vec<Vec<f32>> = (0..9).map(|_| (0..6).map(|_| rng.random_range(-1.0..1.0)).collect()).collect();
        let rows: Vec<&[f32]> = rows.iter().map(Vec::as_slice).collect();
        let one_by_one: Vec<Attribution> = rows.iter().map(|row| forest.shapley(&[row]).remove(0)).collect();
        assert_eq!(forest.shapley(&rows), one_by_one);
        for isa in Isa::available() {
            assert_eq!(forest.shapley_on(isa, &rows), one_by_one, "{}", isa.name());
        }
        assert_eq!(forest.shapley(&[]), []);
    }

    #[test]
    fn a_path_as_deep_as_can_be_is_still_exact() {
        // A chain: 15 features, one below the other.
        let n = MAX_LEAVES - 1;
        let tree = Splits {
            feature: (0..n).collect(),
            threshold: vec![0.0; n],
            left: (0..n as i32).map(|i| !i).collect(),
            right: (1..=n as i32).map(|i| if i == n as i32 { !i } else { i }).collect(),
            leaf_value: (0..=n).map(|i| (i * i) as f64).collect(),
            leaf_count: (0..=n as u32).map(|i| 1 + 7 * i % 5).collect(),
        };
        let forest = Forest::new(std::slice::from_ref(&tree), n, n).unwrap();
        let values: Vec<f32> = (0..n).map(|i| if i % 4 == 3 { -1.0 } else { 1.0 }).collect();
        let found = &forest.shapley(&[&values])[0];
        for (found, exact) in found.by_feature.iter().zip(brute_force(&tree, &values)) {
            assert!((found - exact).abs() < 1e-10 * (1.0 + exact.abs()), "{found} {exact}");
        }
    }
}

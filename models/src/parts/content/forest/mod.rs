//! A trained forest in our own flat, validated form, and its evaluation over blocks of candidates.
//!
//! The evaluation follows QuickScorer (Lucchese et al., SIGIR 2015): the leaves of a tree are the bits of a word,
//! every test that fails clears the leaves it makes unreachable, and the lowest bit left is the exit leaf. There are
//! no branches to mispredict, so 16 candidates go through a tree at once. Tests on the user's features are the same
//! for all candidates of a call and are folded into the tree's first word.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
mod score;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::math::isa::Isa;

/// Candidates that are evaluated together.
pub const LANES: usize = 16;
/// Bits of the word that holds a tree's leaves.
pub const MAX_LEAVES: usize = 16;

/// One split: a candidate goes left if its feature is ≤ the threshold.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Test {
    pub(super) feature: u16,
    pub(super) threshold: f32,
    /// The leaves that stay reachable when the test fails.
    pub(super) keep: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Tree {
    /// Tests on features that vary by candidate, then tests on the user's.
    pub(super) tests: Vec<Test>,
    varying: usize,
    pub(super) count: usize,
    /// Padded with zeros, so that every word picks something.
    pub(super) leaves: [f64; MAX_LEAVES],
    /// Training rows by leaf: what an explanation takes for the chance of a branch.
    pub(super) rows: [u32; MAX_LEAVES],
}

/// Trees over `varying` candidate features followed by `features − varying` user features.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Forest {
    features: usize,
    varying: usize,
    pub(super) trees: Vec<Tree>,
}

/// A forest for one user: the tests on candidates that the user's features leave open. Those below a failed branch of a
/// test on the user cannot change the exit leaf, and are left out.
#[derive(Debug, Clone, Default)]
pub struct Prepared {
    trees: Vec<Open>,
    /// Those of the first tree, then those of the second, and so on.
    tests: Vec<Test>,
}

/// What is open of one tree.
#[derive(Debug, Clone, Copy)]
struct Open {
    /// The leaves that can be reached.
    leaves: u32,
    /// Where its tests end.
    end: usize,
}

impl Prepared {
    /// For each tree the values of its leaves, those that can be reached, and the tests that can clear one of them.
    #[inline(always)]
    fn trees<'a>(
        &'a self,
        forest: &'a Forest,
    ) -> impl Iterator<Item = (&'a [f64; MAX_LEAVES], u32, &'a [Test])> + use<'a> {
        let mut begin = 0;
        forest.trees.iter().zip(&self.trees).map(move |(tree, open)| {
            let tests = &self.tests[begin..open.end];
            begin = open.end;
            (&tree.leaves, open.leaves, tests)
        })
    }
}

/// A tree as LightGBM describes it: `left`/`right` ≥ 0 name a split, otherwise leaf `!child`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Splits {
    pub feature: Vec<usize>,
    pub threshold: Vec<f64>,
    pub left: Vec<i32>,
    pub right: Vec<i32>,
    pub leaf_value: Vec<f64>,
    /// Training rows by leaf.
    pub leaf_count: Vec<u32>,
}

impl Forest {
    /// Checks and flattens the trees.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if a tree is not a binary tree of at most 16 leaves over known features.
    pub fn new(trees: &[Splits], features: usize, varying: usize) -> Result<Forest> {
        let trees = trees.iter().map(|tree| flatten(tree, features, varying)).collect::<Result<_>>()?;
        Ok(Forest { features, varying, trees })
    }

    /// Whether data from storage has everything that the evaluation relies on.
    pub fn valid(&self, features: usize, varying: usize) -> bool {
        self.features == features
            && self.varying == varying
            && self.trees.iter().all(|tree| {
                let leaves = tree.count;
                let all = all_leaves(leaves);
                (1..=MAX_LEAVES).contains(&leaves)
                    && tree.varying <= tree.tests.len()
                    && tree.tests.len() < leaves
                    && tree.leaves.iter().all(|v| v.is_finite())
                    && tree.rows[..leaves].iter().all(|n| *n > 0)
                    // A test must clear a leaf.
                    && tree.tests.iter().all(|t| t.keep & all != all)
                    // The last leaf is never cleared, so that one is always left.
                    && tree.tests.iter().all(|t| t.keep & all == t.keep && t.keep >> (leaves - 1) & 1 == 1)
                    && tree.tests[..tree.varying].iter().all(|t| usize::from(t.feature) < varying)
                    && tree.tests[tree.varying..].iter().all(|t| (varying..features).contains(&usize::from(t.feature)))
            })
    }

    pub fn trees(&self) -> usize {
        self.trees.len()
    }

    /// The forest for a user whose features (those after the varying ones) are given.
    pub fn prepare(&self, user: &[f32]) -> Prepared {
        let mut prepared = Prepared { trees: Vec::with_capacity(self.trees.len()), tests: Vec::new() };
        for tree in &self.trees {
            let (varying, fixed) = tree.tests.split_at(tree.varying);
            let leaves = fixed
                .iter()
                .filter(|t| user[usize::from(t.feature) - self.varying] > t.threshold)
                .fold(all_leaves(tree.count), |word, t| word & t.keep);
            prepared.tests.extend(varying.iter().filter(|t| leaves & !t.keep != 0));
            prepared.trees.push(Open { leaves, end: prepared.tests.len() });
        }
        prepared
    }

    /// An upper bound of all candidates' raw scores: the sum of the highest leaves that the user's features allow.
    pub fn ceiling(&self, prepared: &Prepared) -> f64 {
        let highest = |(tree, open): (&Tree, &Open)| {
            let leaves = tree.leaves[..tree.count].iter().enumerate();
            let open = leaves.filter(|(leaf, _)| open.leaves >> leaf & 1 == 1);
            open.map(|(_, value)| *value).fold(f64::NEG_INFINITY, f64::max)
        };
        self.trees.iter().zip(&prepared.trees).map(highest).sum()
    }

    /// Raw scores (log-odds) of 16 candidates: `block[feature][lane]`, all finite. Bit-identical to LightGBM's.
    pub fn score(&self, prepared: &Prepared, block: &[[f32; LANES]], out: &mut [f64; LANES]) {
        self.score_on(Isa::best(), prepared, block, out);
    }
}

fn all_leaves(leaves: usize) -> u32 {
    (1u32 << leaves.min(MAX_LEAVES)) - 1
}

/// The greatest f32 that is not above the threshold: for every f32 x, x ≤ t exactly if x ≤ that.
fn round_down(threshold: f64) -> f32 {
    let near = threshold as f32;
    if f64::from(near) > threshold { near.next_down() } else { near }
}

fn flatten(tree: &Splits, features: usize, varying: usize) -> Result<Tree> {
    let corrupt = |what: &str| Error::Corrupt(format!("a tree of the content model {what}"));
    let (splits, leaves) = (tree.feature.len(), tree.leaf_value.len());
    let lengths = [tree.threshold.len(), tree.left.len(), tree.right.len(), leaves.wrapping_sub(1)];
    if tree.leaf_count.len() != leaves || lengths.iter().any(|n| *n != splits) || leaves > MAX_LEAVES {
        return Err(corrupt("has lists of unequal lengths, or more than 16 leaves"));
    }
    if tree.feature.iter().any(|f| *f >= features) || tree.leaf_value.iter().any(|v| !v.is_finite()) {
        return Err(corrupt("names an unknown feature or holds a value that is not finite"));
    }
    let mut walk =
        Walk { tree, leaves: Vec::with_capacity(leaves), rows: [0; MAX_LEAVES], tests: Vec::with_capacity(splits) };
    let root = if splits == 0 { !0 } else { 0 };
    walk.visit(root).ok_or_else(|| corrupt("is not a tree"))?;
    if walk.leaves.len() != leaves || walk.tests.len() != splits {
        return Err(corrupt("has unreachable nodes"));
    }
    let (mut tests, user_tests): (Vec<_>, Vec<_>) =
        walk.tests.iter().copied().partition(|t| usize::from(t.feature) < varying);
    let count = tests.len();
    tests.extend(user_tests);
    let mut padded = [0.0; MAX_LEAVES];
    padded[..leaves].copy_from_slice(&walk.leaves);
    Ok(Tree { tests, varying: count, count: leaves, leaves: padded, rows: walk.rows })
}

/// Numbers the leaves from left to right.
struct Walk<'a> {
    tree: &'a Splits,
    leaves: Vec<f64>,
    rows: [u32; MAX_LEAVES],
    tests: Vec<Test>,
}

impl Walk<'_> {
    /// None if a child is out of range or a node is visited twice (more leaves or splits than there are).
    fn visit(&mut self, node: i32) -> Option<()> {
        if node < 0 {
            // LightGBM counts no rows in a tree of a single leaf.
            *self.rows.get_mut(self.leaves.len())? = (*self.tree.leaf_count.get(!node as usize)?).max(1);
            self.leaves.push(*self.tree.leaf_value.get(!node as usize)?);
            return (self.leaves.len() <= self.tree.leaf_value.len()).then_some(());
        }
        let i = node as usize;
        let feature = u16::try_from(*self.tree.feature.get(i)?).ok()?;
        let place = self.tests.len();
        if place >= self.tree.feature.len() {
            return None;
        }
        self.tests.push(Test { feature, threshold: round_down(self.tree.threshold[i]), keep: 0 });
        let first = self.leaves.len();
        self.visit(self.tree.left[i])?;
        let left = all_leaves(self.leaves.len()) & !((1u32 << first) - 1);
        self.visit(self.tree.right[i])?;
        self.tests[place].keep = all_leaves(self.tree.leaf_value.len()) & !left;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// x0 ≤ 1.5 ? (u ≤ 0 ? 1 : 2) : (x1 ≤ −3 ? 3 : 4), u being feature 2, the user's.
    fn tree() -> Splits {
        Splits {
            feature: vec![0, 2, 1],
            threshold: vec![1.5, 0.0, -3.0],
            left: vec![1, !0, !2],
            right: vec![2, !1, !3],
            leaf_value: vec![1.0, 2.0, 3.0, 4.0],
            leaf_count: vec![10, 20, 30, 40],
        }
    }

    #[test]
    fn every_leaf_is_reached() {
        let forest =
            Forest::new(&[tree(), Splits { leaf_value: vec![0.5], leaf_count: vec![0], ..Splits::default() }], 3, 2)
                .unwrap();
        assert!(forest.valid(3, 2) && !forest.valid(4, 2));
        let mut block = vec![[0.0; LANES]; 2];
        block[0][..4].copy_from_slice(&[1.5, 1.6, 1.6, 0.0]);
        block[1][..4].copy_from_slice(&[0.0, -3.0, 0.0, 0.0]);
        let mut out = [0.0; LANES];
        forest.score(&forest.prepare(&[0.0]), &block, &mut out);
        assert_eq!(out[..4], [1.5, 3.5, 4.5, 1.5]);
        forest.score(&forest.prepare(&[0.1]), &block, &mut out);
        assert_eq!(out[..4], [2.5, 3.5, 4.5, 2.5]);
    }

    #[test]
    fn what_an_explanation_relies_on_is_checked() {
        let good = Forest::new(&[tree()], 3, 2).unwrap();
        let damage: [fn(&mut Tree); 3] =
            [|t| t.rows[2] = 0, |t| t.tests[0].keep = all_leaves(4), |t| t.tests.push(t.tests[2])];
        for (i, harm) in damage.iter().enumerate() {
            let mut bad = good.clone();
            harm(&mut bad.trees[0]);
            assert!(good.valid(3, 2) && !bad.valid(3, 2), "damage {i}");
        }
    }

    #[test]
    fn damaged_trees_are_refused() {
        let damage: [fn(&mut Splits); 6] = [
            |t| t.left[0] = 0,
            |t| t.left[0] = 7,
            |t| t.right[2] = !9,
            |t| t.right[2] = !0,
            |t| t.feature[1] = 3,
            |t| t.leaf_value[1] = f64::NAN,
        ];
        for (i, harm) in damage.iter().enumerate() {
            let mut bad = tree();
            harm(&mut bad);
            let refused = Forest::new(&[bad], 3, 2);
            // A leaf visited twice is found by the count of leaves, or harmless: it is still a tree.
            assert!(refused.is_err() || i == 3, "damage {i}");
        }
        assert!(Forest::new(&[Splits::default()], 3, 2).is_err());
    }

    #[test]
    fn thresholds_round_to_the_same_decision() {
        for threshold in [0.1f64, -0.1, 1.0, 1e-30, 16777217.0, 1e300] {
            let rounded = round_down(threshold);
            for x in [rounded, rounded.next_up(), rounded.next_down()] {
                assert_eq!(f64::from(x) <= threshold, x <= rounded, "{threshold} {x}");
            }
        }
    }
}

//! The evaluation of a block of candidates on each instruction set: the same additions in the same order everywhere, so
//! that raw scores are the same to the bit.

use super::{Forest, LANES, MAX_LEAVES, Prepared};
use crate::math::isa::{Isa, Set};

impl Forest {
    /// [`Forest::score`] on the given instruction set.
    pub fn score_on(&self, isa: Isa, prepared: &Prepared, block: &[[f32; LANES]], out: &mut [f64; LANES]) {
        match isa.set() {
            Set::Portable => score_block(self, prepared, block, out),
            // SAFETY: there is no value of Isa whose features the processor lacks.
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => unsafe { super::avx2::score_block(self, prepared, block, out) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => unsafe { super::avx512::score_block(self, prepared, block, out) },
            // SAFETY: as above.
            #[cfg(target_arch = "aarch64")]
            Set::Neon => unsafe { super::neon::score_block(self, prepared, block, out) },
        }
    }
}

/// Plain loops, the one over tests in a form that the compiler vectorises: an `if` around the value that is kept became
/// a branch for each candidate.
fn score_block(forest: &Forest, prepared: &Prepared, block: &[[f32; LANES]], out: &mut [f64; LANES]) {
    *out = [0.0; LANES];
    for (leaves, first, tests) in prepared.trees(forest) {
        let mut words = [first; LANES];
        for test in tests {
            for (word, value) in words.iter_mut().zip(block[usize::from(test.feature)]) {
                let passed = u32::from(value > test.threshold).wrapping_sub(1);
                *word &= passed | test.keep;
            }
        }
        for (sum, word) in out.iter_mut().zip(words) {
            // A valid tree leaves one of the first 16 bits set.
            *sum += leaves[word.trailing_zeros() as usize % MAX_LEAVES];
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_pcg::Pcg64Mcg;

    use super::super::{Open, Splits, Tree};
    use super::*;

    const FEATURES: usize = 6;
    /// Of them, those of the candidate; the others are the user's.
    const VARYING: usize = 4;

    /// A random tree, grown leaf by leaf.
    fn random_tree(rng: &mut Pcg64Mcg, leaves: usize) -> Splits {
        let mut tree = Splits { leaf_value: vec![0.0], leaf_count: vec![1], ..Splits::default() };
        let mut above: Vec<Option<(usize, bool)>> = vec![None];
        while tree.leaf_value.len() < leaves {
            let (leaf, split) = (rng.random_range(0..tree.leaf_value.len()), tree.feature.len());
            match above[leaf] {
                Some((parent, true)) => tree.left[parent] = split as i32,
                Some((parent, false)) => tree.right[parent] = split as i32,
                None => {}
            }
            tree.feature.push(rng.random_range(0..FEATURES));
            // Few values, so that some candidates are exactly at a threshold.
            tree.threshold.push(f64::from(rng.random_range(-4..4i32)) / 4.0);
            tree.left.push(!(leaf as i32));
            tree.right.push(!(tree.leaf_value.len() as i32));
            above[leaf] = Some((split, true));
            above.push(Some((split, false)));
            tree.leaf_value.push(0.0);
            tree.leaf_count.push(1);
        }
        tree.leaf_value.iter_mut().for_each(|v| *v = rng.random_range(-1.0..1.0));
        tree
    }

    /// The leaf's value by walking from the root.
    fn walk(tree: &Splits, values: &[f32]) -> f64 {
        let mut node = if tree.feature.is_empty() { !0 } else { 0 };
        while node >= 0 {
            let i = node as usize;
            let left = f64::from(values[tree.feature[i]]) <= tree.threshold[i];
            node = if left { tree.left[i] } else { tree.right[i] };
        }
        tree.leaf_value[!node as usize]
    }

    #[test]
    fn every_set_agrees_with_walking_the_trees_to_the_bit() {
        let mut rng = Pcg64Mcg::seed_from_u64(1);
        for round in 0..200 {
            let trees: Vec<Splits> = (0..20).map(|i| random_tree(&mut rng, 1 + (round + i) % MAX_LEAVES)).collect();
            let forest = Forest::new(&trees, FEATURES, VARYING).unwrap();
            assert!(forest.valid(FEATURES, VARYING));
            let user: Vec<f32> = (VARYING..FEATURES).map(|_| rng.random_range(-8..8i32) as f32 / 8.0).collect();
            let block: Vec<[f32; LANES]> =
                (0..VARYING).map(|_| std::array::from_fn(|_| rng.random_range(-8..8i32) as f32 / 8.0)).collect();
            let expected: [u64; LANES] = std::array::from_fn(|lane| {
                let values: Vec<f32> = block.iter().map(|row| row[lane]).chain(user.iter().copied()).collect();
                trees.iter().fold(0.0, |sum, tree| sum + walk(tree, &values)).to_bits()
            });
            let prepared = forest.prepare(&user);
            for isa in Isa::available() {
                let mut out = [f64::NAN; LANES];
                forest.score_on(isa, &prepared, &block, &mut out);
                assert_eq!(out.map(f64::to_bits), expected, "round {round}, {}", isa.name());
            }
        }
    }

    #[test]
    fn a_damaged_tree_is_not_read_beyond_its_end() {
        let tree = Tree { tests: Vec::new(), varying: 0, count: 1, leaves: [1.0; MAX_LEAVES], rows: [1; MAX_LEAVES] };
        let forest = Forest { features: 0, varying: 0, trees: vec![tree] };
        for isa in Isa::available() {
            for word in [0, 1 << 16, 1 << 31] {
                let prepared = Prepared { trees: vec![Open { leaves: word, end: 0 }], tests: Vec::new() };
                forest.score_on(isa, &prepared, &[], &mut [0.0; LANES]);
            }
        }
    }
}

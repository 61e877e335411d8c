//! Random forests of the shape that trainings give: 16 leaves, grown leaf by leaf.

use rand::RngExt;
use rand_pcg::Pcg64Mcg;
use reco_models::kernels::Splits;

/// Splits a random leaf until there are `leaves`.
pub fn random_tree(rng: &mut Pcg64Mcg, leaves: usize, features: usize) -> Splits {
    let mut tree = Splits { leaf_value: vec![0.0], leaf_count: vec![100], ..Splits::default() };
    let mut above: Vec<Option<(usize, bool)>> = vec![None];
    while tree.leaf_value.len() < leaves {
        let (leaf, split) = (rng.random_range(0..tree.leaf_value.len()), tree.feature.len());
        match above[leaf] {
            Some((parent, true)) => tree.left[parent] = split as i32,
            Some((parent, false)) => tree.right[parent] = split as i32,
            None => {}
        }
        tree.feature.push(rng.random_range(0..features));
        tree.threshold.push(rng.random_range(-1.0..1.0));
        tree.left.push(!(leaf as i32));
        tree.right.push(!(tree.leaf_value.len() as i32));
        above[leaf] = Some((split, true));
        above.push(Some((split, false)));
        tree.leaf_value.push(0.0);
        tree.leaf_count.push(100);
    }
    tree.leaf_value.iter_mut().for_each(|v| *v = rng.random_range(-1.0..1.0));
    tree
}

/// By leaf, the features that are tested on the way to it; summed over the leaves.
pub fn features_on_paths(tree: &Splits) -> usize {
    fn visit(tree: &Splits, node: i32, above: &[usize]) -> usize {
        if node < 0 {
            return above.len();
        }
        let i = node as usize;
        let mut above = above.to_vec();
        if !above.contains(&tree.feature[i]) {
            above.push(tree.feature[i]);
        }
        visit(tree, tree.left[i], &above) + visit(tree, tree.right[i], &above)
    }
    visit(tree, if tree.feature.is_empty() { !0 } else { 0 }, &[])
}

//! The forest and the calibration, as they are read from a header and as they are made.

use bincode::config::standard;
use bincode::serde::{decode_from_slice, encode_to_vec};
use rand::RngExt;
use rand_pcg::Pcg64Mcg;
use reco_models::kernels::{Calibration, Forest, Isa, LANES, Splits};

use crate::driver::pick;
use crate::{driver, mutate};

const FEATURES: usize = 6;
/// Of them, those of the candidate.
const VARYING: usize = 4;

fn encoded(value: &impl serde::Serialize) -> Vec<u8> {
    encode_to_vec(value, standard().with_fixed_int_encoding()).unwrap()
}

fn changed(rng: &mut Pcg64Mcg, corpus: &[Vec<u8>]) -> Vec<u8> {
    mutate::bytes(rng, corpus, <[u8]>::len)
}

/// x0 ≤ 1.5 ? (x5 ≤ 0 ? 1 : 2) : (x1 ≤ −3 ? 3 : 4)
fn tree() -> Splits {
    Splits {
        feature: vec![0, 5, 1],
        threshold: vec![1.5, 0.0, -3.0],
        left: vec![1, !0, !2],
        right: vec![2, !1, !3],
        leaf_value: vec![1.0, 2.0, 3.0, 4.0],
        leaf_count: vec![10, 20, 30, 40],
    }
}

/// A leaf of the tree as LightGBM would find it.
fn leaf(tree: &Splits, row: &[f32]) -> f64 {
    let mut node = if tree.feature.is_empty() { !0 } else { 0 };
    while node >= 0 {
        let at = node as usize;
        let fails = f64::from(row[tree.feature[at]]) > tree.threshold[at];
        node = if fails { tree.right[at] } else { tree.left[at] };
    }
    tree.leaf_value[!node as usize]
}

fn row(rng: &mut Pcg64Mcg) -> Vec<f32> {
    let value = |rng: &mut Pcg64Mcg| match rng.random_range(0..3) {
        0 => *pick(rng, &[0.0, -0.0, 1.5, -3.0, f32::MAX, f32::MIN, f32::MIN_POSITIVE]),
        _ => rng.random_range(-4.0..4.0),
    };
    (0..FEATURES).map(|_| value(rng)).collect()
}

/// All instruction sets give the same score, and the contributions sum to it.
fn scored(forest: &Forest, row: &[f32]) -> f64 {
    let prepared = forest.prepare(&row[VARYING..]);
    let block: Vec<[f32; LANES]> = row[..VARYING].iter().map(|value| [*value; LANES]).collect();
    let mut out = [0.0; LANES];
    forest.score(&prepared, &block, &mut out);
    for isa in Isa::available() {
        let mut other = [0.0; LANES];
        forest.score_on(isa, &prepared, &block, &mut other);
        assert_eq!(other.map(f64::to_bits), out.map(f64::to_bits), "{}", isa.name());
    }
    let ceiling = forest.ceiling(&prepared) + out[0].abs() * 1e-12;
    assert!(out[0] <= ceiling || out[0].is_nan() || ceiling.is_nan(), "{} {ceiling}", out[0]);
    let explained = forest.shapley(&[row]);
    assert_eq!(explained[0].by_feature.len(), FEATURES);
    out[0]
}

#[test]
fn stored_forests() {
    let single = Splits { leaf_value: vec![0.5], leaf_count: vec![0], ..Splits::default() };
    let corpus = [vec![], vec![tree()], vec![tree(), single, tree()]]
        .map(|trees| encoded(&Forest::new(&trees, FEATURES, VARYING).unwrap()));
    let mut look = |input: &[u8], rng: &mut Pcg64Mcg| {
        let config = standard().with_fixed_int_encoding().with_limit::<{ 1 << 20 }>();
        match decode_from_slice::<Forest, _>(input, config) {
            Err(error) => driver::kind(&error),
            Ok((forest, _)) if !forest.valid(FEATURES, VARYING) => "not sound".into(),
            Ok((forest, _)) => {
                scored(&forest, &row(rng));
                format!("sound, {} trees", forest.trees())
            }
        }
    };
    driver::Target { name: "forest", corpus: corpus.into(), mutate: changed, look: &mut look }.run();
}

/// Each number of the tree is one byte of the input, so that most changes give a tree that is nearly one.
fn splits(input: &[u8]) -> Splits {
    let number = |at: usize| input.get(at).copied().unwrap_or(0) as i8;
    let n = usize::from(input.first().copied().unwrap_or(0) % 18);
    let list = |from: usize, n: usize| (0..n).map(move |i| 1 + from * 18 + i);
    let real = |byte: i8| match byte {
        127 => f64::NAN,
        126 => f64::INFINITY,
        125 => 1e308,
        124 => -1e308,
        _ => f64::from(byte) / 8.0,
    };
    Splits {
        feature: list(0, n).map(|at| number(at).unsigned_abs().into()).collect(),
        threshold: list(1, n).map(|at| real(number(at))).collect(),
        left: list(2, n).map(|at| number(at).into()).collect(),
        right: list(3, n).map(|at| number(at).into()).collect(),
        leaf_value: list(4, n + 1).map(|at| real(number(at))).collect(),
        leaf_count: list(5, n + 1).map(|at| number(at).unsigned_abs().into()).collect(),
    }
}

/// A tree of `n` splits, one below the other.
fn chain(n: u8) -> Vec<u8> {
    let mut input = vec![0; 1 + 6 * 18];
    input[0] = n;
    for i in 0..n {
        let at = 1 + usize::from(i);
        (input[at], input[at + 18]) = (i % FEATURES as u8, i);
        input[at + 2 * 18] = if i + 1 < n { i + 1 } else { !n };
        input[at + 3 * 18] = !i;
    }
    (0..=n).for_each(|i| (input[73 + usize::from(i)], input[91 + usize::from(i)]) = (i, i));
    input
}

#[test]
fn trained_trees() {
    let mut look = |input: &[u8], rng: &mut Pcg64Mcg| {
        let tree = splits(input);
        let trees = [tree.clone(), tree.clone()];
        match Forest::new(&trees, FEATURES, VARYING) {
            Err(error) => driver::kind(&error),
            Ok(forest) => {
                assert!(forest.valid(FEATURES, VARYING));
                let row = row(rng);
                let (fast, plain) = (scored(&forest, &row), leaf(&tree, &row) * 2.0);
                assert!(fast == plain || (fast.is_nan() && plain.is_nan()), "{fast} {plain}");
                format!("{} leaves", tree.leaf_value.len())
            }
        }
    };
    let corpus = [0, 1, 3, 7, 15].map(chain).into();
    driver::Target { name: "trees", corpus, mutate: changed, look: &mut look }.run();
}

/// Between 0 and 1, ascending, and the same for many at once.
fn check(calibration: &Calibration, rng: &mut Pcg64Mcg) {
    let [low, high] = calibration.range();
    let mut raw: Vec<f32> = (0..18).map(|_| f32::from_bits(rng.random())).filter(|raw| !raw.is_nan()).collect();
    raw.extend([low, high, low + (high - low) / 2.0, f32::INFINITY, f32::NEG_INFINITY].iter().filter(|v| !v.is_nan()));
    raw.sort_unstable_by(f32::total_cmp);
    let one_by_one: Vec<f32> = raw.iter().map(|raw| calibration.apply(*raw)).collect();
    assert!(one_by_one.iter().all(|score| (0.0..=1.0).contains(score)), "{raw:?} {one_by_one:?}");
    assert!(one_by_one.is_sorted(), "{raw:?} {one_by_one:?}");
    let mut all = vec![0.0; raw.len()];
    calibration.apply_all(&raw, &mut all);
    assert_eq!(all, one_by_one);
}

#[test]
fn calibrations() {
    let samples = [vec![], vec![0.5; 9], (0..500).map(|i| (i % 97) as f32 / 10.0).collect(), vec![f32::MIN, f32::MAX]];
    let corpus = samples.map(|sample| encoded(&Calibration::fit(sample, 5000))).into();
    let mut look = |input: &[u8], rng: &mut Pcg64Mcg| {
        let sample = input.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        let fitted = Calibration::fit(sample, input.len());
        assert!(fitted.valid(), "{fitted:?}");
        check(&fitted, rng);
        let config = standard().with_fixed_int_encoding().with_limit::<{ 1 << 20 }>();
        match decode_from_slice::<Calibration, _>(input, config) {
            Err(error) => driver::kind(&error),
            Ok((stored, _)) if !stored.valid() => "not sound".into(),
            Ok((stored, _)) => {
                check(&stored, rng);
                "sound".into()
            }
        }
    };
    driver::Target { name: "calibration", corpus, mutate: changed, look: &mut look }.run();
}

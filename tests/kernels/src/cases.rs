//! Each kernel with data of the size that trainings and calls give it. What a case loads and computes is the least that
//! it could, whatever the kernel does.

use std::hint::black_box;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use reco_models::kernels::{self, Basis, Calibration, DEPTH, Forest, Isa, LANES, Side, Solver, WIDTH};

use crate::trees::{features_on_paths, random_tree};

pub struct Case {
    pub name: &'static str,
    /// What the time is divided by, and how much of it a call does.
    pub unit: &'static str,
    pub units: usize,
    pub bytes_loaded: usize,
    /// Multiply-adds of floats; a comparison, an addition or a bitwise step counts as one too, one of doubles as two.
    pub madds: usize,
    pub call: Box<dyn FnMut(Isa)>,
}

pub fn all() -> Vec<Case> {
    let mut rng = Pcg64Mcg::seed_from_u64(1);
    let rng = &mut rng;
    vec![
        forest(rng),
        shapley(rng),
        dot(rng),
        dot_rows(rng),
        dot_rows_of_bytes(rng),
        rank_update("rank update, 64 x 64", 64, rng),
        rank_update("rank update, 64 x 50", 50, rng),
        product(rng),
        cholesky("Cholesky solve, 64 x 64", 64, rng),
        cholesky("Cholesky solve, 20 x 20", 20, rng),
        als("ALS, 200 items of 64 factors", 200, rng),
        als("ALS, 20 items of 64 factors", 20, rng),
        top(rng),
        calibration(rng),
    ]
}

fn floats(rng: &mut Pcg64Mcg, n: usize) -> Vec<f32> {
    (0..n).map(|_| rng.random_range(-1.0..1.0)).collect()
}

const TREES: usize = 100;
const LEAVES: usize = 16;
const FEATURES: usize = 24;

/// All tests are on the candidates' features: fewer are, when some are on the user's.
fn forest(rng: &mut Pcg64Mcg) -> Case {
    const CANDIDATES: usize = 300;
    let trees: Vec<_> = (0..TREES).map(|_| random_tree(rng, LEAVES, FEATURES)).collect();
    let forest = Forest::new(&trees, FEATURES, FEATURES).expect("random trees are trees");
    let prepared = forest.prepare(&[]);
    let blocks: Vec<Vec<[f32; LANES]>> = (0..CANDIDATES.div_ceil(LANES))
        .map(|_| (0..FEATURES).map(|_| std::array::from_fn(|_| rng.random_range(-1.0..1.0))).collect())
        .collect();
    let tests = blocks.len() * TREES * (LEAVES - 1);
    let leaves = blocks.len() * TREES * LANES;
    Case {
        name: "forest, 300 candidates, 100 trees",
        unit: "candidate and tree",
        units: CANDIDATES * TREES,
        bytes_loaded: tests * (LANES * 4 + 8) + leaves * 8,
        madds: tests * LANES * 2 + leaves * 2,
        call: Box::new(move |isa| {
            let mut out = [0.0; LANES];
            for block in &blocks {
                forest.score_on(isa, &prepared, black_box(block), &mut out);
                black_box(&out);
            }
        }),
    }
}

fn shapley(rng: &mut Pcg64Mcg) -> Case {
    const ROWS: usize = 10;
    /// Of the integral, in doubles.
    const POINTS: usize = 8;
    let trees: Vec<_> = (0..TREES).map(|_| random_tree(rng, LEAVES, FEATURES)).collect();
    let forest = Forest::new(&trees, FEATURES, FEATURES).expect("random trees are trees");
    let rows: Vec<Vec<f32>> = (0..ROWS).map(|_| floats(rng, FEATURES)).collect();
    let steps = ROWS * trees.iter().map(features_on_paths).sum::<usize>();
    Case {
        name: "Shapley values, 10 rows, 100 trees",
        unit: "row and tree",
        units: ROWS * TREES,
        bytes_loaded: steps * POINTS * 8,
        madds: steps * POINTS * 2 * 5,
        call: Box::new(move |isa| {
            let rows: Vec<&[f32]> = rows.iter().map(Vec::as_slice).collect();
            black_box(forest.shapley_on(isa, black_box(&rows)));
        }),
    }
}

const FACTORS: usize = 64;

fn dot(rng: &mut Pcg64Mcg) -> Case {
    let (a, b) = (floats(rng, FACTORS), floats(rng, FACTORS));
    Case {
        name: "dot product of 64",
        unit: "float",
        units: FACTORS,
        bytes_loaded: FACTORS * 8,
        madds: FACTORS,
        call: Box::new(move |isa| {
            black_box(kernels::dot_on(isa, black_box(&a), black_box(&b)));
        }),
    }
}

/// Rows of the next two, which stay in the first-level cache.
const ROWS: usize = 100;

fn dot_rows(rng: &mut Pcg64Mcg) -> Case {
    let (rows, vector, mut out) = (floats(rng, ROWS * FACTORS), floats(rng, FACTORS), vec![0.0; ROWS]);
    Case {
        name: "dot products of 100 rows of 64",
        unit: "float",
        units: ROWS * FACTORS,
        bytes_loaded: ROWS * FACTORS * 4,
        madds: ROWS * FACTORS,
        call: Box::new(move |isa| kernels::dot_rows_on(isa, black_box(&rows), black_box(&vector), black_box(&mut out))),
    }
}

fn dot_rows_of_bytes(rng: &mut Pcg64Mcg) -> Case {
    let rows: Vec<i8> = (0..ROWS * FACTORS).map(|_| rng.random_range(-127..=127)).collect();
    let (vector, mut out) = (floats(rng, FACTORS), vec![0.0; ROWS]);
    Case {
        name: "dot products of 100 rows of 64 bytes",
        unit: "byte",
        units: ROWS * FACTORS,
        bytes_loaded: ROWS * FACTORS,
        madds: ROWS * FACTORS,
        call: Box::new(move |isa| {
            kernels::dot_rows_of_bytes_on(isa, black_box(&rows), black_box(&vector), black_box(&mut out));
        }),
    }
}

fn rank_update(name: &'static str, used: usize, rng: &mut Pcg64Mcg) -> Case {
    let mut panel = floats(rng, ROWS * FACTORS);
    panel.chunks_exact_mut(FACTORS).for_each(|row| row[used..].fill(0.0));
    let mut a = vec![0.0; FACTORS * FACTORS];
    let madds = ROWS * used * (used + 1) / 2;
    Case {
        name,
        unit: "multiply-add",
        units: madds,
        bytes_loaded: ROWS * used * 4,
        madds,
        call: Box::new(move |isa| kernels::rank_update_on(isa, black_box(&panel), FACTORS, used, black_box(&mut a))),
    }
}

/// A step of the inversion of a large matrix: a block of rows and a panel, both in the caches.
fn product(rng: &mut Pcg64Mcg) -> Case {
    let (left, right) = (floats(rng, DEPTH * DEPTH), floats(rng, DEPTH * WIDTH));
    let mut target = vec![0.0; DEPTH * WIDTH];
    let madds = DEPTH * DEPTH * WIDTH;
    Case {
        name: "product of 128 rows with a panel",
        unit: "multiply-add",
        units: madds,
        bytes_loaded: (left.len() + right.len() + 2 * target.len()) * 4,
        madds,
        call: Box::new(move |isa| {
            kernels::add_product_on(isa, black_box(&left), black_box(&right), black_box(&mut target), WIDTH);
        }),
    }
}

fn cholesky(name: &'static str, n: usize, rng: &mut Pcg64Mcg) -> Case {
    let width = n.next_multiple_of(LANES);
    let mut system = vec![0.0; width * width];
    for i in 0..n {
        (i..n).for_each(|j| system[i * width + j] = if i == j { n as f32 } else { rng.random_range(-1.0..1.0) });
    }
    let (right, mut a, mut b) = (floats(rng, width), vec![0.0; width * width], vec![0.0; width]);
    let madds = n * n * n / 6 + n * n;
    Case {
        name,
        unit: "multiply-add",
        units: madds,
        bytes_loaded: 2 * n * n * 4,
        madds,
        call: Box::new(move |isa| {
            a.copy_from_slice(&system);
            b.copy_from_slice(&right);
            black_box(kernels::solve_on(isa, black_box(&mut a), n, width, black_box(&mut b)));
        }),
    }
}

/// A row of a half-epoch: the rows of the fixed side are in the second-level cache.
fn als(name: &'static str, liked: usize, rng: &mut Pcg64Mcg) -> Case {
    const ITEMS: usize = 2000;
    let items = floats(rng, ITEMS * FACTORS);
    let basis = Basis { gram: vec![1.0; FACTORS], rows: ITEMS, regularization: 0.01, alpha0: 0.1 };
    let pairs: Vec<(u32, f32)> = (0..liked).map(|i| ((i * ITEMS / liked) as u32, 1.0)).collect();
    let mut scratch = Solver::new(Side::new(&items, FACTORS), &basis).scratch();
    let (small, large) = (liked.min(FACTORS), liked.max(FACTORS));
    let madds = large * small * small / 2 + small * small * small / 6 + 2 * liked * FACTORS;
    Case {
        name,
        unit: "multiply-add",
        units: madds,
        bytes_loaded: 2 * liked * FACTORS * 4,
        madds,
        call: Box::new(move |isa| {
            let solver = Solver::new(Side::new(&items, FACTORS), &basis).on(isa);
            black_box(solver.solve(black_box(&pairs).iter().copied(), &mut scratch).is_ok());
        }),
    }
}

fn top(rng: &mut Pcg64Mcg) -> Case {
    const ITEMS: usize = 8000;
    let scores = floats(rng, ITEMS);
    let skip: Vec<u32> = (0..ITEMS as u32).step_by(97).collect();
    Case {
        name: "the best 10 of 8000",
        unit: "score",
        units: ITEMS,
        bytes_loaded: ITEMS * 4,
        madds: ITEMS,
        call: Box::new(move |isa| {
            black_box(kernels::top_on(isa, black_box(&scores), 10, &skip));
        }),
    }
}

fn calibration(rng: &mut Pcg64Mcg) -> Case {
    const SCORES: usize = 4096;
    /// A search among 65 knots, and the two to interpolate between.
    const STEPS: usize = 7 + 4;
    let calibration = Calibration::fit(floats(rng, 5000), 30_000);
    let (raw, mut out) = (floats(rng, SCORES), vec![0.0; SCORES]);
    Case {
        name: "calibration of 4096 scores",
        unit: "score",
        units: SCORES,
        bytes_loaded: SCORES * 4 * (1 + 7 + 2),
        madds: SCORES * STEPS,
        call: Box::new(move |isa| calibration.apply_all_on(isa, black_box(&raw), black_box(&mut out))),
    }
}

//! One row of a half-epoch, or one user at query time: the vector that best explains a few interactions.

use serde::{Deserialize, Serialize};

use super::side::{PANEL_ROWS, Side};
use crate::error::{Error, Result};
use crate::math::isa::Isa;
use crate::math::kernel::{self, padded};
use crate::math::simd::dispatch;
use crate::math::vector::Simd;

/// What a solution needs besides the factors of the fixed side.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Basis {
    /// Diagonal of the Gram matrix of the fixed side, which is diagonal in its own eigenbasis.
    pub gram: Vec<f32>,
    /// Rows of the fixed side that the Gram matrix was summed over.
    pub rows: usize,
    pub regularization: f32,
    pub alpha0: f32,
}

/// Solves rows against one fixed side.
pub struct Solver<'a> {
    side: Side<'a>,
    basis: &'a Basis,
    width: usize,
    isa: Isa,
}

/// Buffers of one thread, reused from row to row.
#[derive(Default)]
pub struct Scratch {
    rows: Vec<u32>,
    weights: Vec<f32>,
    panel: Vec<f32>,
    system: Vec<f32>,
    right: Vec<f32>,
    diagonal: Vec<f32>,
    solution: Vec<f32>,
}

impl<'a> Solver<'a> {
    pub fn new(side: Side<'a>, basis: &'a Basis) -> Self {
        Solver { side, basis, width: padded(side.factors), isa: Isa::best() }
    }

    /// The same on the given instruction set.
    pub fn on(self, isa: Isa) -> Self {
        Solver { isa, ..self }
    }

    pub fn scratch(&self) -> Scratch {
        Scratch { solution: vec![0.0; self.width], ..Scratch::default() }
    }

    /// The minimiser for the given (row of the fixed side, weight) pairs, `factors` long; zeros without any.
    pub fn solve<'s>(&self, pairs: impl Iterator<Item = (u32, f32)>, scratch: &'s mut Scratch) -> Result<&'s [f32]> {
        scratch.rows.clear();
        scratch.weights.clear();
        for (row, weight) in pairs.filter(|(_, weight)| *weight > 0.0) {
            scratch.rows.push(row);
            scratch.weights.push(weight);
        }
        let k = self.side.factors;
        scratch.solution.clear();
        scratch.solution.resize(self.width, 0.0);
        if !scratch.rows.is_empty() {
            self.fill_diagonal(scratch);
            let solve = if scratch.rows.len() <= k { solve_dual_on } else { solve_primal_on };
            let solved = solve(self.isa, self, scratch);
            if !solved || scratch.solution[..k].iter().any(|v| !v.is_finite()) {
                return Err(Error::NotFinite("a factor"));
            }
        }
        Ok(&scratch.solution[..k])
    }

    /// How x·y of a target row of the fixed side is made up, x being the minimiser that was solved for the same pairs with
    /// the same buffers just before: of each of the given places among the pairs w_p·y_tᵀ·A⁻¹·y_p, what pair p adds to
    /// target t (Hu, Koren and Volinsky, 2008, section 5). The weights are positive.
    pub fn shares(
        &self,
        pairs: &[(u32, f32)],
        places: &[usize],
        target: u32,
        scratch: &mut Scratch,
    ) -> Result<Vec<f32>> {
        // The solution left the Cholesky factor in `system`; of the dual form also Y·D^(−1/2), transposed, and D^(−1/2).
        let Scratch { panel, system, right, diagonal, .. } = scratch;
        let (k, n) = (self.side.factors, pairs.len());
        let target = self.side.row(target);
        right.clear();
        right.resize(k.max(n), 0.0);
        let shares: Vec<f32> = if n <= k {
            // M being the dual system, W·Y·A⁻¹·y = M⁻¹·Y·D⁻¹·y.
            let width = padded(n);
            for ((row, d), y) in panel.chunks_exact(width).zip(diagonal.iter()).zip(target) {
                right.iter_mut().zip(&row[..n]).for_each(|(r, p)| *r += d * y * p);
            }
            substitute(system, n, width, right);
            places.iter().map(|place| right[*place]).collect()
        } else {
            right.iter_mut().zip(target).for_each(|(r, y)| *r = *y);
            substitute(system, k, self.width, right);
            let share = |(row, weight): (u32, f32)| {
                weight * self.side.row(row).iter().zip(right.iter()).map(|(y, r)| y * r).sum::<f32>()
            };
            places.iter().map(|place| share(pairs[*place])).collect()
        };
        if shares.iter().any(|v| !v.is_finite()) {
            return Err(Error::NotFinite("a liked item's share of a score"));
        }
        Ok(shares)
    }

    /// α0·Gram + λ·(n + α0·N): the system without its interactions.
    fn fill_diagonal(&self, scratch: &mut Scratch) {
        let basis = self.basis;
        let frequency = scratch.rows.len() as f32 + basis.alpha0 * basis.rows as f32;
        let ridge = basis.regularization * frequency;
        scratch.diagonal.clear();
        scratch.diagonal.extend(basis.gram.iter().map(|g| basis.alpha0 * g + ridge));
    }
}

/// Solves UᵀU·x = b in place, the upper triangle U being n × n with rows `width` apart.
fn substitute(u: &[f32], n: usize, width: usize, b: &mut [f32]) {
    for j in 0..n {
        let row = &u[j * width..][..n];
        let value = b[j] / row[j];
        b[j] = value;
        b[j + 1..n].iter_mut().zip(&row[j + 1..]).for_each(|(b, u)| *b -= value * u);
    }
    for j in (0..n).rev() {
        let row = &u[j * width..][..n];
        let sum: f32 = row[j + 1..].iter().zip(&b[j + 1..n]).map(|(u, x)| u * x).sum();
        b[j] = (b[j] - sum) / row[j];
    }
}

dispatch! {
    fn solve_primal_on(isa) = solve_primal(simd, solver: &Solver<'_>, scratch: &mut Scratch) -> bool
}
dispatch! {
    fn solve_dual_on(isa) = solve_dual(simd, solver: &Solver<'_>, scratch: &mut Scratch) -> bool
}

/// (D + Σ w·y·yᵀ)·x = Σ w·y, k × k.
#[inline(always)]
fn solve_primal<S: Simd>(simd: S, solver: &Solver<'_>, scratch: &mut Scratch) -> bool {
    let (k, width) = (solver.side.factors, solver.width);
    let Scratch { rows, weights, panel, system, diagonal, solution, .. } = scratch;
    system.clear();
    system.resize(width * width, 0.0);
    for (i, d) in diagonal.iter().enumerate() {
        system[i * width + i] = *d;
    }
    let mut rest = rows.chunks(PANEL_ROWS).skip(1);
    // Gathered in panels that stay in the first-level cache.
    for (rows, weights) in rows.chunks(PANEL_ROWS).zip(weights.chunks(PANEL_ROWS)) {
        solver.side.prefetch(rest.next().unwrap_or_default());
        panel.clear();
        panel.resize(rows.len() * width, 0.0);
        for ((to, row), weight) in panel.chunks_exact_mut(width).zip(rows).zip(weights) {
            let root = weight.sqrt();
            let from = solver.side.row(*row);
            for ((t, f), x) in to.iter_mut().zip(from).zip(solution.iter_mut()) {
                *t = root * f;
                *x += weight * f;
            }
        }
        kernel::rank_update(simd, panel, width, k, system);
    }
    kernel::solve(simd, system, k, width, solution)
}

/// The same x as D⁻¹·Yᵀ·(W⁻¹ + Y·D⁻¹·Yᵀ)⁻¹·1, n × n (push-through identity).
#[inline(always)]
fn solve_dual<S: Simd>(simd: S, solver: &Solver<'_>, scratch: &mut Scratch) -> bool {
    let (k, n) = (solver.side.factors, scratch.rows.len());
    let width = padded(n);
    let Scratch { rows, weights, panel, system, right, diagonal, solution, .. } = scratch;
    for d in diagonal.iter_mut() {
        *d = 1.0 / d.sqrt();
    }
    // Transposed, so that the same rank update serves: factors × interactions.
    panel.clear();
    panel.resize(k * width, 0.0);
    for (i, row) in rows.iter().enumerate() {
        let from = solver.side.row(*row);
        for ((to, f), d) in panel.chunks_exact_mut(width).zip(from).zip(diagonal.iter()) {
            to[i] = f * d;
        }
    }
    system.clear();
    system.resize(width * width, 0.0);
    for (i, weight) in weights.iter().enumerate() {
        system[i * width + i] = 1.0 / weight;
    }
    kernel::rank_update(simd, panel, width, n, system);
    right.clear();
    right.resize(width, 0.0);
    right[..n].fill(1.0);
    if !kernel::solve(simd, system, n, width, right) {
        return false;
    }
    // The rows are still in the first-level cache.
    for (row, z) in rows.iter().zip(right.iter()) {
        kernel::add_scaled(simd, solution, *z, solver.side.row(*row));
    }
    for (x, d) in solution.iter_mut().zip(diagonal.iter()) {
        *x *= d * d;
    }
    true
}

//! The regression of each item on all others, in closed form: EASE (Steck, "Embarrassingly Shallow Autoencoders for Sparse
//! Data", 2019), with dropout EDLAE. P = (G + Λ)⁻¹, G the weighted counts of shared users and Λ what [`super::Shrinkage`] adds to its
//! diagonal; the weight of item i in the prediction of item j is −P_ij/P_jj.
//!
//! Of items and users, the fewer decide the cost: with X the likes, the rows scaled by the roots of the users' weights,
//! P = Λ⁻¹ − Λ⁻¹·Xᵀ·(I + X·Λ⁻¹·Xᵀ)⁻¹·X·Λ⁻¹, so that a catalogue of any size is a matter of seconds where there are few
//! thousand users.

use rayon::prelude::*;

use super::counts::{MOST_LIKED, Pattern, even, row, weights};
use super::{NeighbourParams, Neighbours};
use crate::control::Control;
use crate::data::feedback::Interactions;
use crate::data::room::room;
use crate::error::Result;
use crate::math::inverse::{self, Symmetric};
use crate::parts::als::transposed;

/// The largest element of (G + Λ)·P − I, computed in f64, with which an inverse is used.
const TOLERANCE: f64 = 0.01;
/// Items whose columns of P are checked.
const CHECKED: usize = 8;

/// Rows of the matrix that is inverted: the items, or the users if they are fewer.
fn side(users: usize, items: usize) -> usize {
    users.min(items)
}

/// Multiply-adds that a fit takes at least: those of the inversion.
pub fn least_madds(users: usize, items: usize) -> f64 {
    inverse::madds(side(users, items))
}

/// Multiply-adds that a fit takes: those of the inversion, with those of the sums over likes at the tenfold, because they are
/// gathered from all over a row.
pub fn madds(matrix: &Interactions) -> f64 {
    const GATHERED: f64 = 10.0;
    let (users, items) = (matrix.rows(), matrix.cols());
    let squares = |counts: &[usize]| counts.iter().map(|n| (*n as f64).powi(2)).sum::<f64>();
    let by_user: Vec<usize> = matrix.outer_iterator().map(|row| row.nnz().min(MOST_LIKED)).collect();
    let mut by_item = vec![0; items];
    matrix.indices().iter().for_each(|item| by_item[*item as usize] += 1);
    let gathered = match users < items {
        true => 1.5 * squares(&by_item) + matrix.nnz() as f64 * (users as f64 / GATHERED + items as f64),
        false => 0.5 * squares(&by_user),
    };
    least_madds(users, items) + GATHERED * gathered
}

/// Bytes of a fit beside the weights that it gives.
pub fn bytes(users: usize, items: usize) -> usize {
    inverse::bytes(side(users, items))
}

/// The weights, of each item the `most` largest; None where the system cannot be inverted in f32.
///
/// # Errors
/// [`crate::Error::Stopped`], [`crate::Error::OutOfMemory`].
pub fn fit(matrix: &Interactions, params: &NeighbourParams, control: &Control) -> Result<Option<Neighbours>> {
    let likes = Likes::new(matrix, params.activity);
    let lambda: Vec<f32> = likes.totals.iter().map(|total| params.shrinkage.diagonal(*total) - total).collect();
    let Some(precision) = Precision::of(&likes, &lambda, control)? else { return Ok(None) };
    if precision.error(&likes, &lambda) > TOLERANCE {
        return Ok(None);
    }
    let rows: Vec<Vec<(u32, f32)>> = (0..lambda.len())
        .into_par_iter()
        .map_init(Vec::new, |row, item| {
            control.check()?;
            precision.row(item, row);
            let weights = row.iter().zip(&precision.diagonal).map(|(p, own)| -p / own);
            Ok(largest(weights.enumerate().filter(|(other, _)| *other != item), params.most))
        })
        .collect::<Result<_>>()?;
    let finite = rows.iter().flatten().all(|(_, weight)| weight.is_finite());
    Ok(finite.then(|| Neighbours::gather(rows.into_iter(), lambda.len())))
}

/// The `most` with the largest absolute weights that are not 0, by ascending index; of equal ones the first.
pub(super) fn largest(weights: impl Iterator<Item = (usize, f32)>, most: usize) -> Vec<(u32, f32)> {
    let mut all: Vec<(u32, f32)> = weights.filter(|(_, w)| *w != 0.0).map(|(item, w)| (item as u32, w)).collect();
    if all.len() > most {
        all.select_nth_unstable_by(most, |a, b| b.1.abs().total_cmp(&a.1.abs()).then(a.0.cmp(&b.0)));
        all.truncate(most);
        all.sort_unstable_by_key(|(item, _)| *item);
        all.shrink_to_fit();
    }
    all
}

/// Who likes what.
struct Likes {
    by_user: Pattern,
    by_item: Pattern,
    /// By user, and its root.
    weights: Vec<f32>,
    roots: Vec<f32>,
    /// By item: the summed weight of its users.
    totals: Vec<f32>,
}

impl Likes {
    fn new(matrix: &Interactions, activity: f32) -> Likes {
        let by_user = even(matrix);
        let by_item = transposed(&by_user);
        let weights = weights(matrix, activity);
        let total = |item: u32| row(&by_item, item).iter().map(|user| weights[*user as usize]).sum();
        let totals = (0..matrix.cols() as u32).map(total).collect();
        Likes { roots: weights.iter().map(|w| w.sqrt()).collect(), by_user, by_item, weights, totals }
    }

    fn users(&self) -> usize {
        self.weights.len()
    }

    /// X·x, the rows not scaled.
    fn of_users(&self, x: &[f64]) -> Vec<f64> {
        (0..self.users() as u32).map(|user| row(&self.by_user, user).iter().map(|i| x[*i as usize]).sum()).collect()
    }

    /// Xᵀ·y, the rows not scaled.
    fn of_items(&self, y: &[f64]) -> Vec<f64> {
        let item = |item: u32| row(&self.by_item, item).iter().map(|u| y[*u as usize]).sum();
        (0..self.totals.len() as u32).map(item).collect()
    }
}

/// P.
struct Precision<'a> {
    diagonal: Vec<f32>,
    form: Form<'a>,
}

enum Form<'a> {
    /// P itself.
    Items(Symmetric),
    /// (I + X·Λ⁻¹·Xᵀ)⁻¹ and what makes P of it.
    Users { inverse: Symmetric, likes: &'a Likes, lambda: &'a [f32] },
}

impl<'a> Precision<'a> {
    fn of(likes: &'a Likes, lambda: &'a [f32], control: &Control) -> Result<Option<Precision<'a>>> {
        let (users, items) = (likes.users(), lambda.len());
        let n = side(users, items);
        let mut system = Symmetric::new(n, room(inverse::cells(n))?);
        if users < items {
            fill_users(&mut system, likes, lambda)
        } else {
            fill_items(&mut system, likes, lambda)
        }
        let inverted = system.inverse(&|| control.check(), &|share| control.done(share))?;
        Ok(inverted.map(|inverse| match users < items {
            true => Precision::by_users(inverse, likes, lambda),
            false => {
                Precision { diagonal: (0..items).map(|i| inverse.row(i)[i]).collect(), form: Form::Items(inverse) }
            }
        }))
    }

    fn by_users(inverse: Symmetric, likes: &'a Likes, lambda: &'a [f32]) -> Precision<'a> {
        let explained = |item: u32| -> f32 {
            let users = row(&likes.by_item, item);
            let with = |user: &u32| {
                let inverse = inverse.row(*user as usize);
                let sum: f32 = users.iter().map(|other| likes.roots[*other as usize] * inverse[*other as usize]).sum();
                likes.roots[*user as usize] * sum
            };
            users.iter().map(with).sum()
        };
        let own = |item: usize| (1.0 - explained(item as u32) / lambda[item]) / lambda[item];
        let diagonal = (0..lambda.len()).into_par_iter().map(own).collect();
        Precision { diagonal, form: Form::Users { inverse, likes, lambda } }
    }

    /// A row of P.
    fn row(&self, item: usize, out: &mut Vec<f32>) {
        out.clear();
        match &self.form {
            Form::Items(inverse) => out.extend(inverse.row(item)),
            Form::Users { inverse, likes, lambda } => {
                let mut by_user = vec![0.0f32; likes.users()];
                for user in row(&likes.by_item, item as u32) {
                    let root = likes.roots[*user as usize] / lambda[item];
                    by_user.iter_mut().zip(inverse.row(*user as usize)).for_each(|(sum, v)| *sum += root * v);
                }
                by_user.iter_mut().zip(&likes.roots).for_each(|(sum, root)| *sum *= root);
                let shared = |other: u32| row(&likes.by_item, other).iter().map(|u| by_user[*u as usize]).sum::<f32>();
                out.extend((0..lambda.len()).map(|other| -shared(other as u32) / lambda[other]));
                out[item] = self.diagonal[item];
            }
        }
    }

    /// The largest element of some columns of (G + Λ)·P − I; infinite where one is not a number.
    fn error(&self, likes: &Likes, lambda: &[f32]) -> f64 {
        let mut by_total: Vec<usize> = (0..lambda.len()).collect();
        by_total.sort_by(|a, b| likes.totals[*b].total_cmp(&likes.totals[*a]));
        let (mut row, mut largest) = (Vec::new(), 0.0f64);
        for item in by_total.iter().step_by(lambda.len().div_ceil(CHECKED).max(1)) {
            self.row(*item, &mut row);
            let column: Vec<f64> = row.iter().map(|v| f64::from(*v)).collect();
            let mut by_user = likes.of_users(&column);
            by_user.iter_mut().zip(&likes.weights).for_each(|(v, weight)| *v *= f64::from(*weight));
            for (other, product) in likes.of_items(&by_user).into_iter().enumerate() {
                let one = if other == *item { 1.0 } else { 0.0 };
                let error = (product + f64::from(lambda[other]) * column[other] - one).abs();
                largest = if error.is_nan() { f64::INFINITY } else { largest.max(error) };
            }
        }
        largest
    }
}

/// The upper triangle of G + Λ.
fn fill_items(system: &mut Symmetric, likes: &Likes, lambda: &[f32]) {
    system.rows_mut().enumerate().for_each(|(item, sums)| {
        for user in row(&likes.by_item, item as u32) {
            let (weight, all) = (likes.weights[*user as usize], row(&likes.by_user, *user));
            let from = all.partition_point(|other| (*other as usize) < item);
            all[from..].iter().for_each(|other| sums[*other as usize] += weight);
        }
        sums[item] += lambda[item];
    });
}

/// The upper triangle of I + X·Λ⁻¹·Xᵀ.
fn fill_users(system: &mut Symmetric, likes: &Likes, lambda: &[f32]) {
    system.rows_mut().enumerate().for_each(|(user, sums)| {
        for item in row(&likes.by_user, user as u32) {
            let (scale, all) = (likes.roots[user] / lambda[*item as usize], row(&likes.by_item, *item));
            let from = all.partition_point(|other| (*other as usize) < user);
            all[from..].iter().for_each(|other| sums[*other as usize] += scale * likes.roots[*other as usize]);
        }
        sums[user] += 1.0;
    });
}

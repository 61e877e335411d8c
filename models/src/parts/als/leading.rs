//! The leading directions of who likes what, with which a low-pass filter is made.

use ndarray::{Array2, ArrayViewMut2, Axis};
use rayon::prelude::*;

use super::{GRAM_ROWS, averaged, eigen, gram, random, transposed};
use crate::control::Control;
use crate::data::feedback::Interactions;
use crate::error::Result;

/// Times that the interactions are gone through, there and back. A tail that is not quite separated is no harm: a filter with
/// a soft edge is as good.
const STEPS: usize = 5;
/// Directions whose squared length is below this share of the largest are noise of f32, and left out.
const NOISE: f64 = 1e-6;

/// The space of the `directions` largest singular values of D_u^-½·X·D_i^-½, X being 1 where there is a positive weight and D the
/// number of these by user and by item: items × directions, the columns orthonormal, or zeros where the rank is smaller. By subspace
/// iteration (Halko, Martinsson and Tropp, "Finding Structure with Randomness", 2011). Runs in the current rayon pool; the result does not
/// depend on its size.
///
/// # Errors
/// [`crate::Error::Stopped`], and [`crate::Error::NotFinite`].
pub fn leading(matrix: &Interactions, directions: usize, seed: u64, control: &Control) -> Result<Array2<f32>> {
    let by_item = transposed(matrix);
    let mut items = random(matrix.cols(), directions, seed);
    for _ in 0..STEPS {
        control.check()?;
        scale(&mut items, &by_item);
        let mut users = averaged(matrix, &items);
        control.check()?;
        scale(&mut users, matrix);
        items = averaged(&by_item, &users);
        control.check()?;
        orthonormalise(&mut items)?;
    }
    Ok(items)
}

/// Divides each row by the root of the number of positives in the row of `matrix`.
fn scale(rows: &mut Array2<f32>, matrix: &Interactions) {
    for (mut to, row) in rows.rows_mut().into_iter().zip(matrix.outer_iterator()) {
        let n = row.data().iter().filter(|weight| **weight > 0.0).count();
        to *= (n.max(1) as f32).sqrt().recip();
    }
}

fn orthonormalise(side: &mut Array2<f32>) -> Result<()> {
    let (values, vectors) = eigen(gram(side.view()))?;
    let least = NOISE * values.iter().fold(0.0f64, |most, value| most.max(*value));
    let length = |value: f64| if value > least { value.sqrt().recip() } else { 0.0 };
    let k = side.ncols();
    let rotation = Array2::from_shape_fn((k, k), |(i, j)| (vectors[(i, j)] * length(values[j])) as f32);
    side.axis_chunks_iter_mut(Axis(0), GRAM_ROWS).into_par_iter().for_each(|mut rows: ArrayViewMut2<f32>| {
        let rotated = rows.dot(&rotation);
        rows.assign(&rotated);
    });
    Ok(())
}

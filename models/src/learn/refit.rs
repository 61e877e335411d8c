//! The model that is served: fitted on everything, the hold-out included.

use ndarray::{Array2, Axis};
use rayon::prelude::*;

use crate::control::Control;
use crate::data::cut::Cut;
use crate::data::dataset::Dataset;
use crate::data::feedback::rows_of;
use crate::error::Result;
use crate::learn::choose;
use crate::learn::fit::{self, Settled};
use crate::model::model::Model;
use crate::parts::als::{AlsParams, Factorisation, transposed};
use crate::parts::collaborative::Collaborative;

/// Trains on the core, folds in the items outside of it, and gives the vector of every user: users × k, a row of zeros
/// for a user without a liked item.
///
/// # Errors
/// [`crate::Error::Stopped`], and [`crate::Error::NotFinite`] where a system cannot be solved.
pub fn refit(all: &Cut, core: &Cut, settled: &Settled, control: &Control) -> Result<(Model, Array2<f32>)> {
    let als = &settled.recipe.als;
    let (core_part, trained) = choose::fit(&choose::learned(core, &settled.recipe, &[]), &settled.recipe, control)?;
    let index = |item: u32| all.data.items.binary_search(&core.data.items[item as usize]).unwrap_or(0) as u32;
    let part = Collaborative {
        factors: item_factors(all, core, &trained, als, control)?.into(),
        // Every item of the core is an item of all.
        neighbours: core_part.neighbours.renumbered(all.data.items.len(), index),
        ..core_part
    };
    let parts = fit::assemble(all, part, settled.forest.clone());
    let model = fit::calibrate(parts, all, settled.weights, control)?;
    let users = user_vectors(&model, &all.data, als.factors, control)?;
    Ok((model, users))
}

fn user_vectors(model: &Model, data: &Dataset, factors: usize, control: &Control) -> Result<Array2<f32>> {
    const CHUNK: usize = 256;
    let mut users = Array2::zeros((data.users.len(), factors));
    users.axis_chunks_iter_mut(Axis(0), CHUNK).into_par_iter().enumerate().try_for_each(|(chunk, mut rows)| {
        control.check()?;
        for (i, mut row) in rows.rows_mut().into_iter().enumerate() {
            let vector = model.fold_in(data.events.row(chunk * CHUNK + i))?;
            row.iter_mut().zip(vector).for_each(|(to, from)| *to = from);
        }
        Ok(())
    })?;
    Ok(users)
}

/// items × k: those of the core as they were trained, the others solved for from the users of the core.
fn item_factors(
    all: &Cut,
    core: &Cut,
    trained: &Factorisation,
    params: &AlsParams,
    control: &Control,
) -> Result<Array2<f32>> {
    let users = core.data.users.iter().filter_map(|id| all.data.users.binary_search(id).ok());
    let by_item = transposed(&rows_of(all.liked(), users));
    let mut items = trained.fold_in_items(&by_item, params, control)?;
    for (row, id) in trained.items.rows().into_iter().zip(&core.data.items) {
        if let Ok(item) = all.data.items.binary_search(id) {
            items.row_mut(item).assign(&row);
        }
    }
    Ok(items)
}

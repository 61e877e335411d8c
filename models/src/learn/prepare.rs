//! The part of the data that is trained on: users and items with enough positives.

use crate::control::Control;
use crate::data::cut::Cut;
use crate::data::split;
use crate::error::{Error, Result};
use crate::learn::params::ValidParams;

/// The k-core of the data.
pub struct Core {
    pub cut: Cut,
    /// Positives that each of its users and items has at least.
    pub min_interactions: usize,
}

/// Positives per user and item that a model is usually trained on.
const USUAL: usize = 5;

/// The users and items that have enough positives among each other: 5, or less where 5 would leave less than a fifth of
/// the positives (a young site). Adds a note where it is less.
///
/// # Errors
/// [`Error::TooLittleData`] where nothing is liked, or where the option `min_interactions` leaves nothing.
pub fn core(all: &Cut, params: &ValidParams, control: &Control, notes: &mut Vec<String>) -> Result<Core> {
    let positives = all.liked().nnz();
    if positives == 0 {
        let stars = params.positive_stars;
        return Err(Error::TooLittleData(format!(
            "there is no favourite, no review of {stars} stars or more and no event of a positive weight: nothing to learn from"
        )));
    }
    let tries = params.min_interactions.map_or(vec![USUAL, 3, 2, 1], |fixed| vec![fixed]);
    for min in tries {
        control.check()?;
        let (users, items) = split::core(all, min, control)?;
        let cut = all.restrict(&users, &items);
        let kept = cut.liked().nnz();
        let enough = kept * 5 >= positives || params.min_interactions.is_some() || min == 1;
        if enough && kept > 0 {
            if min < USUAL && params.min_interactions.is_none() {
                notes.push(format!(
                    "few interactions: trained on users and items with at least {min} positives instead of {USUAL}"
                ));
            }
            return Ok(Core { cut, min_interactions: min });
        }
    }
    let least = params.min_interactions.unwrap_or(1);
    Err(Error::TooLittleData(format!(
        "no users and items with at least {least} positives each; lower the option \"min_interactions\""
    )))
}

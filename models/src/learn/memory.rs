//! What memory a run may need, told before it is allocated: refusing is an error, running out is a crash.

use crate::learn::choose::{most_factors, most_neighbours};
use crate::learn::params::ValidParams;
use crate::parts::neighbours::block_bytes;
use crate::parts::ratings;

/// Bytes that a run needs at most, about: what was read, four indexed copies of the interactions (all, core, two
/// training parts) with a matrix each, one matrix in the other orientation, factors of both sides three times, three sets of neighbours of
/// the items that enough users share and the regressions behind one, the content rows, and what predicting stars takes.
pub fn estimate_memory(interactions: usize, users: usize, items: usize, params: &ValidParams) -> u64 {
    let per_interaction = 28 + 4 * (18 + 8) + 8 + ratings::BYTES_PER_RATING;
    let per_row = 3 * 4 * most_factors(params.factors) + 200 + ratings::BYTES_PER_ROW;
    let shared_items = items.min(interactions / 5);
    let neighbours = most_neighbours(params.neighbours, shared_items);
    let per_shared_item = (3 * 8 + 36) * neighbours;
    let content_rows = 300 << 20;
    let systems = block_bytes(shared_items, neighbours);
    (interactions * per_interaction
        + (users + items) * per_row
        + shared_items * per_shared_item
        + systems
        + content_rows) as u64
}

//! The regressions of all items on their nearest items.
//!
//! The systems need the weight of the users that any two neighbours of an item share. Counted for each item from the
//! users of its neighbours, that is three quarters of all work: a popular item is in thousands of neighbourhoods, and
//! all its users would be visited for each. So each item is counted against all others once more, and that row is
//! copied into every neighbourhood that needs it; neighbourhoods are taken in blocks, so that the systems fit into
//! memory.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use rayon::prelude::*;

use super::counts::{Counter, Positives};
use super::{NeighbourParams, Neighbours, Shrinkage};
use crate::control::Control;
use crate::data::feedback::Interactions;
use crate::error::Result;
use crate::math::kernel::{self, padded};
use crate::math::simd::prefetch;

/// Items per task.
const CHUNK: usize = 16;
/// The memory that the systems of a block may take.
const GRAM_BYTES: usize = 256 << 20;

/// The regressions of all items, for one or several shrinkages: most of the work is shared. Items have the numbers of
/// [`Positives`].
pub struct Regressions {
    /// By new number, the item's number in the matrix.
    order: Vec<u32>,
    nearest: Nearest,
    /// By shrinkage, as [`Nearest::items`].
    weights: Vec<Vec<f32>>,
}

/// The items that each is predicted from, by falling number of users.
struct Nearest {
    /// The most items by item, and the stride of the columns.
    most: usize,
    count: Vec<u32>,
    items: Vec<u32>,
    /// The weight of the users shared with each.
    shared: Vec<f32>,
}

impl Nearest {
    fn of(&self, item: usize) -> (&[u32], &[f32]) {
        let range = item * self.most..item * self.most + self.count[item] as usize;
        (&self.items[range.clone()], &self.shared[range])
    }
}

impl Regressions {
    /// With the given shrinkages instead of the one in `params`.
    ///
    /// # Errors
    /// [`crate::Error::Stopped`].
    pub fn fit(
        matrix: &Interactions,
        params: &NeighbourParams,
        shrinkages: &[Shrinkage],
        control: &Control,
    ) -> Result<Regressions> {
        let at_once = GRAM_BYTES / system_bytes(params.most).max(1);
        Regressions::fit_in_blocks(matrix, params, shrinkages, at_once, control)
    }

    /// With the systems of `at_once` items in memory.
    pub(super) fn fit_in_blocks(
        matrix: &Interactions,
        params: &NeighbourParams,
        shrinkages: &[Shrinkage],
        at_once: usize,
        control: &Control,
    ) -> Result<Regressions> {
        let positives = Positives::new(matrix, params.activity);
        let items = positives.items();
        // Less room in a small catalogue.
        let most = params.most.min(items.saturating_sub(1)).max(1);
        let at_once = at_once.clamp(1, items.max(1));
        let blocks = items.div_ceil(at_once);
        let done = AtomicUsize::new(0);
        // In rows that are counted: once to find the nearest, once for each block.
        let all = (items * (1 + blocks)) as f32;
        let progress = || control.done(done.fetch_add(1, Ordering::Relaxed) as f32 / all);
        let nearest = nearest(&positives, most, &progress)?;
        let mut weights = vec![vec![0.0; items * most]; shrinkages.len()];
        let cells = zeros(at_once * pairs(most));
        for first in (0..items).step_by(at_once) {
            let block = first..items.min(first + at_once);
            count_pairs(&positives, &nearest, block.clone(), &cells, &progress)?;
            for (shrinkage, weights) in shrinkages.iter().zip(&mut weights) {
                let weights = &mut weights[block.start * most..block.end * most];
                weights.par_chunks_mut(most).enumerate().with_min_len(CHUNK).try_for_each_init(
                    System::default,
                    |system, (i, weights)| {
                        control.check()?;
                        let cells = &cells[i * pairs(most)..(i + 1) * pairs(most)];
                        system.solve(&positives, nearest.of(block.start + i), cells, shrinkage, weights);
                        Ok(())
                    },
                )?;
            }
        }
        Ok(Regressions { order: positives.order().to_vec(), nearest, weights })
    }

    /// For the shrinkage with this index among those that were fitted: transposed, from what predicts an item to what an
    /// item predicts.
    pub fn neighbours(&self, shrinkage: usize) -> Neighbours {
        let Regressions { order, nearest, weights } = self;
        let (items, most) = (order.len(), nearest.most);
        let mut number = vec![0; items];
        let mut start = vec![0u32; items + 1];
        for (new, old) in order.iter().enumerate() {
            number[*old as usize] = new;
            nearest.of(new).0.iter().for_each(|from| start[order[*from as usize] as usize + 1] += 1);
        }
        (0..items).for_each(|i| start[i + 1] += start[i]);
        let all = start[items] as usize;
        let mut next = start.clone();
        let (mut item_of, mut weight_of) = (vec![0; all], vec![0.0; all]);
        for (item, new) in number.into_iter().enumerate() {
            for (from, weight) in nearest.of(new).0.iter().zip(&weights[shrinkage][new * most..]) {
                let next = &mut next[order[*from as usize] as usize];
                item_of[*next as usize] = item as u32;
                weight_of[*next as usize] = *weight;
                *next += 1;
            }
        }
        Neighbours { start: start.into(), item: item_of.into(), weight: weight_of.into() }
    }
}

/// Bytes of the counts between the neighbours of one item.
fn system_bytes(most: usize) -> usize {
    size_of::<f32>() * pairs(most)
}

/// The most bytes that the systems of a block take in a catalogue of this size.
pub fn block_bytes(items: usize, most: usize) -> usize {
    (items * system_bytes(most)).min(GRAM_BYTES)
}

/// Zeros in pages that the operating system clears on the thread that first writes to them.
fn zeros(cells: usize) -> Vec<AtomicU32> {
    let mut zeros = std::mem::ManuallyDrop::new(vec![0u32; cells]);
    // SAFETY: an atomic has the size and alignment of its number, and the vector is not used again.
    unsafe { Vec::from_raw_parts(zeros.as_mut_ptr().cast(), zeros.len(), zeros.capacity()) }
}

/// The number of pairs of n items; also where the pairs of item n with those before it begin.
fn pairs(n: usize) -> usize {
    n * n.saturating_sub(1) / 2
}

/// The nearest of every item by cosine.
fn nearest(positives: &Positives, most: usize, progress: &(impl Fn() -> Result<()> + Sync)) -> Result<Nearest> {
    let items = positives.items();
    let mut nearest =
        Nearest { most, count: vec![0; items], items: vec![0; items * most], shared: vec![0.0; items * most] };
    let rooms = nearest.items.par_chunks_mut(most).zip(nearest.shared.par_chunks_mut(most));
    rooms.zip(&mut nearest.count).enumerate().with_min_len(CHUNK).try_for_each_init(
        || (Counter::new(positives), Vec::new()),
        |(counter, order), (item, ((others, shared), count))| {
            progress()?;
            counter.count(item as u32);
            order.clear();
            order.extend(counter.met().iter().filter(|other| **other != item as u32).map(|other| {
                // By nearness, then by number, so that ties do not depend on the order of counting: the bits of
                // positive floats ascend with them.
                let near = counter.shared(*other) * positives.nearness(*other);
                u64::from(u32::MAX - near.to_bits()) << 32 | u64::from(*other)
            }));
            if order.len() > most {
                order.select_nth_unstable(most);
                order.truncate(most);
            }
            *count = order.len() as u32;
            let others = &mut others[..order.len()];
            others.iter_mut().zip(order.iter()).for_each(|(other, key)| *other = *key as u32);
            others.sort_unstable();
            shared.iter_mut().zip(others).for_each(|(shared, other)| *shared = counter.shared(*other));
            Ok(())
        },
    )?;
    Ok(nearest)
}

/// The weight of the users that each two neighbours of an item of the block share, packed: of the second with the
/// first, of the third with the first two, and so on. Of two neighbours, the one with fewer users is counted. The cells
/// hold the bits of floats; each is written by one thread.
fn count_pairs(
    positives: &Positives,
    nearest: &Nearest,
    block: std::ops::Range<usize>,
    cells: &[AtomicU32],
    progress: &(impl Fn() -> Result<()> + Sync),
) -> Result<()> {
    let most = nearest.most;
    let asked = Asked::of(nearest, block.clone());
    let wanted = |place: &Place| &nearest.items[place.item as usize * most..][..place.place as usize];
    let target = |place: &Place| {
        let first = (place.item as usize - block.start) * pairs(most) + pairs(place.place as usize);
        &cells[first..first + place.place as usize]
    };
    (0..positives.items()).into_par_iter().with_min_len(CHUNK).try_for_each_init(
        || Counter::new(positives),
        |counter, item| {
            progress()?;
            let places = asked.of_item(item);
            if places.is_empty() {
                return Ok(());
            }
            counter.count_before(item as u32);
            for (i, place) in places.iter().enumerate() {
                if let Some(next) = places.get(i + AHEAD) {
                    prefetch(wanted(next));
                    prefetch(target(next));
                }
                for (cell, other) in target(place).iter().zip(wanted(place)) {
                    cell.store(counter.shared(*other).to_bits(), Ordering::Relaxed);
                }
            }
            Ok(())
        },
    )
}

/// The memory of places this far ahead is prefetched.
const AHEAD: usize = 4;

/// A place among the nearest of an item.
#[derive(Clone, Copy)]
struct Place {
    item: u32,
    place: u32,
}

/// By item, where it is a neighbour and not the first.
struct Asked {
    start: Vec<u32>,
    places: Vec<Place>,
}

impl Asked {
    fn of(nearest: &Nearest, block: std::ops::Range<usize>) -> Asked {
        let items = nearest.count.len();
        let mut start = vec![0u32; items + 1];
        let neighbours = |item: usize| nearest.of(item).0.iter().enumerate().skip(1);
        for item in block.clone() {
            neighbours(item).for_each(|(_, other)| start[*other as usize + 1] += 1);
        }
        (0..items).for_each(|i| start[i + 1] += start[i]);
        let mut next = start.clone();
        let mut places = vec![Place { item: 0, place: 0 }; start[items] as usize];
        for item in block {
            for (place, other) in neighbours(item) {
                let next = &mut next[*other as usize];
                places[*next as usize] = Place { item: item as u32, place: place as u32 };
                *next += 1;
            }
        }
        Asked { start, places }
    }

    fn of_item(&self, item: usize) -> &[Place] {
        &self.places[self.start[item] as usize..self.start[item + 1] as usize]
    }
}

/// Buffers of one thread.
#[derive(Default)]
struct System {
    gram: Vec<f32>,
    right: Vec<f32>,
}

impl System {
    fn solve(
        &mut self,
        positives: &Positives,
        (items, shared): (&[u32], &[f32]),
        cells: &[AtomicU32],
        shrinkage: &Shrinkage,
        weights: &mut [f32],
    ) {
        let (n, width) = (items.len(), padded(items.len()));
        self.gram.clear();
        self.gram.resize(width * width, 0.0);
        for (place, item) in items.iter().enumerate() {
            self.gram[place * width + place] = shrinkage.diagonal(positives.total(*item));
            // Only the upper triangle is read.
            for (before, cell) in cells[pairs(place)..][..place].iter().enumerate() {
                self.gram[before * width + place] = f32::from_bits(cell.load(Ordering::Relaxed));
            }
        }
        self.right.clear();
        self.right.extend(shared);
        self.right.resize(width, 0.0);
        // Positive definite by the ridge; where f32 does not see it, the item is left without neighbours.
        let solved = kernel::solve_best(&mut self.gram, n, width, &mut self.right);
        if solved && self.right.iter().all(|w| w.is_finite()) {
            weights[..n].copy_from_slice(&self.right[..n]);
        }
    }
}

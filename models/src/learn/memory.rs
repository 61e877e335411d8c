//! What memory a run may need, told before it is allocated: refusing is an error, running out is a crash.

use crate::data::description::{Description, WIDTH};
use crate::learn::choose::{KEPT, filter_bytes, most_factors, most_neighbours};
use crate::learn::evaluate::System;
use crate::learn::params::ValidParams;
use crate::learn::reevaluate::Request;
use crate::parts::neighbours::{block_bytes, whole};
use crate::parts::ratings;

/// How much was read, counted while it is read.
#[derive(Debug, Clone, Default)]
pub struct Size {
    interactions: usize,
    catalog: usize,
    accounts: usize,
    links: usize,
    described: usize,
    terms: usize,
    embeddings: usize,
    clicks: usize,
    users: Distinct,
    items: Distinct,
}

impl Size {
    /// A row of the catalogue.
    pub fn item(&mut self, item: i64) {
        self.catalog += 1;
        self.items.add(item);
    }

    /// A review or a favourite.
    pub fn interaction(&mut self, user: i64, item: i64) {
        self.interactions += 1;
        self.users.add(user);
        self.items.add(item);
    }

    /// A row of the table of users.
    pub fn account(&mut self) {
        self.accounts += 1;
    }

    /// A category or an author of an item, beyond the first.
    pub fn link(&mut self) {
        self.links += 1;
    }

    /// A text or an embedding of an item.
    pub fn description(&mut self, description: &Description) {
        self.described += 1;
        self.terms += description.terms.len();
        self.embeddings += usize::from(!description.embedding.is_empty());
    }

    /// A click on what was shown.
    pub fn click(&mut self) {
        self.clicks += 1;
    }

    /// Bytes of the columns that hold what was read.
    pub fn bytes(&self) -> u64 {
        let descriptions = self.described * 28 + self.terms * 8 + self.embeddings * 4 * WIDTH;
        (self.interactions * 36
            + self.catalog * 32
            + self.accounts * 16
            + self.links * 16
            + self.clicks * 28
            + descriptions) as u64
    }
}

/// About how many different ids there were, by linear counting (Whang, Vander-Zanden and Taylor 1990): a megabyte counts
/// twenty million to within a percent.
#[derive(Debug, Clone, Default)]
struct Distinct {
    bits: Vec<u64>,
    set: usize,
}

impl Distinct {
    const BITS: usize = 1 << 23;

    fn add(&mut self, id: i64) {
        if self.bits.is_empty() {
            self.bits = vec![0; Self::BITS / 64];
        }
        let hash = xxhash_rust::xxh3::xxh3_64(&id.to_le_bytes()) as usize % Self::BITS;
        let (word, bit) = (&mut self.bits[hash / 64], 1 << (hash % 64));
        self.set += usize::from(*word & bit == 0);
        *word |= bit;
    }

    fn count(&self) -> usize {
        let bits = Self::BITS as f64;
        let clear = (Self::BITS - self.set).max(1) as f64;
        (bits * (bits / clear).ln()).ceil() as usize
    }
}

/// As it was read, as pairs that are sorted, and in four copies of the items and their groups.
const PER_LINK: usize = 2 * 16 + 4 * 12;

/// As it was read, by pair, and in a matrix of its own with both orientations.
const PER_CLICK: usize = 28 + 32 + 2 * 8 + 8;

/// Of a term as it was read, counted, and in four copies of the items; of an embedding as it was read, and in these.
const PER_TERM: usize = 8 + 2 * 4 + 4 * 6;
const PER_EMBEDDING: usize = 4 * WIDTH + 4 * (WIDTH + 4);

impl Size {
    fn labels_and_descriptions(&self) -> usize {
        self.links * PER_LINK
            + self.clicks * PER_CLICK
            + self.described * 28
            + self.terms * PER_TERM
            + self.embeddings * PER_EMBEDDING
    }
}

/// Bytes that a run needs at most, about: what was read, four indexed copies of the interactions (all, core, two
/// training parts) with a matrix each, one matrix in the other orientation, factors of both sides three times, three sets
/// of neighbours of the items that enough users share and the regressions behind one, a sum with a low-pass filter, the content rows, and what
/// predicting stars takes.
pub fn estimate_memory(size: &Size, params: &ValidParams) -> u64 {
    let (interactions, users, items) = (size.interactions, size.users.count(), size.items.count());
    let per_interaction = 36 + 4 * (18 + 8) + 8 + ratings::BYTES_PER_RATING;
    let per_row = 3 * 4 * most_factors(params.factors) + 200 + ratings::BYTES_PER_ROW;
    // Without the option the core may shrink to users and items with one positive.
    let shared_items = items.min(interactions / params.min_interactions.unwrap_or(1).max(1));
    let neighbours = most_neighbours(params.neighbours, shared_items);
    let per_shared_item = (3 * 8 + 36) * neighbours;
    let content_rows = 300 << 20;
    let systems = block_bytes(shared_items, neighbours);
    let whole = whole_bytes(users, shared_items, params);
    let before = neighbours + if whole > 0 { KEPT } else { 0 };
    let filter = if params.neighbours.is_none() { filter_bytes(shared_items, before) } else { 0 };
    (interactions * per_interaction
        + (users + items) * per_row
        + size.labels_and_descriptions()
        + (shared_items * per_shared_item + systems).max(whole)
        + filter
        + content_rows) as u64
}

/// Bytes of the regression of each item on all others, where there is time for it: the matrix that is inverted, and the weights
/// of a fit as rows and gathered, beside those of the best try and of the nearest.
fn whole_bytes(users: usize, items: usize, params: &ValidParams) -> usize {
    let tried = params.budget.whole_tries(whole::least_madds(users, items)) > 0;
    let weights = 4 * 8 * items * KEPT.min(items);
    if tried && params.neighbours.is_none() { whole::bytes(users, items) + weights } else { 0 }
}

/// Bytes that the evaluation of a stored model on `threads` threads needs at most, about: what was read, sorted and in five
/// copies (all, what the model knows, its training part and two views of that) with two matrices, what a thread scores of each
/// item, the lists, and the figures of each user.
pub fn estimate_evaluation(size: &Size, request: &Request, threads: usize) -> u64 {
    let (interactions, users, items) = (size.interactions, size.users.count(), size.items.count());
    let per_item_scored = 16 * 4;
    let ranked = request.most_users.min(users);
    let parts = System::ALL.len();
    let per_user = parts * 4 * request.longest() + threads.min(parts) * request.cutoffs.len() * 8 * 8;
    (interactions * (36 + 40 + 5 * 25 + 2 * 8)
        + (users + items) * 200
        + size.labels_and_descriptions()
        + threads * items * per_item_scored
        + ranked * per_user) as u64
}

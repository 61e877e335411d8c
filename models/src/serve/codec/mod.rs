//! A model as bytes: magic, format version, checksum, a length-limited bincode header, then aligned little-endian columns.
//! Nothing is allocated or followed before it is checked.
//!
//! There are two kinds with one layout. A *stored* model is as small as possible. An *image* holds the derived values as
//! well: the processes that map it serve it without copying.
//!
//! bincode encodes the header only. It was named by the project's owner, and is no longer maintained (RUSTSEC-2025-0141):
//! nothing outside of this folder uses it, its input is limited in length and covered by a checksum, and raising
//! `FORMAT` is all it takes to write the header by another library.

mod read;
mod write;

use bincode::config::{Configuration, Fixint, Limit, LittleEndian};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::data::column::Bytes;
use crate::data::feedback::Feedback;
use crate::data::items::ItemTable;
use crate::data::vectors::Vectors;
use crate::error::{Error, Result};
use crate::model::calibration::Calibration;
use crate::model::ensemble::Weights;
use crate::model::model::Model;
use crate::parts::als::Basis;
use crate::parts::collaborative::Blend;
use crate::parts::content::Forest;
use crate::parts::popularity::Scale;
use crate::parts::ratings::UserPrior;
use crate::serve::retrieve::{Retrieval, ServedModel};
use read::{Columns, read_derived, read_fitted, read_retrieval};
use write::write;

const MAGIC: [u8; 8] = *b"recomodl";
/// To be raised with every change of the layout or the header.
const FORMAT: u32 = 4;
/// Bytes before the header: magic, format, length of the header, checksum of what follows.
const PREFIX: usize = 8 + 4 + 4 + 8;
/// Columns begin at multiples of this: a cache line of the processor.
const ALIGNMENT: usize = 64;
/// Bytes of the header at most. A thousand trees of 32 leaves take about 1 MB.
const HEADER_LIMIT: usize = 64 << 20;

fn config() -> Configuration<LittleEndian, Fixint, Limit<HEADER_LIMIT>> {
    bincode::config::standard().with_fixed_int_encoding().with_limit::<HEADER_LIMIT>()
}

#[derive(Serialize, Deserialize)]
struct Header {
    feedback: Feedback,
    basis: Basis,
    blend: Blend,
    forest: Option<Forest>,
    calibrations: [Calibration; 3],
    weights: Weights,
    items: usize,
    factors: usize,
    neighbours: usize,
    ratings: Option<RatingHeader>,
    image: Option<ImageHeader>,
}

/// Follows the header where an item has several categories or authors, or there are vectors: how many there are beyond the
/// first of each item. A model without any has the bytes that it had before there were such items.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Several {
    categories: usize,
    authors: usize,
}

impl Several {
    fn of(items: &ItemTable) -> Several {
        let [categories, authors] = [&items.category, &items.author].map(|keys| keys.more.value.len());
        Several { categories, authors }
    }

    fn is_empty(&self) -> bool {
        self.categories == 0 && self.authors == 0
    }
}

/// Follows that where items have texts or embeddings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
struct VectorHeader {
    documents: u32,
    vocabulary: usize,
    terms: usize,
    dimension: usize,
}

impl VectorHeader {
    fn of(items: &ItemTable) -> VectorHeader {
        let Vectors { texts, embeddings } = &*items.vectors;
        VectorHeader {
            documents: texts.documents,
            vocabulary: texts.vocabulary.len(),
            terms: texts.terms.value.len(),
            dimension: embeddings.dimension,
        }
    }

    fn is_empty(&self) -> bool {
        self.documents == 0 && self.dimension == 0
    }
}

/// What follows the header.
#[derive(Debug, Clone, Copy, Default)]
struct Tail {
    several: Several,
    vectors: VectorHeader,
}

#[derive(Serialize, Deserialize)]
struct RatingHeader {
    items: usize,
    prior: UserPrior,
}

/// The further values of an image.
#[derive(Serialize, Deserialize)]
struct ImageHeader {
    /// [`hash`] of the stored model that the image was made from.
    stored_hash: i64,
    scale: Scale,
    total_positives: f32,
    mean_stars: f32,
    categories: usize,
    authors: usize,
    /// Items that have factors.
    screened: usize,
    prior: usize,
}

/// A model as bytes, to be stored in a table.
///
/// # Errors
/// [`Error::Corrupt`] for a header of more than 64 MB.
///
/// ```
/// use std::sync::Arc;
///
/// use reco_models::{Bytes, decode, encode};
///
/// # let trained: reco_models::Trained = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/common/trained.rs"));
/// # let model = trained.model;
/// let bytes: Bytes = Arc::new(encode(&model)?);
/// let stored = decode(&bytes)?;
/// assert_eq!(stored.items(), model.items());
/// # Ok::<(), reco_models::Error>(())
/// ```
pub fn encode(model: &Model) -> Result<Vec<u8>> {
    write(model, None)
}

/// A model with its derived values as bytes, to be mapped by [`open_image`]. `stored_hash` is the [`hash`] of the stored
/// model. Every item is scored once; meanwhile `pause` is called about every millisecond.
///
/// # Errors
/// Those of [`encode`] and those of [`ServedModel::candidates`].
pub fn image(model: &Model, stored_hash: i64, pause: impl FnMut()) -> Result<Vec<u8>> {
    let retrieval = Retrieval::new(model, pause)?;
    let encoder = model.encoder();
    let image = ImageHeader {
        stored_hash,
        scale: model.derived().scale,
        total_positives: encoder.total_positives,
        mean_stars: encoder.mean_stars,
        categories: encoder.categories.ids.len(),
        authors: encoder.authors.ids.len(),
        screened: retrieval.screen.item.len(),
        prior: retrieval.prior.len(),
    };
    write(model, Some((image, &retrieval)))
}

/// A hash of the content of a model, for the keys of caches.
pub fn hash(bytes: &[u8]) -> i64 {
    xxh3_64(bytes) as i64
}

/// A model from the bytes that [`encode`] gave. Everything in them is checked.
///
/// # Errors
/// [`Error::Corrupt`], with what is wrong: the checksum, the format, a length, or a value.
pub fn decode(bytes: &Bytes) -> Result<Model> {
    verify(bytes)?;
    let (header, tail, mut columns) = open(bytes)?;
    if header.image.is_some() {
        return Err(corrupt("it is an image, not a stored model"));
    }
    let fitted = read_fitted(header, tail, &mut columns)?;
    columns.end()?;
    Model::new(fitted)
}

/// A model from the bytes that [`image`] gave for the stored model with this hash. Its columns are views of the bytes.
/// Values are not checked: the caller has to know that [`verify`] succeeds.
///
/// # Errors
/// [`Error::Corrupt`] for bytes of another kind, format, length or model.
pub fn open_image(bytes: &Bytes, stored_hash: i64) -> Result<ServedModel> {
    let (mut header, tail, mut columns) = open(bytes)?;
    let image = header.image.take().ok_or_else(|| corrupt("it is a stored model, not an image"))?;
    if image.stored_hash != stored_hash {
        return Err(corrupt("it is the image of another model"));
    }
    let fitted = read_fitted(header, tail, &mut columns)?;
    let (items, factors) = (fitted.items.len(), fitted.collaborative.factors.ncols());
    let model = read_derived(fitted, &image, tail.several, &mut columns)?;
    let retrieval = read_retrieval(items, factors, &image, tail.several, &mut columns)?;
    columns.end()?;
    Ok(ServedModel::with_retrieval(model, retrieval))
}

/// Checks that the bytes are those that were written.
///
/// # Errors
/// [`Error::Corrupt`] where magic, format or checksum differ.
pub fn verify(bytes: &Bytes) -> Result<()> {
    let (prefix, body) = split(bytes)?;
    if prefix[PREFIX - 8..] != checksum(prefix, body) {
        return Err(corrupt("its checksum is wrong"));
    }
    Ok(())
}

/// The checksum of the body and of the length of the header, which the prefix holds.
fn checksum(prefix: &[u8], body: &[u8]) -> [u8; 8] {
    xxh3_64_with_seed(body, number(prefix, 12).into()).to_le_bytes()
}

fn corrupt(what: &str) -> Error {
    Error::Corrupt(what.into())
}

/// The prefix, checked but for its checksum, and the rest.
fn split(bytes: &Bytes) -> Result<(&[u8], &[u8])> {
    let bytes = (**bytes).as_ref();
    let (prefix, body) = bytes.split_at_checked(PREFIX).ok_or_else(|| corrupt("it is too short"))?;
    if prefix[..8] != MAGIC {
        return Err(corrupt("it does not begin like a model"));
    }
    let format = number(prefix, 8);
    if format != FORMAT {
        return Err(Error::Corrupt(format!("its format is {format}, this version of reco reads {FORMAT}")));
    }
    Ok((prefix, body))
}

fn number(prefix: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([prefix[at], prefix[at + 1], prefix[at + 2], prefix[at + 3]])
}

fn open(bytes: &Bytes) -> Result<(Header, Tail, Columns<'_>)> {
    let (prefix, body) = split(bytes)?;
    let length = number(prefix, 12) as usize;
    let (mut rest, _) = body.split_at_checked(length).ok_or_else(|| corrupt("its header is cut off"))?;
    let header: Header = take(&mut rest)?;
    let mut tail = Tail::default();
    if !rest.is_empty() {
        tail.several = take(&mut rest)?;
        let has_vectors = !rest.is_empty();
        if has_vectors {
            tail.vectors = take(&mut rest)?;
        }
        let says_nothing = if has_vectors { tail.vectors.is_empty() } else { tail.several.is_empty() };
        if !rest.is_empty() || says_nothing {
            return Err(corrupt("its header is longer than it says"));
        }
    }
    Ok((header, tail, Columns::new(bytes, PREFIX + length)))
}

/// A value from the beginning of the bytes, which are then those after it.
fn take<T: DeserializeOwned>(bytes: &mut &[u8]) -> Result<T> {
    let failed = |error: bincode::error::DecodeError| Error::Corrupt(error.to_string());
    let (value, used) = bincode::serde::decode_from_slice(bytes, config()).map_err(failed)?;
    *bytes = bytes.get(used..).unwrap_or_default();
    Ok(value)
}

#[cfg(test)]
mod tests;

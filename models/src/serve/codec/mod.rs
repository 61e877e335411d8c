//! A model as bytes: magic, format version, checksum, a length-limited bincode header, then aligned little-endian columns.
//! Nothing is allocated or followed before it is checked.
//!
//! The same layout twice: *stored*, as small as it can be, and as an *image* that holds what is derived as well, so that
//! it is served as it lies there, by as many processes as map it.
//!
//! bincode holds the header only. It was named by the project's owner, and is no longer maintained (RUSTSEC-2025-0141):
//! nothing outside of this folder uses it, its input is limited in length and covered by a checksum, and raising
//! `FORMAT` is all it takes to write the header by another library.

mod read;
mod write;

use bincode::config::{Configuration, Fixint, Limit, LittleEndian};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::data::column::Bytes;
use crate::data::feedback::Feedback;
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
/// To be raised with every change of what follows.
const FORMAT: u32 = 4;
/// Magic, format, header length, checksum of all that follows.
const PREFIX: usize = 8 + 4 + 4 + 8;
/// Columns begin at multiples of it: a line of the processor's cache.
const ALIGNMENT: usize = 64;
/// A thousand trees of 32 leaves are about 1 MB.
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

#[derive(Serialize, Deserialize)]
struct RatingHeader {
    items: usize,
    prior: UserPrior,
}

/// Of an image only.
#[derive(Serialize, Deserialize)]
struct ImageHeader {
    /// [`hash`] of the stored model that the image was made from.
    stored_hash: i64,
    scale: Scale,
    total_positives: f32,
    mean_stars: f32,
    categories: usize,
    authors: usize,
    /// Items that have a factor.
    screened: usize,
    prior: usize,
}

/// To be stored in tables.
pub fn encode(model: &Model) -> Result<Vec<u8>> {
    write(model, None)
}

/// To be mapped: everything that would be computed of the stored model is in it. `source` is the [`hash`] of that.
/// `pause` is called every few milliseconds while every item is scored.
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

/// A hash of content, to key caches by.
pub fn hash(bytes: &[u8]) -> i64 {
    xxh3_64(bytes) as i64
}

/// A stored model, checked through and through.
pub fn decode(bytes: &Bytes) -> Result<Model> {
    verify(bytes)?;
    let (header, mut columns) = open(bytes)?;
    if header.image.is_some() {
        return Err(corrupt("it is an image, not a stored model"));
    }
    let fitted = read_fitted(header, &mut columns)?;
    columns.end()?;
    Model::new(fitted)
}

/// An image that [`image`] wrote from that source and whose checksum holds (see [`verify`]); its columns are views of
/// the bytes.
pub fn open_image(bytes: &Bytes, stored_hash: i64) -> Result<ServedModel> {
    let (mut header, mut columns) = open(bytes)?;
    let image = header.image.take().ok_or_else(|| corrupt("it is a stored model, not an image"))?;
    if image.stored_hash != stored_hash {
        return Err(corrupt("it is the image of another model"));
    }
    let fitted = read_fitted(header, &mut columns)?;
    let (items, factors) = (fitted.items.len(), fitted.collaborative.factors.ncols());
    let model = read_derived(fitted, &image, &mut columns)?;
    let retrieval = read_retrieval(items, factors, &image, &mut columns)?;
    columns.end()?;
    Ok(ServedModel::with_retrieval(model, retrieval))
}

/// Whether the bytes are as they were written.
pub fn verify(bytes: &Bytes) -> Result<()> {
    let (prefix, body) = split(bytes)?;
    if prefix[PREFIX - 8..] != checksum(prefix, body) {
        return Err(corrupt("its checksum is wrong"));
    }
    Ok(())
}

/// Of the body and of the length that the prefix gives the header.
fn checksum(prefix: &[u8], body: &[u8]) -> [u8; 8] {
    xxh3_64_with_seed(body, number(prefix, 12).into()).to_le_bytes()
}

fn corrupt(what: &str) -> Error {
    Error::Corrupt(what.into())
}

/// The prefix of a model of this format, and the rest.
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

fn open(bytes: &Bytes) -> Result<(Header, Columns<'_>)> {
    let (prefix, body) = split(bytes)?;
    let length = number(prefix, 12) as usize;
    let (header, _) = body.split_at_checked(length).ok_or_else(|| corrupt("its header is cut off"))?;
    let (header, used): (Header, usize) =
        bincode::serde::decode_from_slice(header, config()).map_err(|e| Error::Corrupt(e.to_string()))?;
    if used != length {
        return Err(corrupt("its header is longer than it says"));
    }
    Ok((header, Columns::new(bytes, PREFIX + length)))
}

#[cfg(test)]
mod tests;

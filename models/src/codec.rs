//! A model as bytes: magic, format version, checksum, a length-limited bincode header, then aligned little-endian columns.
//! Nothing is allocated or followed before it is checked.
//!
//! The same layout twice: *stored*, as small as it can be, and as an *image* that holds what is derived as well, so that
//! it is served as it lies there, by as many processes as map it.

use std::sync::OnceLock;

use bincode::config::{Configuration, Fixint, Limit, LittleEndian};
use bytemuck::Pod;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::als::Basis;
use crate::calibration::Calibration;
use crate::collaborative::{Blend, Collaborative};
use crate::column::{Bytes, Column, Matrix};
use crate::content::{Encoder, FEATURES, Forest, Groups, VARYING};
use crate::ensemble::Weights;
use crate::error::{Error, Result};
use crate::feedback::Feedback;
use crate::items::ItemTable;
use crate::model::{Fitted, Model};
use crate::neighbours::Neighbours;
use crate::popularity::Scale;
use crate::ratings::{RatingModel, UserPrior};
use crate::retrieve::{Retrieval, Screen, Shelves};

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
    derived: Option<Derived>,
}

#[derive(Serialize, Deserialize)]
struct RatingHeader {
    items: usize,
    prior: UserPrior,
}

/// Of an image only.
#[derive(Serialize, Deserialize)]
struct Derived {
    /// [`hash`] of the stored model that the image was made from.
    source: i64,
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
pub fn image(model: &Model, source: i64, pause: impl FnMut()) -> Result<Vec<u8>> {
    let retrieval = model.retrieval(pause)?;
    let encoder = &model.encoder;
    let derived = Derived {
        source,
        scale: model.scale,
        total_positives: encoder.total_positives,
        mean_stars: encoder.mean_stars,
        categories: encoder.categories.ids.len(),
        authors: encoder.authors.ids.len(),
        screened: retrieval.screen.item.len(),
        prior: retrieval.prior.len(),
    };
    write(model, Some((derived, retrieval)))
}

fn write(model: &Model, derived: Option<(Derived, &Retrieval)>) -> Result<Vec<u8>> {
    let fitted = &model.fitted;
    let (derived, retrieval) = derived.unzip();
    let header = Header {
        feedback: fitted.feedback,
        basis: fitted.collaborative.basis.clone(),
        blend: fitted.collaborative.blend,
        forest: fitted.forest.clone(),
        calibrations: fitted.calibrations.clone(),
        weights: fitted.weights,
        items: fitted.items.len(),
        factors: fitted.collaborative.factors.ncols(),
        neighbours: fitted.collaborative.neighbours.item.len(),
        ratings: fitted.ratings.as_ref().map(|r| RatingHeader { items: r.items.len(), prior: r.prior.clone() }),
        derived,
    };
    let header = bincode::serde::encode_to_vec(&header, config()).map_err(|e| Error::Corrupt(e.to_string()))?;
    let mut columns = columns(fitted);
    if let Some(retrieval) = retrieval {
        columns.extend(derived_columns(model, retrieval));
    }
    let mut out =
        Vec::with_capacity(PREFIX + header.len() + columns.iter().map(|c| c.len() + ALIGNMENT).sum::<usize>());
    out.extend(MAGIC);
    out.extend(FORMAT.to_le_bytes());
    out.extend((header.len() as u32).to_le_bytes());
    out.extend([0; 8]);
    out.extend(header);
    for column in columns {
        out.resize(out.len().next_multiple_of(ALIGNMENT), 0);
        out.extend_from_slice(column);
    }
    let checksum = checksum(&out[..PREFIX], &out[PREFIX..]);
    out[PREFIX - 8..PREFIX].copy_from_slice(&checksum);
    Ok(out)
}

/// In the order that [`read_fitted`] reads.
fn columns(fitted: &Fitted) -> Vec<&[u8]> {
    let (items, neighbours) = (&fitted.items, &fitted.collaborative.neighbours);
    let mut columns = vec![
        items.id.bytes(),
        items.category.bytes(),
        items.author.bytes(),
        items.published.bytes(),
        items.latest.bytes(),
        items.ratings.bytes(),
        items.favorites.bytes(),
        items.positives.bytes(),
        items.stars_sum.bytes(),
        fitted.collaborative.factors.values.bytes(),
        neighbours.start.bytes(),
        neighbours.item.bytes(),
        neighbours.weight.bytes(),
    ];
    if let Some(ratings) = &fitted.ratings {
        columns.extend([ratings.items.bytes(), ratings.moments.bytes(), ratings.effects.bytes()]);
    }
    columns
}

/// In the order that [`read_derived`] reads.
fn derived_columns<'a>(model: &'a Model, retrieval: &'a Retrieval) -> Vec<&'a [u8]> {
    let encoder = &model.encoder;
    let mut columns = vec![model.raw_popularity.bytes(), model.popularity.bytes(), encoder.values.bytes()];
    for groups in [&encoder.categories, &encoder.authors] {
        columns.extend([
            groups.ids.bytes(),
            groups.of_item.bytes(),
            groups.items.bytes(),
            groups.positives.bytes(),
            groups.embedding.values.bytes(),
        ]);
    }
    let Retrieval { screen, popular, prior, by_author, by_category } = retrieval;
    columns.extend([
        screen.item.bytes(),
        screen.rows.bytes(),
        screen.step.bytes(),
        screen.norm.bytes(),
        screen.popularity.bytes(),
        popular.bytes(),
        prior.bytes(),
    ]);
    for shelves in [by_author, by_category] {
        columns.extend([shelves.item.bytes(), shelves.key.bytes()]);
    }
    columns
}

/// A hash of content, to key caches by.
pub fn hash(bytes: &[u8]) -> i64 {
    xxh3_64(bytes) as i64
}

/// A stored model, checked through and through.
pub fn decode(bytes: &Bytes) -> Result<Model> {
    verify(bytes)?;
    let (header, mut columns) = open(bytes)?;
    if header.derived.is_some() {
        return Err(corrupt("it is an image, not a stored model"));
    }
    let fitted = read_fitted(header, &mut columns)?;
    columns.end()?;
    check(&fitted)?;
    Ok(Model::new(fitted))
}

/// An image that [`image`] wrote from that source and whose checksum holds (see [`verify`]); its columns are views of
/// the bytes.
pub fn open_image(bytes: &Bytes, source: i64) -> Result<Model> {
    let (mut header, mut columns) = open(bytes)?;
    let derived = header.derived.take().ok_or_else(|| corrupt("it is a stored model, not an image"))?;
    if derived.source != source {
        return Err(corrupt("it is the image of another model"));
    }
    let fitted = read_fitted(header, &mut columns)?;
    let model = read_derived(fitted, &derived, &mut columns)?;
    columns.end()?;
    Ok(model)
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
    Ok((header, Columns { bytes, at: PREFIX + length }))
}

fn read_fitted(header: Header, columns: &mut Columns<'_>) -> Result<Fitted> {
    let n = header.items;
    let (id, category, author) = (columns.next(n)?, columns.next(n)?, columns.next(n)?);
    let (published, latest) = (columns.next(n)?, columns.next(n)?);
    let (ratings, favorites, positives) = (columns.next(n)?, columns.next(n)?, columns.next(n)?);
    let stars_sum = columns.next(n)?;
    let factors = columns.matrix(n, header.factors)?;
    let start = columns.next(n.saturating_add(1))?;
    let (item, weight) = (columns.next(header.neighbours)?, columns.next(header.neighbours)?);
    let stars = header.ratings.map(|header| read_ratings(header, columns)).transpose()?;
    Ok(Fitted {
        feedback: header.feedback,
        items: ItemTable { id, category, author, published, ratings, stars_sum, favorites, positives, latest },
        collaborative: Collaborative {
            factors,
            basis: header.basis,
            neighbours: Neighbours { start, item, weight },
            blend: header.blend,
        },
        forest: header.forest,
        calibrations: header.calibrations,
        weights: header.weights,
        ratings: stars,
    })
}

fn read_ratings(header: RatingHeader, columns: &mut Columns<'_>) -> Result<RatingModel> {
    let (n, size) = (header.items, header.prior.center.len());
    let moments = n.checked_add(1).and_then(|rows| rows.checked_mul(RatingModel::width(size)));
    let effects = n.checked_mul(size);
    let (moments, effects) = moments.zip(effects).ok_or_else(|| corrupt("its ratings fit no machine"))?;
    Ok(RatingModel {
        items: columns.next(n)?,
        moments: columns.next(moments)?,
        effects: columns.next(effects)?,
        prior: header.prior,
    })
}

fn read_derived(fitted: Fitted, derived: &Derived, columns: &mut Columns<'_>) -> Result<Model> {
    let (n, k) = (fitted.items.len(), fitted.collaborative.factors.ncols());
    let (raw_popularity, popularity, values) = (columns.next(n)?, columns.next(n)?, columns.next(n)?);
    let mut groups = |count: usize| -> Result<Groups> {
        Ok(Groups {
            ids: columns.next(count)?,
            of_item: columns.next(n)?,
            items: columns.next(count)?,
            positives: columns.next(count)?,
            embedding: columns.matrix(count, k)?,
        })
    };
    let (categories, authors) = (groups(derived.categories)?, groups(derived.authors)?);
    let encoder = Encoder {
        feedback: fitted.feedback,
        values,
        categories,
        authors,
        total_positives: derived.total_positives,
        mean_stars: derived.mean_stars,
    };
    let retrieval = OnceLock::from(read_retrieval(n, k, derived, columns)?);
    Ok(Model { fitted, raw_popularity, popularity, scale: derived.scale, encoder, retrieval })
}

fn read_retrieval(items: usize, factors: usize, derived: &Derived, columns: &mut Columns<'_>) -> Result<Retrieval> {
    let rows = derived.screened;
    let bytes = rows.checked_mul(Screen::width(factors)).ok_or_else(|| corrupt("its factors fit no machine"))?;
    let screen = Screen {
        item: columns.next(rows)?,
        rows: columns.next(bytes)?,
        step: columns.next(rows)?,
        norm: columns.next(Screen::chunks(rows))?,
        popularity: columns.next(Screen::chunks(rows))?,
    };
    let (popular, prior) = (columns.next(items)?, columns.next(derived.prior)?);
    let mut shelves = || Ok(Shelves { item: columns.next(items)?, key: columns.next(items)? });
    Ok(Retrieval { screen, popular, prior, by_author: shelves()?, by_category: shelves()? })
}

/// Column after column.
struct Columns<'a> {
    bytes: &'a Bytes,
    at: usize,
}

impl Columns<'_> {
    fn next<T: Pod>(&mut self, n: usize) -> Result<Column<T>> {
        let start = self.at.next_multiple_of(ALIGNMENT);
        let end = n.checked_mul(size_of::<T>()).and_then(|length| start.checked_add(length));
        let column = end.and_then(|end| Column::view(self.bytes, start..end));
        self.at = end.unwrap_or(start);
        column.ok_or_else(|| corrupt("its columns are not as long as its header says"))
    }

    fn matrix(&mut self, rows: usize, columns: usize) -> Result<Matrix> {
        let values = self.next(rows.checked_mul(columns).ok_or_else(|| corrupt("its factors fit no machine"))?)?;
        Matrix::new(values, rows, columns).ok_or_else(|| corrupt("its factors are not as many as its header says"))
    }

    fn end(&self) -> Result<()> {
        match self.at == (**self.bytes).as_ref().len() {
            true => Ok(()),
            false => Err(corrupt("it is longer than its header says")),
        }
    }
}

fn check(fitted: &Fitted) -> Result<()> {
    let weights = fitted.weights.parts();
    let collaborative = &fitted.collaborative;
    let basis = &collaborative.basis;
    let sound = [
        (fitted.items.id.windows(2).all(|w| w[0] < w[1]), "item ids are not ascending"),
        (collaborative.factors.values.iter().all(|v| v.is_finite()), "a factor is not finite"),
        (fitted.items.stars_sum.iter().all(|v| v.is_finite()), "a sum of stars is not finite"),
        (basis.gram.len() == collaborative.factors.ncols(), "the basis does not fit the factors"),
        (
            basis.gram.iter().chain([&basis.alpha0, &basis.regularization]).all(|v| v.is_finite() && *v >= 0.0),
            "the basis is not finite",
        ),
        (collaborative.neighbours.valid(fitted.items.len()), "the neighbours are not sound"),
        (collaborative.blend.valid(), "the blend is not valid"),
        (fitted.calibrations.iter().all(Calibration::valid), "a calibration is not monotone"),
        (fitted.forest.as_ref().is_none_or(|f| f.valid(FEATURES, VARYING)), "the forest is not sound"),
        (fitted.ratings.as_ref().is_none_or(RatingModel::valid), "what predicts stars is not sound"),
        (Weights::new(weights).is_some(), "the weights are not valid"),
        (fitted.feedback.positive_stars.is_finite(), "the threshold of stars is not finite"),
    ];
    match sound.iter().find(|(holds, _)| !holds) {
        None => Ok(()),
        Some((_, what)) => Err(Error::Corrupt((*what).into())),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ndarray::Array2;

    use super::*;
    use crate::dataset::NONE;

    fn shared(bytes: &[u8]) -> Bytes {
        Arc::new(bytes.to_vec())
    }

    fn model() -> Model {
        let n = 5usize;
        Model::new(Fitted {
            feedback: Feedback { positive_stars: 4.0, now: 77 },
            items: ItemTable {
                id: vec![-3, 1, 5, 8, 1 << 40].into(),
                category: vec![1, NONE, 2, 2, 1].into(),
                author: vec![NONE; n].into(),
                published: vec![0; n].into(),
                ratings: vec![1, 2, 3, 4, 5].into(),
                stars_sum: vec![4.0; n].into(),
                favorites: vec![0; n].into(),
                positives: vec![1; n].into(),
                latest: vec![NONE; n].into(),
            },
            collaborative: Collaborative {
                factors: Array2::from_shape_fn((n, 3), |(i, j)| i as f32 - j as f32).into(),
                basis: Basis { gram: vec![1.0; 3], rows: 5, regularization: 0.01, alpha0: 0.1 },
                neighbours: Neighbours {
                    start: vec![0, 2, 2, 3, 3, 3].into(),
                    item: vec![1, 4, 0].into(),
                    weight: vec![0.5; 3].into(),
                },
                blend: Blend { share: 0.5, als_scale: 1.0, neighbour_scale: 1.0 },
            },
            forest: None,
            calibrations: std::array::from_fn(|_| Calibration::fit(vec![0.0, 1.0], 5)),
            weights: Weights::default(),
            ratings: Some(RatingModel {
                items: vec![1, 5].into(),
                moments: vec![0.5; 3 * RatingModel::width(2)].into(),
                effects: vec![0.25; 2 * 2].into(),
                prior: UserPrior {
                    center: vec![0.0, 0.1],
                    precision: vec![4.0, 2.0],
                    mean: 3.5,
                    noise: 1.5,
                    range: [1.0, 5.0],
                },
            }),
        })
    }

    #[test]
    fn what_goes_in_comes_out() {
        let bytes = encode(&model()).unwrap();
        let back = decode(&shared(&bytes)).unwrap();
        assert_eq!(back.fitted.items, model().fitted.items);
        assert_eq!(back.fitted.collaborative.factors, model().fitted.collaborative.factors);
        assert_eq!(back.fitted.calibrations, model().fitted.calibrations);
        assert_eq!(back.fitted.ratings, model().fitted.ratings);
        assert_eq!(encode(&back).unwrap(), bytes);
        assert_eq!(image(&back, 7, || ()).unwrap(), image(&model(), 7, || ()).unwrap());
    }

    #[test]
    fn every_flipped_byte_and_every_cut_is_noticed() {
        let bytes = encode(&model()).unwrap();
        for i in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[i] ^= 0x41;
            assert!(decode(&shared(&bad)).is_err(), "byte {i}");
            assert!(decode(&shared(&bytes[..i])).is_err(), "cut at {i}");
        }
    }

    #[test]
    fn an_image_is_the_model_with_all_that_is_derived() {
        let bytes = image(&model(), 7, || ()).unwrap();
        let shared = shared(&bytes);
        verify(&shared).unwrap();
        let opened = open_image(&shared, 7).unwrap();
        assert!(open_image(&shared, 8).is_err());
        assert_eq!(image(&opened, 7, || ()).unwrap(), bytes);
        assert_eq!(encode(&opened).unwrap(), encode(&model()).unwrap());
        assert_eq!(opened.raw_popularity, model().raw_popularity);
        assert_eq!(opened.encoder.values, model().encoder.values);
        assert_eq!(opened.encoder.authors, model().encoder.authors);
        assert!(decode(&shared).is_err() && open_image(&self::shared(&encode(&model()).unwrap()), 7).is_err());
        for i in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[i] ^= 0x41;
            assert!(verify(&self::shared(&bad)).is_err(), "byte {i}");
            assert!(open_image(&self::shared(&bytes[..i]), 7).is_err(), "cut at {i}");
        }
    }

    #[test]
    fn a_right_checksum_over_wrong_content_is_noticed() {
        let message = |change: &dyn Fn(&mut Fitted)| {
            let mut bad = model();
            change(&mut bad.fitted);
            decode(&shared(&encode(&bad).unwrap())).unwrap_err().to_string()
        };
        assert!(message(&|f| f.items.id = vec![1, -3, 5, 8, 1 << 40].into()).contains("ascending"));
        assert!(message(&|f| f.collaborative.factors.values = vec![f32::NAN; 15].into()).contains("finite"));
        assert!(message(&|f| f.collaborative.neighbours.item = vec![1, 4, 5].into()).contains("neighbours"));
        for spoil in [
            |r: &mut RatingModel| r.items = vec![5, 1].into(),
            |r: &mut RatingModel| r.moments = vec![f32::INFINITY; r.moments.len()].into(),
            |r: &mut RatingModel| r.effects = vec![f32::NAN; r.effects.len()].into(),
            |r: &mut RatingModel| r.prior.noise = 0.0,
            |r: &mut RatingModel| r.prior.precision[1] = -1.0,
            |r: &mut RatingModel| r.prior.precision.truncate(1),
        ] {
            assert!(message(&|f| f.ratings.iter_mut().for_each(spoil)).contains("predicts stars"));
        }
        assert!(
            message(&|f| {
                f.collaborative.basis.gram.pop();
            })
            .contains("basis")
        );
    }
}

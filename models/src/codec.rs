//! A model as bytes: magic, format version, checksum, a length-limited bincode header, then flat little-endian arrays.
//! Nothing is allocated or followed before it is checked.

use bincode::config::{Configuration, Fixint, Limit, LittleEndian};
use ndarray::Array2;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::als::Basis;
use crate::calibration::Calibration;
use crate::collaborative::{Blend, Collaborative};
use crate::content::{FEATURES, Forest, VARYING};
use crate::ensemble::Weights;
use crate::error::{Error, Result};
use crate::feedback::Feedback;
use crate::items::ItemTable;
use crate::model::{Fitted, Model};
use crate::neighbours::Neighbours;
use crate::ratings::{RatingModel, UserPrior};

const MAGIC: [u8; 8] = *b"recomodl";
/// To be raised with every change of what follows.
const FORMAT: u32 = 2;
/// Magic, format, header length, checksum of all that follows.
const PREFIX: usize = 8 + 4 + 4 + 8;
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
}

#[derive(Serialize, Deserialize)]
struct RatingHeader {
    items: usize,
    prior: UserPrior,
}

impl RatingHeader {
    /// Floats of all moments, and of all effects.
    fn floats(&self) -> Option<(usize, usize)> {
        let size = self.prior.center.len();
        let moments = self.items.checked_add(1)?.checked_mul(RatingModel::width(size))?;
        Some((moments, self.items.checked_mul(size)?))
    }
}

pub fn encode(model: &Model) -> Result<Vec<u8>> {
    let fitted = &model.fitted;
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
    };
    let header = bincode::serde::encode_to_vec(&header, config()).map_err(|e| Error::Corrupt(e.to_string()))?;
    let mut body = header.clone();
    let items = &fitted.items;
    for column in [&items.id, &items.category, &items.author, &items.published, &items.latest] {
        body.extend(column.iter().flat_map(|v| v.to_le_bytes()));
    }
    for column in [&items.ratings, &items.favorites, &items.positives] {
        body.extend(column.iter().flat_map(|v| v.to_le_bytes()));
    }
    let neighbours = &fitted.collaborative.neighbours;
    for column in [&neighbours.start, &neighbours.item] {
        body.extend(column.iter().flat_map(|v| v.to_le_bytes()));
    }
    let floats = items.stars_sum.iter().chain(fitted.collaborative.factors.iter()).chain(&neighbours.weight);
    body.extend(floats.flat_map(|v| v.to_le_bytes()));
    if let Some(ratings) = &fitted.ratings {
        body.extend(ratings.items.iter().flat_map(|v| v.to_le_bytes()));
        body.extend(ratings.moments.iter().chain(&ratings.effects).flat_map(|v| v.to_le_bytes()));
    }
    let mut out = Vec::with_capacity(PREFIX + body.len());
    out.extend(MAGIC);
    out.extend(FORMAT.to_le_bytes());
    out.extend((header.len() as u32).to_le_bytes());
    out.extend(xxh3_64(&body).to_le_bytes());
    out.append(&mut body);
    Ok(out)
}

/// A hash of content, to key caches by.
pub fn hash(bytes: &[u8]) -> i64 {
    xxh3_64(bytes) as i64
}

pub fn decode(bytes: &[u8]) -> Result<Model> {
    let corrupt = |what: &str| Error::Corrupt(what.into());
    let (prefix, body) = bytes.split_at_checked(PREFIX).ok_or_else(|| corrupt("it is too short"))?;
    if prefix[..8] != MAGIC {
        return Err(corrupt("it does not begin like a model"));
    }
    let number = |at: usize| u32::from_le_bytes([prefix[at], prefix[at + 1], prefix[at + 2], prefix[at + 3]]);
    if number(8) != FORMAT {
        return Err(Error::Corrupt(format!("its format is {}, this version of reco reads {FORMAT}", number(8))));
    }
    if prefix[16..] != xxh3_64(body).to_le_bytes() {
        return Err(corrupt("its checksum is wrong"));
    }
    let (header, arrays) =
        body.split_at_checked(number(12) as usize).ok_or_else(|| corrupt("its header is cut off"))?;
    let (header, used): (Header, usize) =
        bincode::serde::decode_from_slice(header, config()).map_err(|e| Error::Corrupt(e.to_string()))?;
    if used != number(12) as usize {
        return Err(corrupt("its header is longer than it says"));
    }
    if array_bytes(&header) != Some(arrays.len()) {
        return Err(corrupt("its arrays are not as long as its header says"));
    }
    let mut arrays = Arrays(arrays);
    let n = header.items;
    let mut long = || arrays.take(n, i64::from_le_bytes);
    let (id, category, author, published, latest) = (long(), long(), long(), long(), long());
    let mut short = || arrays.take(n, u32::from_le_bytes);
    let (ratings, favorites, positives) = (short(), short(), short());
    let start = arrays.take(n + 1, u32::from_le_bytes);
    let item = arrays.take(header.neighbours, u32::from_le_bytes);
    let stars_sum = arrays.take(n, f32::from_le_bytes);
    let factors = arrays.take(n * header.factors, f32::from_le_bytes);
    let weight = arrays.take(header.neighbours, f32::from_le_bytes);
    let rating_model = header.ratings.and_then(|header| {
        let (moments, effects) = header.floats()?;
        Some(RatingModel {
            items: arrays.take(header.items, i64::from_le_bytes),
            moments: arrays.take(moments, f32::from_le_bytes),
            effects: arrays.take(effects, f32::from_le_bytes),
            prior: header.prior,
        })
    });
    let items = ItemTable { id, category, author, published, ratings, stars_sum, favorites, positives, latest };
    let factors = Array2::from_shape_vec((n, header.factors), factors).map_err(|e| Error::Corrupt(e.to_string()))?;
    let fitted = Fitted {
        feedback: header.feedback,
        items,
        collaborative: Collaborative {
            factors,
            basis: header.basis,
            neighbours: Neighbours { start, item, weight },
            blend: header.blend,
        },
        forest: header.forest,
        calibrations: header.calibrations,
        weights: header.weights,
        ratings: rating_model,
    };
    check(&fitted)?;
    Ok(Model::new(fitted))
}

/// Bytes of all arrays; None if no machine could hold them.
fn array_bytes(header: &Header) -> Option<usize> {
    let per_item = (5 * 8 + 5 * 4usize).checked_add(header.factors.checked_mul(4)?)?;
    let offsets_end = 4;
    let ratings = match &header.ratings {
        None => 0,
        Some(ratings) => {
            let (moments, effects) = ratings.floats()?;
            ratings.items.checked_mul(8)?.checked_add(moments.checked_add(effects)?.checked_mul(4)?)?
        }
    };
    let arrays = header.items.checked_mul(per_item)?.checked_add(header.neighbours.checked_mul(8)?)?;
    arrays.checked_add(offsets_end)?.checked_add(ratings)
}

struct Arrays<'a>(&'a [u8]);

impl Arrays<'_> {
    /// The next `n` values; the caller has checked that they are there.
    fn take<T, const SIZE: usize>(&mut self, n: usize, read: impl Fn([u8; SIZE]) -> T) -> Vec<T> {
        let (head, tail) = self.0.split_at(n * SIZE);
        self.0 = tail;
        let value = |bytes: &[u8]| {
            let mut array = [0u8; SIZE];
            array.copy_from_slice(bytes);
            read(array)
        };
        head.chunks_exact(SIZE).map(value).collect()
    }
}

fn check(fitted: &Fitted) -> Result<()> {
    let weights = fitted.weights.parts();
    let collaborative = &fitted.collaborative;
    let basis = &collaborative.basis;
    let sound = [
        (fitted.items.id.windows(2).all(|w| w[0] < w[1]), "item ids are not ascending"),
        (collaborative.factors.iter().all(|v| v.is_finite()), "a factor is not finite"),
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
    use super::*;
    use crate::dataset::NONE;

    fn model() -> Model {
        let n = 5usize;
        Model::new(Fitted {
            feedback: Feedback { positive_stars: 4.0, now: 77 },
            items: ItemTable {
                id: vec![-3, 1, 5, 8, 1 << 40],
                category: vec![1, NONE, 2, 2, 1],
                author: vec![NONE; n],
                published: vec![0; n],
                ratings: vec![1, 2, 3, 4, 5],
                stars_sum: vec![4.0; n],
                favorites: vec![0; n],
                positives: vec![1; n],
                latest: vec![NONE; n],
            },
            collaborative: Collaborative {
                factors: Array2::from_shape_fn((n, 3), |(i, j)| i as f32 - j as f32),
                basis: Basis { gram: vec![1.0; 3], rows: 5, regularization: 0.01, alpha0: 0.1 },
                neighbours: Neighbours { start: vec![0, 2, 2, 3, 3, 3], item: vec![1, 4, 0], weight: vec![0.5; 3] },
                blend: Blend { share: 0.5, als_scale: 1.0, neighbour_scale: 1.0 },
            },
            forest: None,
            calibrations: std::array::from_fn(|_| Calibration::fit(vec![0.0, 1.0], 5)),
            weights: Weights::default(),
            ratings: Some(RatingModel {
                items: vec![1, 5],
                moments: vec![0.5; 3 * RatingModel::width(2)],
                effects: vec![0.25; 2 * 2],
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
        let back = decode(&bytes).unwrap();
        assert_eq!(back.fitted.items, model().fitted.items);
        assert_eq!(back.fitted.collaborative.factors, model().fitted.collaborative.factors);
        assert_eq!(back.fitted.calibrations, model().fitted.calibrations);
        assert_eq!(back.fitted.ratings, model().fitted.ratings);
        assert_eq!(encode(&back).unwrap(), bytes);
    }

    #[test]
    fn every_flipped_byte_and_every_cut_is_noticed() {
        let bytes = encode(&model()).unwrap();
        for i in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[i] ^= 0x41;
            assert!(decode(&bad).is_err(), "byte {i}");
            assert!(decode(&bytes[..i]).is_err(), "cut at {i}");
        }
    }

    #[test]
    fn a_right_checksum_over_wrong_content_is_noticed() {
        let mut bad = model();
        bad.fitted.items.id.swap(0, 1);
        assert!(decode(&encode(&bad).unwrap()).unwrap_err().to_string().contains("ascending"));
        let mut bad = model();
        bad.fitted.collaborative.factors[(2, 1)] = f32::NAN;
        assert!(decode(&encode(&bad).unwrap()).unwrap_err().to_string().contains("finite"));
        let mut bad = model();
        bad.fitted.collaborative.neighbours.item[2] = 5;
        assert!(decode(&encode(&bad).unwrap()).unwrap_err().to_string().contains("neighbours"));
        for spoil in [
            |r: &mut RatingModel| r.items.swap(0, 1),
            |r: &mut RatingModel| r.moments[7] = f32::INFINITY,
            |r: &mut RatingModel| r.effects[0] = f32::NAN,
            |r: &mut RatingModel| r.prior.noise = 0.0,
            |r: &mut RatingModel| r.prior.precision[1] = -1.0,
            |r: &mut RatingModel| r.prior.precision.truncate(1),
        ] {
            let mut bad = model();
            bad.fitted.ratings.iter_mut().for_each(spoil);
            assert!(decode(&encode(&bad).unwrap()).unwrap_err().to_string().contains("predicts stars"));
        }
        let mut bad = model();
        bad.fitted.collaborative.basis.gram.pop();
        assert!(decode(&encode(&bad).unwrap()).unwrap_err().to_string().contains("basis"));
    }
}

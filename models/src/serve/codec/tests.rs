use std::sync::Arc;

use ndarray::Array2;

use super::*;
use crate::data::dataset::NONE;
use crate::data::description::{Description, Descriptions};
use crate::data::items::ItemTable;
use crate::data::vectors::Vectors;
use crate::model::model::Fitted;
use crate::parts::collaborative::Collaborative;
use crate::parts::neighbours::Neighbours;
use crate::parts::ratings::RatingModel;

fn shared(bytes: &[u8]) -> Bytes {
    Arc::new(bytes.to_vec())
}

fn model() -> Model {
    Model::new(fitted()).unwrap()
}

/// Of two of five items, one without an embedding.
fn vectors() -> Vectors {
    let mut read = Descriptions::default();
    read.push(1, &Description::of_text("la casa verde").with_embedding(&[Some(1.0), Some(2.0)]).unwrap()).unwrap();
    read.push(5, &Description::of_text("la ciudad").with_embedding(&[Some(2.0), Some(-1.0)]).unwrap()).unwrap();
    read.push(8, &Description::of_text("la casa")).unwrap();
    Vectors::new(&[-3, 1, 5, 8, 1 << 40], &read).unwrap()
}

fn fitted() -> Fitted {
    let n = 5usize;
    Fitted {
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
            vectors: Arc::new(vectors()),
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
    }
}

#[test]
fn a_decoded_model_equals_the_encoded_one() {
    let bytes = encode(&model()).unwrap();
    let back = decode(&shared(&bytes)).unwrap();
    assert_eq!(back.items(), model().items());
    assert_eq!(back.collaborative_part().factors, model().collaborative_part().factors);
    assert_eq!(back.calibrations(), model().calibrations());
    assert_eq!(back.ratings(), model().ratings());
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
fn an_image_opens_as_the_model_with_its_derived_values() {
    let bytes = image(&model(), 7, || ()).unwrap();
    let shared = shared(&bytes);
    verify(&shared).unwrap();
    let opened = open_image(&shared, 7).unwrap();
    assert!(open_image(&shared, 8).is_err());
    assert_eq!(image(&opened, 7, || ()).unwrap(), bytes);
    assert_eq!(encode(&opened).unwrap(), encode(&model()).unwrap());
    assert_eq!(opened.raw_popularity(), model().raw_popularity());
    assert_eq!(opened.encoder().values, model().encoder().values);
    assert_eq!(opened.encoder().authors, model().encoder().authors);
    assert!(decode(&shared).is_err() && open_image(&self::shared(&encode(&model()).unwrap()), 7).is_err());
    for i in 0..bytes.len() {
        let mut bad = bytes.clone();
        bad[i] ^= 0x41;
        assert!(verify(&self::shared(&bad)).is_err(), "byte {i}");
        assert!(open_image(&self::shared(&bytes[..i]), 7).is_err(), "cut at {i}");
    }
}

#[test]
fn damaged_values_under_a_valid_checksum_are_noticed() {
    let message = |change: &dyn Fn(&mut Fitted)| {
        let mut bad = fitted();
        change(&mut bad);
        decode(&shared(&encode(&Model::unchecked(bad)).unwrap())).unwrap_err().to_string()
    };
    assert!(message(&|f| f.items.id = vec![1, -3, 5, 8, 1 << 40].into()).contains("ascending"));
    assert!(message(&|f| f.collaborative.factors.values = vec![f32::NAN; 15].into()).contains("finite"));
    let spoiled = |spoil: fn(&mut Vectors)| message(&|f| spoil(Arc::make_mut(&mut f.items.vectors)));
    for spoil in [
        |v: &mut Vectors| v.texts.vocabulary = vec![7; v.texts.vocabulary.len()].into(),
        |v: &mut Vectors| v.texts.rarity = vec![f32::NAN; v.texts.rarity.len()].into(),
        |v: &mut Vectors| v.texts.terms.start = vec![9, 0, 0, 0, 0, 0].into(),
        |v: &mut Vectors| v.embeddings.scale = vec![f32::INFINITY; 5].into(),
        |v: &mut Vectors| v.embeddings.center = vec![f32::NAN; v.embeddings.center.len()].into(),
    ] {
        assert!(spoiled(spoil).contains("texts and embeddings"));
    }
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

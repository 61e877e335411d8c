use ndarray::Array2;
use rand::{RngExt, SeedableRng};

use super::*;
use crate::data::feedback::Feedback;
use crate::data::items::ItemTable;
use crate::model::calibration::Calibration;
use crate::model::ensemble::Weights;
use crate::model::model::Fitted;
use crate::parts::als::Basis;
use crate::parts::collaborative::{Blend, Collaborative};
use crate::parts::neighbours::Neighbours;

const ITEMS: usize = 3 * EXHAUSTIVE;
const FACTORS: usize = 20;

/// Random factors and neighbours, norms by a power law, every seventh item without factors.
fn model(share: f32, weights: [f32; 3]) -> ServedModel {
    let mut rng = rand_pcg::Pcg64Mcg::seed_from_u64(1);
    let mut number = || rng.random_range(-1.0f32..1.0);
    let factors = Array2::from_shape_fn((ITEMS, FACTORS), |(i, _)| {
        let size = if i % 7 == 0 { 0.0 } else { 1.0 / (1.0 + (i % 500) as f32) };
        size * number()
    });
    // A quarter of the weights is negative.
    let neighbours = Neighbours {
        start: (0..=10 * ITEMS as u32).step_by(10).collect(),
        item: (0..ITEMS as u32)
            .flat_map(|item| (0..10).map(move |n| (item / 20 * 20 + 2 * n) % ITEMS as u32))
            .collect(),
        weight: (0..10 * ITEMS).map(|_| 0.5 + number()).collect(),
    };
    let basis = Basis { gram: vec![1.0; FACTORS], rows: ITEMS, regularization: 0.01, alpha0: 0.1 };
    let items = ItemTable {
        id: (0..ITEMS as i64).collect(),
        category: (0..ITEMS as i64).map(|i| i % 30).collect::<Vec<_>>().into(),
        author: (0..ITEMS as i64).map(|i| i % 700).collect::<Vec<_>>().into(),
        published: vec![NONE; ITEMS].into(),
        ratings: (0..ITEMS as u32).map(|i| 9000 / (1 + i % 1009)).collect(),
        stars_sum: (0..ITEMS as u32).map(|i| 4.0 * (9000 / (1 + i % 1009)) as f32).collect(),
        favorites: vec![0; ITEMS].into(),
        positives: vec![1; ITEMS].into(),
        latest: vec![NONE; ITEMS].into(),
        ..ItemTable::default()
    };
    let scale = |most: f32| Calibration::fit((0..5000).map(|i| most * (i as f32 / 5000.0).powi(6)).collect(), ITEMS);
    let fitted = Fitted {
        feedback: Feedback { positive_stars: 4.0, now: NONE },
        items,
        collaborative: Collaborative {
            factors: factors.into(),
            basis,
            neighbours,
            blend: Blend { share, als_scale: 1.0, neighbour_scale: 1.0 },
        },
        forest: None,
        calibrations: [scale(3.0), scale(1.0), scale(1.0)],
        weights: Weights::new(weights).unwrap(),
        ratings: None,
    };
    Model::new(fitted).unwrap().into()
}

#[test]
fn the_screen_finds_what_a_full_sort_finds() {
    let mut met = 0;
    for (share, weights) in
        [(0.0, [1.0, 0.0, 0.0]), (0.0, [0.5, 0.3, 0.2]), (0.6, [0.5, 0.3, 0.2]), (1.0, [0.5, 0.0, 0.5])]
    {
        let model = model(share, weights);
        for liked in [[3u32, 77, 4000], [1, 2, 14_999]] {
            let favorites = Favorites { user: vec![1; 3], item: liked.map(i64::from).to_vec(), at: vec![NONE; 3] };
            let history = model.history(&Ratings::default(), &favorites, &Signals::default());
            let user = model.user(history.row(), NONE, None).unwrap();
            let raw = model.collaborative_part().score_all(user.likes());
            let partial = PartialScore { model: &model, weights: model.weights() };
            let all: Vec<f32> = (0..ITEMS as u32).map(|i| partial.of(i, raw[i as usize])).collect();
            let expected = top(&all, BY_PARTS, &liked);
            let retrieval = model.retrieval(|| ()).unwrap();
            let found = retrieval.best_by_parts(&model, &user, ItemSet::new(ITEMS, &liked));
            assert!(liked.iter().all(|item| !found.contains(item)));
            let bar = all[expected[BY_PARTS - 1] as usize];
            let above: Vec<u32> = expected.into_iter().filter(|i| all[*i as usize] > bar + 1e-5).collect();
            assert!(above.iter().all(|item| found.contains(item)), "share {share}, weights {weights:?}");
            met += above.len();
        }
    }
    assert!(met > 4 * BY_PARTS, "{met}");
}

#[test]
fn candidates_are_distinct_and_none_is_excluded() {
    let model = model(0.5, [0.5, 0.3, 0.2]);
    let favorites = Favorites { user: vec![1; 2], item: vec![3, 77], at: vec![NONE; 2] };
    let history = model.history(&Ratings::default(), &favorites, &Signals::default());
    let user = model.user(history.row(), NONE, None).unwrap();
    let excluded: Vec<u32> = (0..ITEMS as u32).filter(|i| i % 30 != 4).collect();
    for (excluded, category) in [(vec![3, 77], None), (excluded, Some(4))] {
        let mut found = model.candidates(&user, &excluded, category, || ()).unwrap();
        assert!(found.len() > 400 && found.iter().all(|i| excluded.binary_search(i).is_err()));
        let count = found.len();
        found.sort_unstable();
        found.dedup();
        assert_eq!(found.len(), count);
    }
}

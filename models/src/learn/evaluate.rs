//! Full ranking of the catalogue for hold-out users, by the model, each of its parts and the baselines.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::control::Control;
use crate::data::dataset::{Dataset, Events, Row};
use crate::data::feedback::Feedback;
use crate::data::split::Split;
use crate::error::Result;
use crate::learn::metrics::{self, Metrics};
use crate::math::topk::top;
use crate::model::ensemble::{Parts, Weights};
use crate::model::model::Model;
use crate::model::uncalibrated::User;
use crate::parts::rules::Taste;

/// What can be ranked by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum System {
    Random,
    Rules,
    Popularity,
    Collaborative,
    Content,
    Ensemble(Weights),
}

/// A system's metrics at one cut-off, by user in the order of the evaluated users.
#[derive(Debug, Clone)]
pub struct Judged {
    pub system: System,
    pub users: Vec<Metrics>,
}

/// Means over users, with the 95 % interval of NDCG.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    pub users: usize,
    pub mean: Metrics,
    pub ndcg_low: f64,
    pub ndcg_high: f64,
}

impl Judged {
    pub fn ndcg(&self) -> Vec<f64> {
        self.users.iter().map(|m| m.ndcg).collect()
    }

    pub fn summary(&self, seed: u64) -> Summary {
        let (ndcg_low, ndcg_high) = metrics::interval(&self.ndcg(), seed);
        Summary { users: self.users.len(), mean: metrics::mean(&self.users), ndcg_low, ndcg_high }
    }
}

/// A model seen through the items of a data set: the model's own, or those of a model that was trained elsewhere.
pub struct Ranker<'a> {
    model: &'a Model,
    /// By item of the data set, its index in the model. None: the same.
    index: Option<Vec<Option<u32>>>,
    events: std::borrow::Cow<'a, Events>,
}

impl<'a> Ranker<'a> {
    /// For a model that was trained on `data` itself.
    pub fn own(model: &'a Model, data: &'a Dataset) -> Self {
        Ranker { model, index: None, events: std::borrow::Cow::Borrowed(&data.events) }
    }

    /// For any other model: what it does not know it cannot rank.
    pub fn foreign(model: &'a Model, data: &Dataset) -> Self {
        let index: Vec<Option<u32>> = data.items.iter().map(|id| model.items().index(*id)).collect();
        let known = |i: usize| index[data.events.item[i] as usize];
        let events = data.events.select(|_, i| known(i).is_some(), |item| index[item as usize].unwrap_or(0));
        Ranker { model, index: Some(index), events: std::borrow::Cow::Owned(events) }
    }

    fn user(&self, data: &Dataset, user: u32) -> Result<User<'_>> {
        self.model.user(self.row(user), data.since[user as usize], None)
    }

    fn row(&self, user: u32) -> Row<'_> {
        self.events.row(user as usize)
    }

    /// Raw scores by part of every item of the data set; what the model does not know is not a number.
    fn raw(&self, user: &User<'_>, items: usize) -> [Vec<f32>; 3] {
        match &self.index {
            None => self.model.raw(user, &(0..items as u32).collect::<Vec<_>>()),
            Some(index) => {
                let known: Vec<u32> = index.iter().flatten().copied().collect();
                self.model.raw(user, &known).map(|values| {
                    let mut values = values.into_iter();
                    index.iter().map(|i| i.and_then(|_| values.next()).unwrap_or(f32::NAN)).collect()
                })
            }
        }
    }

    /// Raw scores on the common scale.
    fn parts(&self, raw: &[Vec<f32>; 3]) -> CommonScale {
        let apply = |part: usize, exists: bool| -> Vec<f32> {
            let calibration = &self.model.calibrations()[part];
            // NaN stays NaN: what the model does not know.
            raw[part]
                .iter()
                .map(|raw| if raw.is_nan() || !exists { f32::NAN } else { calibration.apply(*raw) })
                .collect()
        };
        CommonScale([apply(0, true), apply(1, self.model.forest().is_some()), apply(2, true)])
    }
}

/// Parts of many items by column, not a number where a part does not exist.
struct CommonScale([Vec<f32>; 3]);

impl CommonScale {
    /// The ensemble's scores; not a number where no part exists.
    fn blended(&self, weights: &Weights) -> Vec<f32> {
        let [w0, w1, w2] = weights.parts();
        let [a, b, c] = &self.0;
        let mut scores: Vec<f32> = (0..a.len()).map(|i| w0 * a[i] + w1 * b[i] + w2 * c[i]).collect();
        for (i, score) in scores.iter_mut().enumerate().filter(|(_, score)| score.is_nan()) {
            let exists = |v: f32| (!v.is_nan()).then_some(v);
            let parts = Parts { collaborative: exists(a[i]), content_based: exists(b[i]), popularity: exists(c[i]) };
            if parts != Parts::default() {
                *score = weights.blend(&parts);
            }
        }
        scores
    }
}

/// Ranks the whole catalogue for each of `users` by each system and judges the first `k` by the hold-out.
/// A system that is given twice is ranked once.
pub fn evaluate(
    ranker: &Ranker<'_>,
    split: &Split,
    users: &[u32],
    systems: &[System],
    k: usize,
    control: &Control,
) -> Result<Vec<Judged>> {
    let mut distinct: Vec<System> = Vec::new();
    for system in systems {
        if !distinct.contains(system) {
            distinct.push(*system);
        }
    }
    let by_user: Vec<Vec<Metrics>> = users
        .par_iter()
        .map(|user| {
            control.check()?;
            judge_user(ranker, split, *user, &distinct, k)
        })
        .collect::<Result<_>>()?;
    let of = |system: &System| {
        let place = distinct.iter().position(|d| d == system);
        by_user.iter().filter_map(|metrics| place.map(|i| metrics[i])).collect()
    };
    Ok(systems.iter().map(|system| Judged { system: *system, users: of(system) }).collect())
}

fn judge_user(ranker: &Ranker<'_>, split: &Split, user: u32, systems: &[System], k: usize) -> Result<Vec<Metrics>> {
    let data = &split.train;
    let feedback = *ranker.model.feedback();
    let raw = ranker.raw(&ranker.user(data, user)?, data.items.len());
    let parts = ranker.parts(&raw);
    let seen = liked(&feedback, data, user);
    let rank = |scores: &[f32]| metrics::judge(&top(scores, k, &seen), split.held_out(user as usize), k);
    Ok(systems
        .iter()
        .map(|system| match system {
            System::Random => rank(&random_scores(data, user)),
            System::Rules => rank(&rules_scores(&feedback, data, user)),
            System::Popularity => rank(&raw[2]),
            System::Collaborative => rank(&raw[0]),
            System::Content => rank(&raw[1]),
            System::Ensemble(weights) => rank(&parts.blended(weights)),
        })
        .collect())
}

/// The user's liked items in the training part, ascending: they are not recommended again.
fn liked(feedback: &Feedback, data: &Dataset, user: u32) -> Vec<u32> {
    feedback.positives(data.events.row(user as usize)).map(|(item, _)| item).collect()
}

fn random_scores(data: &Dataset, user: u32) -> Vec<f32> {
    let id = data.users[user as usize] as u64;
    let hash = |item: &i64| xxhash_rust::xxh3::xxh3_64_with_seed(&item.to_le_bytes(), id);
    data.items.iter().map(|item| (hash(item) >> 40) as f32).collect()
}

fn rules_scores(feedback: &Feedback, data: &Dataset, user: u32) -> Vec<f32> {
    let info = |item: usize| crate::data::items::ItemInfo {
        category: data.category[item],
        author: data.author[item],
        published: data.published[item],
    };
    let taste = Taste::of(liked(feedback, data, user).into_iter().map(|item| info(item as usize)));
    (0..data.items.len()).map(|item| taste.score(info(item), feedback.now)).collect()
}

/// Candidates of one user for the search of weights.
struct Shortlist {
    parts: CommonScale,
    items: Vec<u32>,
    relevant: Vec<u32>,
}

/// Items of each part's list that the search of weights looks at; the best 10 of any blend lie almost surely in it.
const SHORTLIST: usize = 100;
/// The simplex is searched in steps of 0.05.
const WEIGHT_STEPS: usize = 20;

/// The weights with the best NDCG@k on the hold-out. With less than `MIN_WEIGHT_USERS` users: the default.
pub fn learn_weights(
    ranker: &Ranker<'_>,
    split: &Split,
    users: &[u32],
    k: usize,
    control: &Control,
) -> Result<Weights> {
    const MIN_WEIGHT_USERS: usize = 30;
    if users.len() < MIN_WEIGHT_USERS {
        return Ok(Weights::default());
    }
    let lists: Vec<Shortlist> = users
        .par_iter()
        .map(|user| {
            control.check()?;
            shortlist(ranker, split, *user)
        })
        .collect::<Result<_>>()?;
    let candidates: Vec<Weights> = Weights::simplex(WEIGHT_STEPS).collect();
    let values: Vec<f64> = candidates
        .par_iter()
        .map(|weights| {
            control.check()?;
            Ok(lists.iter().map(|list| list.ndcg(weights, k)).sum())
        })
        .collect::<Result<_>>()?;
    let best = (0..values.len()).max_by(|a, b| values[*a].total_cmp(&values[*b]));
    Ok(best.map_or(Weights::default(), |i| candidates[i]))
}

fn shortlist(ranker: &Ranker<'_>, split: &Split, user: u32) -> Result<Shortlist> {
    let data = &split.train;
    let raw = ranker.raw(&ranker.user(data, user)?, data.items.len());
    let seen = liked(ranker.model.feedback(), data, user);
    let mut items: Vec<u32> = raw.iter().flat_map(|scores| top(scores, SHORTLIST, &seen)).collect();
    items.sort_unstable();
    items.dedup();
    let short = raw.map(|scores| items.iter().map(|i| scores[*i as usize]).collect());
    Ok(Shortlist { parts: ranker.parts(&short), items, relevant: split.held_out(user as usize).to_vec() })
}

impl Shortlist {
    fn ndcg(&self, weights: &Weights, k: usize) -> f64 {
        let best = top(&self.parts.blended(weights), k, &[]);
        let ranked: Vec<u32> = best.into_iter().map(|i| self.items[i as usize]).collect();
        metrics::judge(&ranked, &self.relevant, k).ndcg
    }
}

/// At most `most` of the users, spread evenly.
pub fn sample(users: &[u32], most: usize) -> Vec<u32> {
    let n = users.len();
    if n <= most {
        return users.to_vec();
    }
    (0..most).map(|i| users[i * n / most]).collect()
}

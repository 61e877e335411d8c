//! Full ranking of the catalogue for hold-out users, by the model, each of its parts and the baselines.

use std::borrow::Cow;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::control::Control;
use crate::data::dataset::{Dataset, Events, Row};
use crate::data::feedback::Feedback;
use crate::data::items::ItemInfo;
use crate::data::split::Split;
use crate::error::Result;
use crate::learn::metrics::{self, K, Metrics};
use crate::math::topk::top;
use crate::model::ensemble::{COLLABORATIVE, CONTENT_BASED, POPULARITY, Parts, Weights};
use crate::model::model::Model;
use crate::model::score::Target;
use crate::model::uncalibrated::User;
use crate::parts::rules::Taste;

/// What ranks the catalogue. The discriminant is its place in [`System::ALL`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum System {
    Random,
    Rules,
    Popularity,
    Collaborative,
    ContentBased,
    /// With the weights that are served.
    Ensemble,
    /// With the weights of the plan: 50/30/20.
    EnsembleFixed,
    /// With the weights that validation learned.
    EnsembleLearned,
}

impl System {
    pub const ALL: [System; 8] = [
        System::Random,
        System::Rules,
        System::Popularity,
        System::Collaborative,
        System::ContentBased,
        System::Ensemble,
        System::EnsembleFixed,
        System::EnsembleLearned,
    ];

    /// As the column `part` of `reco.metric` has it.
    pub fn name(self) -> &'static str {
        match self {
            System::Random => "random",
            System::Rules => "rules",
            System::Popularity => "popularity",
            System::Collaborative => "collaborative",
            System::ContentBased => "content_based",
            System::Ensemble => "ensemble",
            System::EnsembleFixed => "ensemble_fixed",
            System::EnsembleLearned => "ensemble_learned",
        }
    }
}

/// The metrics of all systems at cut-off [`K`] on one hold-out.
#[derive(Debug, Clone)]
pub struct Evaluation {
    /// By evaluated user, then by system.
    by_user: Vec<[Metrics; System::ALL.len()]>,
    /// None for the content part of a model without one.
    summaries: [Option<Summary>; System::ALL.len()],
}

/// Means over users, with the 95 % interval of NDCG.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    pub users: usize,
    pub mean: Metrics,
    pub ndcg_low: f64,
    pub ndcg_high: f64,
}

impl Evaluation {
    fn new(by_user: Vec<[Metrics; System::ALL.len()]>, has_content: bool, seed: u64) -> Evaluation {
        let summaries = System::ALL.map(|system| {
            let of_system: Vec<Metrics> = by_user.iter().map(|metrics| metrics[system as usize]).collect();
            let ndcg: Vec<f64> = of_system.iter().map(|metrics| metrics.ndcg).collect();
            let (ndcg_low, ndcg_high) = metrics::interval(&ndcg, seed);
            let summary = Summary { users: of_system.len(), mean: metrics::mean(&of_system), ndcg_low, ndcg_high };
            (has_content || system != System::ContentBased).then_some(summary)
        });
        Evaluation { by_user, summaries }
    }

    /// NDCG by evaluated user; empty where nobody could be evaluated.
    pub fn ndcg(&self, system: System) -> Vec<f64> {
        self.by_user.iter().map(|metrics| metrics[system as usize].ndcg).collect()
    }

    /// The means of a system, zeros over 0 users where nobody could be evaluated; None for a part that the model lacks.
    pub fn summary(&self, system: System) -> Option<&Summary> {
        self.summaries[system as usize].as_ref()
    }

    /// The means of what is served.
    pub fn ensemble(&self) -> Metrics {
        self.summary(System::Ensemble).map_or(Metrics::default(), |summary| summary.mean)
    }

    /// Every system that was evaluated, with its means.
    pub fn summaries(&self) -> impl Iterator<Item = (System, &Summary)> {
        System::ALL.into_iter().zip(&self.summaries).filter_map(|(system, summary)| Some((system, summary.as_ref()?)))
    }
}

/// The users of a hold-out that rankings are evaluated on.
pub struct HoldOut<'a> {
    pub split: &'a Split,
    pub users: Vec<u32>,
    pub control: &'a Control,
}

impl HoldOut<'_> {
    /// Ranks the whole catalogue for each user by each system. `progress` is the share of the phase at which this begins
    /// and the one at which it ends.
    ///
    /// # Errors
    /// [`crate::Error::Stopped`], and [`crate::Error::NotFinite`] where the system of a user cannot be solved.
    pub fn systems(&self, model: &Model, learned: Weights, seed: u64, progress: (f32, f32)) -> Result<Evaluation> {
        let ranker = Ranker::own(model, &self.split.train.data);
        let by_user = self.each_user(progress, |user| ranker.systems(self.split, user, learned))?;
        Ok(Evaluation::new(by_user, model.forest().is_some(), seed))
    }

    /// NDCG by user of the ensemble of a model that was trained elsewhere.
    ///
    /// # Errors
    /// As [`HoldOut::systems`].
    pub fn foreign_ensemble(&self, model: &Model, progress: (f32, f32)) -> Result<Vec<f64>> {
        let ranker = Ranker::foreign(model, &self.split.train.data);
        self.each_user(progress, |user| ranker.ensemble(self.split, user))
    }

    fn each_user<T: Send>(&self, (from, to): (f32, f32), evaluate: impl Fn(u32) -> Result<T> + Sync) -> Result<Vec<T>> {
        const STEPS: usize = 20;
        let mut all = Vec::with_capacity(self.users.len());
        for (i, users) in self.users.chunks(self.users.len().div_ceil(STEPS).max(1)).enumerate() {
            self.control.done(from + (to - from) * i as f32 / STEPS as f32)?;
            let some: Vec<T> = users
                .par_iter()
                .map(|user| {
                    self.control.check()?;
                    evaluate(*user)
                })
                .collect::<Result<_>>()?;
            all.extend(some);
        }
        Ok(all)
    }
}

/// Items that the trees score at first to find the best of the ensemble; four times as many while these do not settle it.
const FIRST_SCORED: usize = 256;

/// A model seen through the items of a data set: the model's own, or those of a model that was trained elsewhere.
pub struct Ranker<'a> {
    model: &'a Model,
    /// By item of the data set, its index in the model. None: the same.
    index: Option<Vec<Option<u32>>>,
    events: Cow<'a, Events>,
}

impl<'a> Ranker<'a> {
    /// For a model that was trained on `data` itself.
    pub fn own(model: &'a Model, data: &'a Dataset) -> Self {
        Ranker { model, index: None, events: Cow::Borrowed(&data.events) }
    }

    /// For any other model: what it does not know it cannot rank.
    pub fn foreign(model: &'a Model, data: &Dataset) -> Self {
        let index: Vec<Option<u32>> = data.items.iter().map(|id| model.items().index(*id)).collect();
        let known = |i: usize| index[data.events.item[i] as usize];
        let events = data.events.select(|_, i| known(i).is_some(), |item| index[item as usize].unwrap_or(0));
        Ranker { model, index: Some(index), events: Cow::Owned(events) }
    }

    /// A user of the data set as the model sees one.
    ///
    /// # Errors
    /// [`crate::Error::NotFinite`] where the system of the user cannot be solved.
    pub fn user(&self, data: &Dataset, user: u32) -> Result<User<'_>> {
        self.model.user(self.row(user), data.since[user as usize], None)
    }

    fn row(&self, user: u32) -> Row<'_> {
        self.events.row(user as usize)
    }

    /// Raw scores by part of every item of the data set; what the model does not know is not a number.
    pub fn raw(&self, user: &User<'_>, items: usize) -> [Vec<f32>; 3] {
        let known = self.known(items);
        self.model.raw(user, &known).map(|values| self.by_item(values))
    }

    /// The items of the data set that the model knows, by their indices in the model.
    fn known(&self, items: usize) -> Vec<u32> {
        match &self.index {
            None => (0..items as u32).collect(),
            Some(index) => index.iter().flatten().copied().collect(),
        }
    }

    /// Values of the known items, as values of all items of the data set.
    fn by_item(&self, values: Vec<f32>) -> Vec<f32> {
        let Some(index) = &self.index else { return values };
        let mut values = values.into_iter();
        index.iter().map(|i| i.and_then(|_| values.next()).unwrap_or(f32::NAN)).collect()
    }

    /// Which parts the model has.
    pub fn parts_of_model(&self) -> [bool; 3] {
        [true, self.model.forest().is_some(), true]
    }

    /// Raw scores on the common scale.
    pub fn parts(&self, raw: &[Vec<f32>; 3]) -> CommonScale {
        let exists = self.parts_of_model();
        let apply = |part: usize| -> Vec<f32> {
            let mut calibrated = vec![0.0; raw[part].len()];
            if exists[part] {
                self.model.calibrations()[part].apply_all(&raw[part], &mut calibrated);
            }
            // What the model does not know stays NaN. It knows all of its own items.
            if self.index.is_some() {
                let unknown = calibrated.iter_mut().zip(&raw[part]).filter(|(_, raw)| raw.is_nan());
                unknown.for_each(|(calibrated, _)| *calibrated = f32::NAN);
            }
            calibrated
        };
        CommonScale { parts: std::array::from_fn(apply), exists }
    }

    /// The metrics of every system for one user.
    fn systems(&self, split: &Split, user: u32, learned: Weights) -> Result<[Metrics; System::ALL.len()]> {
        let relevant = split.held_out(user as usize);
        Ok(self.lists(split, user, learned, K)?.map(|list| metrics::measure(&list, relevant, K)))
    }

    /// The best `n` items of the catalogue for one user, by every system; none of a part that the model lacks.
    ///
    /// # Errors
    /// [`crate::Error::NotFinite`] where the system of the user cannot be solved.
    pub fn lists(&self, split: &Split, user: u32, learned: Weights, n: usize) -> Result<[Vec<u32>; System::ALL.len()]> {
        let data = &split.train.data;
        let raw = self.raw(&self.user(data, user)?, data.items.len());
        let parts = self.parts(&raw);
        // As serving does: whatever was reviewed, well or badly, is not recommended again.
        let seen = data.events.row(user as usize).item;
        let rank = |scores: &[f32]| top(scores, n, seen);
        let blended = |weights: Weights| rank(&parts.blended(&weights));
        let (used, fixed) = (self.model.weights(), Weights::default().over(self.parts_of_model()));
        let ensemble = blended(used);
        // Ranking is what costs: equal weights are ranked once.
        let with_fixed = if fixed == used { ensemble.clone() } else { blended(fixed) };
        let with_learned = match learned {
            weights if weights == used => ensemble.clone(),
            weights if weights == fixed => with_fixed.clone(),
            weights => blended(weights),
        };
        Ok([
            rank(&random_scores(data, user)),
            rank(&rules_scores(&split.train.feedback, data, &split.train.liked_items(user))),
            rank(&raw[POPULARITY]),
            rank(&raw[COLLABORATIVE]),
            self.model.forest().map_or(Vec::new(), |_| rank(&raw[CONTENT_BASED])),
            ensemble,
            with_fixed,
            with_learned,
        ])
    }

    /// NDCG of the model's own ensemble for one user.
    fn ensemble(&self, split: &Split, user: u32) -> Result<f64> {
        let data = &split.train.data;
        let ranked = self.best(&self.user(data, user)?, data.items.len(), data.events.row(user as usize).item);
        Ok(metrics::measure(&ranked, split.held_out(user as usize), K).ndcg)
    }

    /// The best [`K`] items by the model's own ensemble, those of [`CommonScale::blended`] exactly. The trees score only
    /// items that could be among them, because their highest value is known.
    fn best(&self, user: &User<'_>, items: usize, seen: &[u32]) -> Vec<u32> {
        let weights = self.model.weights();
        let Some(ceiling) = self.model.content_ceiling(user) else {
            return top(&self.parts(&self.raw(user, items)).blended(&weights), K, seen);
        };
        let known = self.known(items);
        let (collaborative, popularity) =
            (self.model.raw_collaborative(user, &known), self.model.raw_popularity_of(&known));
        let raw = [collaborative, vec![0.0; known.len()], popularity].map(|values| self.by_item(values));
        let mut scale = self.parts(&raw);
        // In the calibrated part of what is known; the sum grows with each of its terms, also after rounding.
        scale.parts[CONTENT_BASED].iter_mut().filter(|v| !v.is_nan()).for_each(|v| *v = ceiling);
        let ceilings = scale.blended(&weights);
        let mut most = FIRST_SCORED;
        loop {
            let mut candidates = top(&ceilings, most, seen);
            let last = candidates.last().map(|item| ceilings[*item as usize]);
            // Equal scores are ordered by index.
            candidates.sort_unstable();
            let some = self.score_candidates(user, &scale, &candidates);
            let scores = some.blended(&weights);
            let best = top(&scores, K, &[]);
            let is_settled = candidates.len() < most
                || best.len() == K && last.is_some_and(|last| last < scores[best[K - 1] as usize]);
            if is_settled {
                return best.into_iter().map(|place| candidates[place as usize]).collect();
            }
            most *= 4;
        }
    }

    /// The parts of some items, the content part as the trees give it.
    fn score_candidates(&self, user: &User<'_>, scale: &CommonScale, items: &[u32]) -> CommonScale {
        let in_model = |item: u32| self.index.as_ref().map_or(Some(item), |index| index[item as usize]);
        let target = |item: &u32| in_model(*item).map_or(Target::Unknown, Target::Known);
        let content = self.model.content(user, &items.iter().map(target).collect::<Vec<_>>());
        let of = |part: usize| items.iter().map(|item| scale.parts[part][*item as usize]).collect();
        let content = content.into_iter().map(|value| value.unwrap_or(f32::NAN)).collect();
        CommonScale { parts: [of(COLLABORATIVE), content, of(POPULARITY)], exists: scale.exists }
    }
}

/// Parts of many items by column, not a number where a part does not exist.
pub struct CommonScale {
    parts: [Vec<f32>; 3],
    exists: [bool; 3],
}

impl CommonScale {
    /// The ensemble's scores; not a number where no part exists.
    pub fn blended(&self, weights: &Weights) -> Vec<f32> {
        let [w0, w1, w2] = weights.over(self.exists).parts();
        let [a, b, c] = &self.parts;
        let mut scores: Vec<f32> = (0..a.len()).map(|i| w0 * a[i] + w1 * b[i] + w2 * c[i]).collect();
        for (i, score) in scores.iter_mut().enumerate().filter(|(_, score)| score.is_nan()) {
            let exists = |v: f32| (!v.is_nan()).then_some(v);
            let content_based = exists(b[i]).filter(|_| self.exists[1]);
            let parts = Parts { collaborative: exists(a[i]), content_based, popularity: exists(c[i]) };
            if parts != Parts::default() {
                *score = weights.blend(&parts);
            }
        }
        scores
    }
}

fn random_scores(data: &Dataset, user: u32) -> Vec<f32> {
    let id = data.users[user as usize] as u64;
    let hash = |item: &i64| xxhash_rust::xxh3::xxh3_64_with_seed(&item.to_le_bytes(), id);
    data.items.iter().map(|item| (hash(item) >> 40) as f32).collect()
}

fn rules_scores(feedback: &Feedback, data: &Dataset, liked: &[u32]) -> Vec<f32> {
    let info = |item: usize| ItemInfo::new(data.category.of(item), data.author.of(item), data.published[item]);
    let liked: Vec<ItemInfo> = liked.iter().map(|item| info(*item as usize)).collect();
    let taste = Taste::of(liked.iter());
    (0..data.items.len()).map(|item| taste.score(&info(item), feedback.now)).collect()
}

#[cfg(test)]
mod tests;

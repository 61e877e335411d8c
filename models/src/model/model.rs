//! A trained model: all that scoring any user and item needs, and nothing about its training.

use std::ops::Deref;

use crate::data::column::Column;
use crate::data::description::Description;
use crate::data::feedback::Feedback;
use crate::data::items::{Exposure, ItemInfo, ItemTable};
use crate::error::{Error, Result};
use crate::math::simd::prefetch;
use crate::model::calibration::Calibration;
use crate::model::ensemble::{COLLABORATIVE, CONTENT_BASED, POPULARITY, Parts, Weights};
use crate::model::score::{Rung, Scored, Target};
use crate::model::uncalibrated::{Derived, Uncalibrated, User};
use crate::parts::collaborative::Collaborative;
use crate::parts::content::{Attribution, Forest, ItemFeatures, Layout, PairRow};
use crate::parts::ratings::RatingModel;

/// The stored values of a model as they were read, not checked yet: see [`Model::new`].
#[derive(Debug, Clone)]
pub struct Fitted {
    pub feedback: Feedback,
    pub items: ItemTable,
    pub collaborative: Collaborative,
    pub forest: Option<Forest>,
    /// By part.
    pub calibrations: [Calibration; 3],
    pub weights: Weights,
    /// Predicts stars; None without a review, and in a twin, which is never asked for stars.
    pub ratings: Option<RatingModel>,
}

/// A complete model: its parts fit each other, and its scores are on one scale.
#[derive(Debug, Clone)]
pub struct Model {
    pub(super) raw: Uncalibrated,
    pub(super) calibrations: [Calibration; 3],
    pub(super) popularity: Column<f32>,
    pub(super) weights: Weights,
    pub(super) ratings: Option<RatingModel>,
}

/// Raw scores, features and the folding in of users are those of the parts.
impl Deref for Model {
    type Target = Uncalibrated;

    fn deref(&self) -> &Uncalibrated {
        &self.raw
    }
}

/// Targets per block of [`Model::gather`]: what is read of them fits the second-level cache.
const GATHERED: usize = 256;

impl Fitted {
    /// # Errors
    /// [`Error::Corrupt`], which says what does not fit.
    fn check(&self) -> Result<()> {
        let collaborative = &self.collaborative;
        let basis = &collaborative.basis;
        let layout = Layout { vectors: !self.items.vectors.is_empty() };
        let sound = [
            (self.items.id.windows(2).all(|w| w[0] < w[1]), "item ids are not ascending"),
            (collaborative.factors.values.iter().all(|v| v.is_finite()), "a factor is not finite"),
            (
                [&self.items.category, &self.items.author].iter().all(|keys| keys.valid(self.items.len())),
                "the lists of categories and authors are not sound",
            ),
            (self.items.vectors.valid(self.items.len()), "the vectors of texts and embeddings are not sound"),
            (self.items.stars_sum.iter().all(|v| v.is_finite()), "a sum of stars is not finite"),
            (basis.gram.len() == collaborative.factors.ncols(), "the basis does not fit the factors"),
            (
                basis.gram.iter().chain([&basis.alpha0, &basis.regularization]).all(|v| v.is_finite() && *v >= 0.0),
                "the basis is not finite",
            ),
            (collaborative.neighbours.valid(self.items.len()), "the neighbours are not sound"),
            (collaborative.blend.valid(), "the blend is not valid"),
            (self.calibrations.iter().all(Calibration::valid), "a calibration is not monotone"),
            (
                self.forest.as_ref().is_none_or(|f| f.valid(layout.features(), layout.varying())),
                "the forest is not sound",
            ),
            (self.ratings.as_ref().is_none_or(RatingModel::valid), "what predicts stars is not sound"),
            (Weights::new(self.weights.parts()).is_some(), "the weights are not valid"),
            (self.feedback.positive_stars.is_finite(), "the threshold of stars is not finite"),
        ];
        match sound.iter().find(|(holds, _)| !holds) {
            None => Ok(()),
            Some((_, what)) => Err(Error::Corrupt((*what).into())),
        }
    }

    /// Without checks: for values that were checked, and for tests of damaged ones.
    fn assemble(self) -> Model {
        let parts = Uncalibrated::new(self.feedback, self.items, self.collaborative, self.forest);
        Model::calibrated(parts, self.calibrations, self.weights, self.ratings)
    }
}

impl Model {
    /// The fitted parts on one scale. `calibrations` by part, in the order of [`crate::PART_NAMES`].
    pub(crate) fn calibrated(
        raw: Uncalibrated,
        calibrations: [Calibration; 3],
        weights: Weights,
        ratings: Option<RatingModel>,
    ) -> Model {
        let popularity = raw.derived.raw_popularity.iter().map(|raw| calibrations[POPULARITY].apply(*raw)).collect();
        Model { raw, calibrations, popularity, weights, ratings }
    }

    /// # Errors
    /// [`Error::Corrupt`] where the parts do not fit each other or a number is out of its range.
    pub fn new(fitted: Fitted) -> Result<Model> {
        fitted.check()?;
        Ok(fitted.assemble())
    }

    /// With derived values that were computed when the model was written. They are covered by the checksum of the image,
    /// and not checked again.
    pub(crate) fn with_derived(fitted: Fitted, derived: Derived, popularity: Column<f32>) -> Model {
        let Fitted { feedback, items, collaborative, forest, calibrations, weights, ratings } = fitted;
        let raw = Uncalibrated { feedback, items, collaborative, forest, derived };
        Model { raw, calibrations, popularity, weights, ratings }
    }

    /// For tests of damaged values.
    #[cfg(test)]
    pub(crate) fn unchecked(fitted: Fitted) -> Model {
        fitted.assemble()
    }

    /// The same parts in another weighted mean.
    pub fn with_weights(self, weights: Weights) -> Model {
        Model { weights, ..self }
    }

    /// The same parts with another share of the neighbours in the collaborative one, 0 to 1; the calibration stays.
    pub fn with_neighbour_share(mut self, share: f32) -> Model {
        self.raw.collaborative.blend.share = share.clamp(0.0, 1.0);
        self
    }

    /// With another model of the stars, or none.
    pub fn with_ratings(self, ratings: Option<RatingModel>) -> Model {
        Model { ratings, ..self }
    }

    /// Says which interactions count as liked, and how much.
    pub fn feedback(&self) -> &Feedback {
        &self.raw.feedback
    }

    /// The items of the model, by ascending id.
    pub fn items(&self) -> &ItemTable {
        &self.raw.items
    }

    /// The length of the user and item vectors, k.
    pub fn factors(&self) -> usize {
        self.raw.collaborative.factors.ncols()
    }

    /// The collaborative part.
    pub fn collaborative_part(&self) -> &Collaborative {
        &self.raw.collaborative
    }

    /// The trees of the content part; None where it was left out or could not be fitted.
    pub fn forest(&self) -> Option<&Forest> {
        self.raw.forest.as_ref()
    }

    /// By part, in the order of [`crate::PART_NAMES`].
    pub(crate) fn calibrations(&self) -> &[Calibration; 3] {
        &self.calibrations
    }

    /// The weights of the parts in a score.
    pub fn weights(&self) -> Weights {
        self.weights
    }

    /// Predicts stars; None without reviews, and in a twin.
    pub fn ratings(&self) -> Option<&RatingModel> {
        self.ratings.as_ref()
    }

    pub(crate) fn derived(&self) -> &Derived {
        &self.raw.derived
    }

    /// [`Model::popularity`], as it is written.
    pub(crate) fn popularity_column(&self) -> &Column<f32> {
        &self.popularity
    }

    /// The popularity part by item, 0 to 1, as it enters a score.
    pub(crate) fn popularity(&self) -> &[f32] {
        &self.popularity
    }

    /// Whether an item that is newer than the model has to be described, for a score that makes use of it.
    pub fn reads_descriptions(&self) -> bool {
        self.encoder().layout().vectors && self.forest().is_some()
    }

    /// Adds to what is known of an item that is newer than the model what its text and its embedding say.
    ///
    /// ```
    /// use reco_models::{Description, ItemInfo, NONE};
    ///
    /// # let trained: reco_models::Trained = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/common/trained.rs"));
    /// # let model = trained.model;
    /// let info = model.describe(ItemInfo::new([7], [], NONE), &Description::of_text("La casa verde"));
    /// assert!(info.categories().eq([7]));
    /// # Ok::<(), reco_models::Error>(())
    /// ```
    pub fn describe(&self, info: ItemInfo, description: &Description) -> ItemInfo {
        match self.encoder().layout().vectors {
            true => info.with_vectors(self.items().vectors.encode(description)),
            false => info,
        }
    }

    /// The interactions with an item, by its index.
    pub fn exposure(&self, item: u32) -> Exposure {
        self.raw.items.exposure(item)
    }

    /// The share of positive interactions over all items, 0 to 1; 0 without any.
    pub fn positive_rate(&self) -> f32 {
        let sum = |column: &[u32]| column.iter().map(|n| f64::from(*n)).sum::<f64>();
        let items = &self.raw.items;
        (sum(&items.positives) / (sum(&items.ratings) + sum(&items.favorites)).max(1.0)) as f32
    }

    /// The four terms of an item's popularity, each 0 to 1, in the order of the names in `parts::popularity`.
    pub(crate) fn popularity_terms(&self, item: u32) -> [f32; 4] {
        self.raw.derived.scale.terms(&self.raw.items, &self.raw.feedback, item as usize)
    }

    /// Scores of a user with each of the targets, in their order.
    ///
    /// ```
    /// use reco_models::{Favorites, Ratings, Signals, Target};
    ///
    /// # let trained: reco_models::Trained = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/common/trained.rs"));
    /// # let model = trained.model;
    /// // A user who added item 3 to the favourites since the training.
    /// let favorites = Favorites { user: vec![7], item: vec![3], at: vec![reco_models::NONE] };
    /// let history = model.history(&Ratings::default(), &favorites, &Signals::default());
    /// let user = model.user(history.row(), reco_models::NONE, None)?;
    /// let targets = [model.items().index(6).map_or(Target::Unknown, Target::Known), Target::Unknown];
    /// let scored = model.score(&user, &targets);
    /// assert!(scored[0].score > scored[1].score);
    /// # Ok::<(), reco_models::Error>(())
    /// ```
    pub fn score(&self, user: &User<'_>, targets: &[Target]) -> Vec<Scored> {
        let parts = self.raw.collaborative(user, targets).into_iter().zip(self.content(user, targets));
        let scored = |(target, (raw, content)): (&Target, _)| self.blend(user, target, raw, content);
        targets.iter().zip(parts).map(scored).collect()
    }

    /// The content part of the targets that have one, 0 to 1.
    pub(crate) fn content(&self, user: &User<'_>, targets: &[Target]) -> Vec<Option<f32>> {
        let mut content = vec![None; targets.len()];
        if let Some(forest) = &self.raw.forest {
            let pairing = self.raw.pairing(user, targets.len());
            for (targets, content) in targets.chunks(GATHERED).zip(content.chunks_mut(GATHERED)) {
                self.raw.content_raw(forest, user, &pairing, self.gather(targets).into_iter(), |i, raw| {
                    content[i] = Some(self.calibrations[CONTENT_BASED].apply(raw));
                });
            }
        }
        content
    }

    /// An upper bound of the content part of any item for a user; None without a content part.
    pub(crate) fn content_ceiling(&self, user: &User<'_>) -> Option<f32> {
        let forest = self.raw.forest.as_ref()?;
        // What rounding may add to a sum of some hundred leaves.
        let raw = forest.ceiling(&user.prepared) * (1.0 + 1e-6) + 1e-6;
        Some(self.calibrations[CONTENT_BASED].apply(raw as f32))
    }

    /// The features of the known targets, each with its place. They lie anywhere in memory: all are prefetched before the
    /// first is read, so that the waits overlap.
    fn gather<'t>(&self, targets: &'t [Target]) -> Vec<(usize, ItemFeatures<'t>)> {
        for item in targets.iter().filter_map(|t| t.index()) {
            self.encoder().prefetch(item);
            prefetch(&self.popularity[item as usize..=item as usize]);
        }
        let items: Vec<(usize, ItemFeatures<'t>)> =
            targets.iter().enumerate().filter_map(|(i, t)| Some((i, self.raw.item_features(t)?))).collect();
        for (_, item) in &items {
            self.encoder().prefetch_groups(item);
        }
        items
    }

    /// For each target the features of the pair and what each of them adds to the raw content score; None for a target
    /// without a content part.
    pub(crate) fn attribute(&self, user: &User<'_>, targets: &[Target]) -> Vec<Option<(PairRow, Attribution)>> {
        let Some(forest) = &self.raw.forest else { return vec![None; targets.len()] };
        let items: Vec<Option<ItemFeatures<'_>>> =
            targets.iter().map(|target| self.raw.item_features(target)).collect();
        let row = |item: &ItemFeatures| self.encoder().row(&user.features, item);
        let rows: Vec<PairRow> = items.iter().flatten().map(row).collect();
        let features = self.encoder().layout().features();
        let attributions = forest.shapley(&rows.iter().map(|row| &row[..features]).collect::<Vec<_>>());
        let mut found = rows.into_iter().zip(attributions);
        items.iter().map(|item| item.as_ref().and_then(|_| found.next())).collect()
    }

    /// The score of a target from its raw collaborative score and its calibrated content part.
    pub(crate) fn blend(
        &self,
        user: &User<'_>,
        target: &Target,
        raw: Option<f32>,
        content_based: Option<f32>,
    ) -> Scored {
        let known = target.index();
        // An item without a like has the raw score 0, as in the evaluation. Without a collaborative part its score would
        // be that of the trees: on Book-Crossing, half of the ten best would then be books that no user likes.
        let exists = known.is_some() && !user.likes.factor.is_empty();
        let collaborative = raw.filter(|_| exists).map(|raw| self.calibrations[COLLABORATIVE].apply(raw));
        let popularity = known.map_or(0.0, |item| self.popularity[item as usize]);
        let parts = Parts { collaborative, content_based, popularity: Some(popularity) };
        let rung = match (collaborative, content_based) {
            (Some(_), _) if user.folded_in => Rung::FoldIn,
            (Some(_), _) => Rung::Hybrid,
            (None, Some(_)) => Rung::Content,
            (None, None) => Rung::Popularity,
        };
        Scored { score: self.weights.blend(&parts), parts, rung }
    }
}

//! A trained model: everything it takes to score any user and item, and nothing of how it came to be.

use std::sync::OnceLock;

use crate::calibration::Calibration;
use crate::collaborative::{Collaborative, Reader};
use crate::column::Column;
use crate::content::{Attribution, Candidate, Encoder, FEATURES, Forest, LANES, UserFeatures, VARYING};
use crate::dataset::{Favorites, History, Ratings, Row};
use crate::ensemble::{Parts, Weights};
use crate::error::Result;
use crate::explore::Exposure;
use crate::feedback::Feedback;
use crate::items::{ItemInfo, ItemTable};
use crate::popularity;
use crate::ratings::RatingModel;
use crate::retrieve::Retrieval;
use crate::simd::prefetch;

/// What is stored of a model; all else follows from it.
#[derive(Debug, Clone)]
pub struct Fitted {
    pub feedback: Feedback,
    pub items: ItemTable,
    pub collaborative: Collaborative,
    pub forest: Option<Forest>,
    /// By part.
    pub calibrations: [Calibration; 3],
    pub weights: Weights,
    /// What predicts stars; None without a review, and in a twin, which nobody asks.
    pub ratings: Option<RatingModel>,
}

/// [`Fitted`], with what is derived from it once so that scoring is fast.
#[derive(Debug, Clone)]
pub struct Model {
    pub fitted: Fitted,
    pub(crate) raw_popularity: Column<f32>,
    pub(crate) popularity: Column<f32>,
    pub(crate) scale: popularity::Scale,
    pub(crate) encoder: Encoder,
    /// Only whoever recommends needs it, and it takes as long as the scoring of every item.
    pub(crate) retrieval: OnceLock<Retrieval>,
}

/// Targets that are gathered together: what they need fits the second-level cache.
const GATHERED: usize = 256;

/// An item to be scored.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Target {
    /// Its index in the model.
    Known(u32),
    /// In the catalogue, but newer than the model.
    Newcomer(ItemInfo),
    /// Nowhere to be found.
    Unknown,
}

impl Target {
    pub fn index(self) -> Option<u32> {
        match self {
            Target::Known(item) => Some(item),
            Target::Newcomer(_) | Target::Unknown => None,
        }
    }
}

/// Which step of the ladder a score stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    Hybrid,
    FoldIn,
    Content,
    Popularity,
    Rules,
}

impl Source {
    pub fn name(self) -> &'static str {
        match self {
            Source::Hybrid => "hybrid",
            Source::FoldIn => "fold_in",
            Source::Content => "content",
            Source::Popularity => "popularity",
            Source::Rules => "rules",
        }
    }
}

/// One scored item.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scored {
    pub score: f32,
    pub parts: Parts,
    pub source: Source,
}

/// A user, ready to be scored against any number of items.
pub struct User<'a> {
    reader: Reader,
    features: UserFeatures<'a>,
    prepared: Vec<u32>,
    folded_in: bool,
}

impl User<'_> {
    pub fn reader(&self) -> &Reader {
        &self.reader
    }
}

impl Model {
    pub fn new(fitted: Fitted) -> Model {
        let raw_popularity: Column<f32> = popularity::popularity(&fitted.items, &fitted.feedback).into();
        let popularity = raw_popularity.iter().map(|raw| fitted.calibrations[2].apply(*raw)).collect();
        let encoder =
            Encoder::new(&fitted.items, fitted.collaborative.factors.view(), &raw_popularity, fitted.feedback);
        let scale = popularity::Scale::of(&fitted.items);
        Model { fitted, raw_popularity, popularity, scale, encoder, retrieval: OnceLock::new() }
    }

    pub fn encoder(&self) -> &Encoder {
        &self.encoder
    }

    /// By item, in [0,1], not calibrated.
    pub fn raw_popularity(&self) -> &[f32] {
        &self.raw_popularity
    }

    /// The popularity part by item, as it enters a score.
    pub fn popularity(&self) -> &[f32] {
        &self.popularity
    }

    /// Reactions to an item, the good ones among them; and the share of good ones over all items.
    pub fn exposure(&self, item: u32) -> Exposure {
        let (items, i) = (&self.fitted.items, item as usize);
        let seen = items.ratings[i].saturating_add(items.favorites[i]);
        Exposure { seen, liked: items.positives[i].min(seen) }
    }

    pub fn positive_rate(&self) -> f32 {
        let sum = |column: &[u32]| column.iter().map(|n| f64::from(*n)).sum::<f64>();
        let items = &self.fitted.items;
        (sum(&items.positives) / (sum(&items.ratings) + sum(&items.favorites)).max(1.0)) as f32
    }

    /// The four terms of an item's popularity, each in [0,1].
    pub fn popularity_terms(&self, item: u32) -> [f32; 4] {
        self.scale.terms(&self.fitted.items, &self.fitted.feedback, item as usize)
    }

    /// A user's interactions with the items of the model.
    pub fn history(&self, ratings: &Ratings, favorites: &Favorites) -> History {
        History::new(ratings, favorites, |id| self.fitted.items.index(id))
    }

    /// The vector of a user from interactions with known items; empty without a liked one.
    pub fn fold_in(&self, row: Row<'_>) -> Result<Vec<f32>> {
        self.fitted.collaborative.fold_in(&self.fitted.feedback.positives(row).collect::<Vec<_>>())
    }

    /// Features of a user with the given interactions (items by index, ascending) and vector (empty: none).
    pub fn features<'a>(&self, row: Row<'a>, since: i64, factor: Vec<f32>) -> UserFeatures<'a> {
        self.encoder.user(row, since, factor)
    }

    /// `stored`: the user's vector if it was trained on exactly these interactions, else None: it is solved for.
    pub fn user<'a>(&self, row: Row<'a>, since: i64, stored: Option<Vec<f32>>) -> Result<User<'a>> {
        let folded_in = stored.is_none();
        let liked: Vec<(u32, f32)> = self.fitted.feedback.positives(row).collect();
        let factor = match stored {
            Some(factor) => factor,
            None => self.fitted.collaborative.fold_in(&liked)?,
        };
        let features = self.features(row, since, factor.clone());
        let reader = self.fitted.collaborative.reader(factor, liked);
        let prepared = self.fitted.forest.as_ref().map_or(Vec::new(), |f| f.prepare(&features.values));
        Ok(User { reader, features, prepared, folded_in })
    }

    /// One element per target, in order.
    pub fn score(&self, user: &User<'_>, targets: &[Target]) -> Vec<Scored> {
        let parts = self.collaborative(user, targets).into_iter().zip(self.content(user, targets));
        let scored = |(target, (raw, content)): (&Target, _)| self.assemble(user, *target, raw, content);
        targets.iter().zip(parts).map(scored).collect()
    }

    /// Raw scores of the targets that the model knows.
    pub(crate) fn collaborative(&self, user: &User<'_>, targets: &[Target]) -> Vec<Option<f32>> {
        let known: Vec<u32> = targets.iter().filter_map(|t| t.index()).collect();
        let mut raw = self.fitted.collaborative.score(&user.reader, &known).into_iter();
        targets.iter().map(|target| target.index().and_then(|_| raw.next())).collect()
    }

    /// The content part of the targets that have one.
    pub(crate) fn content(&self, user: &User<'_>, targets: &[Target]) -> Vec<Option<f32>> {
        let mut content = vec![None; targets.len()];
        if let Some(forest) = &self.fitted.forest {
            for (targets, content) in targets.chunks(GATHERED).zip(content.chunks_mut(GATHERED)) {
                self.content_raw(forest, user, self.gather(targets).into_iter(), |i, raw| {
                    content[i] = Some(self.fitted.calibrations[1].apply(raw));
                });
            }
        }
        content
    }

    /// What the content part of no item exceeds for a user; None where there is none.
    pub(crate) fn content_ceiling(&self, user: &User<'_>) -> Option<f32> {
        let forest = self.fitted.forest.as_ref()?;
        // What rounding may add to a sum of some hundred leaves.
        let raw = forest.ceiling(&user.prepared) * (1.0 + 1e-6) + 1e-6;
        Some(self.fitted.calibrations[1].apply(raw as f32))
    }

    /// The candidates among the targets, by their place. They lie anywhere in the model: all are asked for before the
    /// first is read, so that one wait serves for many.
    fn gather(&self, targets: &[Target]) -> Vec<(usize, Candidate)> {
        for item in targets.iter().filter_map(|t| t.index()) {
            self.encoder.prefetch(item);
            prefetch(&self.popularity[item as usize..=item as usize]);
        }
        let candidates: Vec<(usize, Candidate)> =
            targets.iter().enumerate().filter_map(|(i, t)| Some((i, self.candidate(*t)?))).collect();
        for (_, candidate) in &candidates {
            self.encoder.prefetch_groups(candidate);
        }
        candidates
    }

    fn candidate(&self, target: Target) -> Option<Candidate> {
        match target {
            Target::Known(item) => Some(self.encoder.known(item)),
            Target::Newcomer(info) => Some(self.encoder.newcomer(info)),
            Target::Unknown => None,
        }
    }

    /// The features of the user with each target, and what each adds to its raw content score; None where there is none.
    pub fn attribute(&self, user: &User<'_>, targets: &[Target]) -> Vec<Option<([f32; FEATURES], Attribution)>> {
        let Some(forest) = &self.fitted.forest else { return vec![None; targets.len()] };
        let candidates: Vec<Option<Candidate>> = targets.iter().map(|target| self.candidate(*target)).collect();
        let features = |candidate: &Candidate| {
            let mut block = [[0.0f32; LANES]; VARYING];
            self.encoder.encode(&user.features, candidate, 0, &mut block);
            let mut values = [0.0; FEATURES];
            let all = block.iter().map(|row| row[0]).chain(user.features.values);
            values.iter_mut().zip(all).for_each(|(to, from)| *to = from);
            values
        };
        let rows: Vec<[f32; FEATURES]> = candidates.iter().flatten().map(features).collect();
        let attributions = forest.shapley(&rows.iter().map(|row| row.as_slice()).collect::<Vec<_>>());
        let mut found = rows.into_iter().zip(attributions);
        candidates.iter().map(|candidate| candidate.as_ref().and_then(|_| found.next())).collect()
    }

    pub(crate) fn assemble(
        &self,
        user: &User<'_>,
        target: Target,
        raw: Option<f32>,
        content_based: Option<f32>,
    ) -> Scored {
        let known = target.index();
        // An item that nobody liked has the raw score 0, as the evaluation has it. Were its part absent, the trees alone
        // would decide: of the ten best of Book-Crossing half would be books that nobody likes.
        let exists = known.is_some() && !user.reader.factor.is_empty();
        let collaborative = raw.filter(|_| exists).map(|raw| self.fitted.calibrations[0].apply(raw));
        let popularity = known.map_or(0.0, |item| self.popularity[item as usize]);
        let parts = Parts { collaborative, content_based, popularity: Some(popularity) };
        let source = match (collaborative, content_based) {
            (Some(_), _) if user.folded_in => Source::FoldIn,
            (Some(_), _) => Source::Hybrid,
            (None, Some(_)) => Source::Content,
            (None, None) => Source::Popularity,
        };
        Scored { score: self.fitted.weights.blend(&parts), parts, source }
    }

    /// Hands the raw content score of every candidate to `put`, by the candidate's number.
    fn content_raw(
        &self,
        forest: &Forest,
        user: &User<'_>,
        candidates: impl Iterator<Item = (usize, Candidate)>,
        mut put: impl FnMut(usize, f32),
    ) {
        let mut block = [[0.0f32; LANES]; VARYING];
        let mut numbers = [0usize; LANES];
        let mut sums = [0.0f64; LANES];
        let mut filled = 0;
        let mut flush = |numbers: &[usize], block: &[[f32; LANES]]| {
            forest.score(&user.prepared, block, &mut sums);
            for (number, raw) in numbers.iter().zip(sums) {
                put(*number, raw as f32);
            }
        };
        for (number, candidate) in candidates {
            self.encoder.encode(&user.features, &candidate, filled, &mut block);
            numbers[filled] = number;
            filled += 1;
            if filled == LANES {
                flush(&numbers, &block);
                filled = 0;
            }
        }
        if filled > 0 {
            flush(&numbers[..filled], &block);
        }
    }

    /// Prepares a user for the scoring of most items.
    pub fn tabulate(&self, user: &mut User<'_>) {
        self.encoder.tabulate(&mut user.features);
    }

    /// Raw scores of the given items by part (collaborative, content, popularity); zeros where a part does not exist.
    pub fn raw(&self, user: &User<'_>, items: &[u32]) -> [Vec<f32>; 3] {
        let collaborative = if items.len() == self.fitted.items.len() {
            self.fitted.collaborative.score_all(&user.reader)
        } else {
            self.fitted.collaborative.score(&user.reader, items)
        };
        let mut content = vec![0.0; items.len()];
        if let Some(forest) = &self.fitted.forest {
            let candidates = items.iter().map(|i| self.encoder.known(*i)).enumerate();
            self.content_raw(forest, user, candidates, |i, raw| content[i] = raw);
        }
        [collaborative, content, items.iter().map(|i| self.raw_popularity[*i as usize]).collect()]
    }
}

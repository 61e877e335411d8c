//! A trained model: everything it takes to score any user and item, and nothing of how it came to be.

use ndarray::Array2;

use crate::als::{Basis, Solver};
use crate::calibration::Calibration;
use crate::content::{Candidate, Encoder, Forest, LANES, UserFeatures, VARYING};
use crate::dataset::{Favorites, History, Ratings, Row};
use crate::ensemble::{Parts, Weights};
use crate::error::Result;
use crate::feedback::Feedback;
use crate::items::{ItemInfo, ItemTable};
use crate::popularity;
use crate::simd::dot;

/// What is stored of a model; all else follows from it.
#[derive(Debug, Clone)]
pub struct Fitted {
    pub feedback: Feedback,
    pub items: ItemTable,
    /// items × k; a row of zeros for an item without a factor.
    pub factors: Array2<f32>,
    pub basis: Basis,
    pub forest: Option<Forest>,
    /// By part.
    pub calibrations: [Calibration; 3],
    pub weights: Weights,
}

/// [`Fitted`], with what is derived from it once so that scoring is fast.
#[derive(Debug, Clone)]
pub struct Model {
    pub fitted: Fitted,
    has_factor: Vec<bool>,
    popularity_raw: Vec<f32>,
    popularity: Vec<f32>,
    encoder: Encoder,
}

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
    features: UserFeatures<'a>,
    prepared: Vec<u32>,
    folded_in: bool,
}

impl Model {
    pub fn new(fitted: Fitted) -> Model {
        let popularity_raw = popularity::popularity(&fitted.items, &fitted.feedback);
        let popularity = popularity_raw.iter().map(|raw| fitted.calibrations[2].apply(*raw)).collect();
        let has_factor = fitted.factors.rows().into_iter().map(|row| row.iter().any(|v| *v != 0.0)).collect();
        let encoder = Encoder::new(&fitted.items, fitted.factors.view(), &popularity_raw, fitted.feedback);
        Model { fitted, has_factor, popularity_raw, popularity, encoder }
    }

    pub fn encoder(&self) -> &Encoder {
        &self.encoder
    }

    /// By item, in [0,1], not calibrated.
    pub fn popularity(&self) -> &[f32] {
        &self.popularity_raw
    }

    /// A user's interactions with the items of the model.
    pub fn history(&self, ratings: &Ratings, favorites: &Favorites) -> History {
        History::new(ratings, favorites, |id| self.fitted.items.index(id))
    }

    /// Factors of the items in a range, one after the other.
    pub fn factors(&self, range: std::ops::Range<usize>) -> &[f32] {
        let k = self.fitted.factors.ncols();
        // Always in standard layout: it was built or decoded row by row.
        self.fitted.factors.as_slice().map_or(&[], |all| &all[range.start * k..range.end * k])
    }

    /// The vector of a user from interactions with known items; empty without a liked one.
    pub fn fold_in(&self, row: Row<'_>) -> Result<Vec<f32>> {
        let solver = Solver::new(self.fitted.factors.view(), &self.fitted.basis);
        let liked = self.fitted.feedback.positives(row).filter(|(item, _)| self.has_factor[*item as usize]);
        let mut liked = liked.peekable();
        if liked.peek().is_none() {
            return Ok(Vec::new());
        }
        let mut scratch = solver.scratch();
        Ok(solver.solve(liked, &mut scratch)?.to_vec())
    }

    /// Features of a user with the given interactions (items by index, ascending) and vector (empty: none).
    pub fn features<'a>(&self, row: Row<'a>, since: i64, factor: Vec<f32>) -> UserFeatures<'a> {
        self.encoder.user(row, since, factor)
    }

    /// `stored`: the user's vector if it was trained on exactly these interactions, else None: it is solved for.
    pub fn user<'a>(&self, row: Row<'a>, since: i64, stored: Option<Vec<f32>>) -> Result<User<'a>> {
        let folded_in = stored.is_none();
        let factor = match stored {
            Some(factor) => factor,
            None => self.fold_in(row)?,
        };
        let features = self.features(row, since, factor);
        let prepared = self.fitted.forest.as_ref().map_or(Vec::new(), |f| f.prepare(&features.values));
        Ok(User { features, prepared, folded_in })
    }

    /// One element per target, in order.
    pub fn score(&self, user: &User<'_>, targets: &[Target]) -> Vec<Scored> {
        let mut content = vec![None; targets.len()];
        if let Some(forest) = &self.fitted.forest {
            let candidates = targets.iter().enumerate().filter_map(|(i, target)| match target {
                Target::Known(item) => Some((i, self.encoder.known(*item))),
                Target::Newcomer(info) => Some((i, self.encoder.newcomer(*info))),
                Target::Unknown => None,
            });
            self.content_raw(forest, user, candidates, |i, raw| {
                content[i] = Some(self.fitted.calibrations[1].apply(raw));
            });
        }
        targets.iter().zip(content).map(|(target, content)| self.assemble(user, *target, content)).collect()
    }

    fn assemble(&self, user: &User<'_>, target: Target, content_based: Option<f32>) -> Scored {
        let (collaborative, popularity) = match target {
            Target::Known(item) => {
                let raw = self.collaborative_raw(user, item);
                (raw.map(|raw| self.fitted.calibrations[0].apply(raw)), self.popularity[item as usize])
            }
            Target::Newcomer(_) | Target::Unknown => (None, 0.0),
        };
        let parts = Parts { collaborative, content_based, popularity: Some(popularity) };
        let source = match (collaborative, content_based) {
            (Some(_), _) if user.folded_in => Source::FoldIn,
            (Some(_), _) => Source::Hybrid,
            (None, Some(_)) => Source::Content,
            (None, None) => Source::Popularity,
        };
        Scored { score: self.fitted.weights.blend(&parts), parts, source }
    }

    fn collaborative_raw(&self, user: &User<'_>, item: u32) -> Option<f32> {
        let factor = &user.features.factor;
        if factor.is_empty() || !self.has_factor[item as usize] {
            return None;
        }
        let item = item as usize;
        Some(dot(self.factors(item..item + 1), factor))
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
        let collaborative = items.iter().map(|i| self.collaborative_raw(user, *i).unwrap_or(0.0)).collect();
        let mut content = vec![0.0; items.len()];
        if let Some(forest) = &self.fitted.forest {
            let candidates = items.iter().map(|i| self.encoder.known(*i)).enumerate();
            self.content_raw(forest, user, candidates, |i, raw| content[i] = raw);
        }
        [collaborative, content, items.iter().map(|i| self.popularity_raw[*i as usize]).collect()]
    }
}

//! The fitted parts of a model, before calibration: each gives raw scores on a scale of its own.

use crate::data::column::Column;
use crate::data::dataset::{Favorites, History, Ratings, Row, Signals};
use crate::data::feedback::Feedback;
use crate::data::items::ItemTable;
use crate::error::Result;
use crate::model::score::Target;
use crate::parts::collaborative::{Collaborative, Likes};
use crate::parts::content::{
    Encoder, Forest, ItemFeatures, LANES, MOST_VARYING, Pairing, Prepared, Rows, UserFeatures,
};
use crate::parts::popularity::{self, Scale};

/// The fitted parts, and what follows from them. Calibrations and weights make a [`crate::Model`] of it.
#[derive(Debug, Clone)]
pub struct Uncalibrated {
    pub(super) feedback: Feedback,
    pub(super) items: ItemTable,
    pub(super) collaborative: Collaborative,
    pub(super) forest: Option<Forest>,
    pub(super) derived: Derived,
}

/// Values that follow from the fitted parts, computed once so that scoring is fast.
#[derive(Debug, Clone)]
pub struct Derived {
    /// By item, 0 to 1.
    pub raw_popularity: Column<f32>,
    pub scale: Scale,
    pub encoder: Encoder,
}

/// A user, ready to be scored against any number of items.
pub struct User<'a> {
    pub(super) likes: Likes,
    pub(super) features: UserFeatures<'a>,
    pub(super) prepared: Prepared,
    pub(super) folded_in: bool,
}

impl User<'_> {
    /// What the user likes, as the collaborative part scores it.
    pub fn likes(&self) -> &Likes {
        &self.likes
    }
}

impl Uncalibrated {
    /// Derives what scoring needs, in a time linear in the items.
    pub(crate) fn new(
        feedback: Feedback,
        items: ItemTable,
        collaborative: Collaborative,
        forest: Option<Forest>,
    ) -> Self {
        let raw_popularity: Column<f32> = popularity::popularity(&items, &feedback).into();
        let encoder = Encoder::new(&items, collaborative.factors.view(), &raw_popularity, feedback);
        let derived = Derived { scale: Scale::of(&items), raw_popularity, encoder };
        Uncalibrated { feedback, items, collaborative, forest, derived }
    }

    /// The same parts with another forest, or none.
    pub(crate) fn with_forest(self, forest: Option<Forest>) -> Self {
        Uncalibrated { forest, ..self }
    }

    /// Encodes users and items as features.
    pub(crate) fn encoder(&self) -> &Encoder {
        &self.derived.encoder
    }

    /// What a forest learns from.
    pub(crate) fn rows(&self) -> Rows<'_> {
        Rows { encoder: self.encoder(), items: &self.items, factors: &self.collaborative.factors }
    }

    /// Popularity by item, 0 to 1, not calibrated.
    pub fn raw_popularity(&self) -> &[f32] {
        &self.derived.raw_popularity
    }

    /// One user's reviews, favourites and signals, merged, as interactions with the items of the model.
    pub fn history(&self, ratings: &Ratings, favorites: &Favorites, signals: &Signals) -> History {
        History::new(ratings, favorites, signals, |id| self.items.index(id))
    }

    /// The vector of a user, k long, from interactions with known items; empty without a liked item that has factors.
    ///
    /// # Errors
    /// [`crate::Error::NotFinite`] where the system of the user cannot be solved.
    pub fn fold_in(&self, row: Row<'_>) -> Result<Vec<f32>> {
        self.collaborative.fold_in(&self.feedback.positives(row).collect::<Vec<_>>())
    }

    /// Features of a user. `row`: the interactions; `since`: when the user registered, seconds since 1970, or
    /// [`crate::NONE`]; `factor`: the user's vector, k long, or empty.
    pub(crate) fn features<'a>(&self, row: Row<'a>, since: i64, factor: Vec<f32>) -> UserFeatures<'a> {
        self.encoder().user(row, since, factor)
    }

    /// A user with the interactions `row`. `since`: when the user registered, seconds since 1970, or [`crate::NONE`].
    /// `stored`: the user's vector, k long, if it was trained on exactly these interactions. With None it is solved for.
    ///
    /// # Errors
    /// Those of [`Uncalibrated::fold_in`].
    pub fn user<'a>(&self, row: Row<'a>, since: i64, stored: Option<Vec<f32>>) -> Result<User<'a>> {
        let folded_in = stored.is_none();
        let liked: Vec<(u32, f32)> = self.feedback.positives(row).collect();
        let factor = match stored {
            Some(factor) => factor,
            None => self.collaborative.fold_in(&liked)?,
        };
        let features = self.features(row, since, factor.clone());
        let likes = self.collaborative.likes(factor, liked);
        let prepared = self.forest.as_ref().map_or(Prepared::default(), |f| f.prepare(&features.values));
        Ok(User { likes, features, prepared, folded_in })
    }

    /// Raw scores of the given items by part, in the order of [`crate::PART_NAMES`]; zeros for a part that does not exist.
    pub fn raw(&self, user: &User<'_>, items: &[u32]) -> [Vec<f32>; 3] {
        let mut content = vec![0.0; items.len()];
        if let Some(forest) = &self.forest {
            let known = items.iter().map(|i| self.encoder().known(*i)).enumerate();
            self.content_raw(forest, user, &self.pairing(user, items.len()), known, |i, raw| content[i] = raw);
        }
        [self.raw_collaborative(user, items), content, self.raw_popularity_of(items)]
    }

    /// The first part of [`Uncalibrated::raw`].
    pub(crate) fn raw_collaborative(&self, user: &User<'_>, items: &[u32]) -> Vec<f32> {
        match items.len() == self.items.len() {
            true => self.collaborative.score_all(&user.likes),
            false => self.collaborative.score(&user.likes, items),
        }
    }

    /// The last part of [`Uncalibrated::raw`].
    pub(crate) fn raw_popularity_of(&self, items: &[u32]) -> Vec<f32> {
        items.iter().map(|item| self.derived.raw_popularity[*item as usize]).collect()
    }

    /// The raw collaborative score of each target; None for one that the model does not know.
    pub(crate) fn collaborative(&self, user: &User<'_>, targets: &[Target]) -> Vec<Option<f32>> {
        let known: Vec<u32> = targets.iter().filter_map(|t| t.index()).collect();
        let mut raw = self.collaborative.score(&user.likes, &known).into_iter();
        targets.iter().map(|target| target.index().and_then(|_| raw.next())).collect()
    }

    /// The target as the content part sees it; None for an unknown one.
    #[inline]
    pub(super) fn item_features<'t>(&self, target: &'t Target) -> Option<ItemFeatures<'t>> {
        match target {
            Target::Known(item) => Some(self.encoder().known(*item)),
            Target::Newcomer(info) => Some(self.encoder().newcomer(info)),
            Target::Unknown => None,
        }
    }

    /// To be made once for all items of a call, given their number.
    pub(super) fn pairing<'e>(&'e self, user: &'e User<'e>, items: usize) -> Pairing<'e> {
        self.encoder().pairing(&user.features, items)
    }

    /// Calls `put` with the number and the raw content score of every item.
    pub(super) fn content_raw<'t>(
        &self,
        forest: &Forest,
        user: &User<'_>,
        pairing: &Pairing<'_>,
        items: impl Iterator<Item = (usize, ItemFeatures<'t>)>,
        mut put: impl FnMut(usize, f32),
    ) {
        let mut block = [[0.0f32; LANES]; MOST_VARYING];
        let mut numbers = [0usize; LANES];
        let mut sums = [0.0f64; LANES];
        let mut filled = 0;
        let mut flush = |numbers: &[usize], block: &[[f32; LANES]]| {
            forest.score(&user.prepared, block, &mut sums);
            for (number, raw) in numbers.iter().zip(sums) {
                put(*number, raw as f32);
            }
        };
        for (number, item) in items {
            pairing.encode(&item, filled, &mut block);
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
}

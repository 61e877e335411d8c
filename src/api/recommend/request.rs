//! What is asked for.

use pgrx::prelude::*;

use crate::api::arguments::{count, filter, ids, share};
use crate::failure::Outcome;
use crate::online::rotation::Rotation;

/// The arguments, checked.
#[derive(Clone)]
pub struct Request {
    /// 1 to 1000.
    pub n: usize,
    pub category: Option<i64>,
    /// The only ids that may be listed, ascending, each once; None: all.
    pub among: Option<Vec<i64>>,
    /// 0 to 1.
    pub diversity: f32,
    /// 0 to 1.
    pub explore: f32,
    /// Ascending.
    exclude: Vec<i64>,
    exclude_seen: bool,
    rotation: Rotation,
}

impl Request {
    /// # Errors
    /// Those of [`count`], [`ids`], [`filter`] and [`share`].
    #[allow(clippy::too_many_arguments)] // Those of the SQL functions.
    pub fn new(
        n: Option<f64>,
        exclude: Option<Array<i64>>,
        category: Option<i64>,
        exclude_seen: Option<bool>,
        diversity: Option<f64>,
        explore: Option<f64>,
        among: Option<Array<i64>>,
    ) -> Outcome<Request> {
        let mut exclude = exclude.map_or(Ok(Vec::new()), |array| ids("exclude", array))?;
        exclude.sort_unstable();
        Ok(Request {
            n: count(n)?,
            exclude,
            category,
            among: among.map(|array| filter("among", array)).transpose()?,
            exclude_seen: exclude_seen.unwrap_or(true),
            diversity: share("diversity", diversity)?,
            explore: share("explore", explore)?,
            rotation: Rotation::default(),
        })
    }

    /// With other settings, where they are given.
    pub fn with(self, diversity: Option<f32>, explore: Option<f32>) -> Request {
        let (diversity, explore) = (diversity.unwrap_or(self.diversity), explore.unwrap_or(self.explore));
        Request { diversity, explore, ..self }
    }

    /// Also by what was shown before.
    pub fn rotated(self, rotation: Rotation) -> Request {
        Request { rotation, ..self }
    }

    /// What the score of an item is multiplied by where items are ranked, 0 to 1.
    pub fn weight(&self, item: i64) -> f32 {
        self.rotation.weight(item)
    }

    /// Ids that must not be shown to a reader who has seen and discarded the given ones, ascending.
    pub fn excluded(&self, seen: &[i64], discarded: &[i64]) -> Vec<i64> {
        let mut excluded = self.exclude.clone();
        excluded.extend_from_slice(self.rotation.hidden());
        excluded.extend_from_slice(discarded);
        if self.exclude_seen {
            excluded.extend_from_slice(seen);
        }
        excluded.sort_unstable();
        excluded
    }
}

//! What every system recommends to the users that are evaluated.

use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use super::{RANKING, Request};
use crate::control::Control;
use crate::data::room::room;
use crate::data::split::Split;
use crate::error::Result;
use crate::learn::evaluate::{Ranker, System};
use crate::model::ensemble::Weights;

/// Where a list ends before it is as long as it may be. No data set has an item of this number.
const NOTHING: u32 = u32::MAX;

/// In one piece, because a million users have eight million lists.
pub struct Lists {
    pub(super) longest: usize,
    pub(super) items: Vec<u32>,
}

impl Lists {
    /// Ranks the whole catalogue for each of the `users`.
    ///
    /// # Errors
    /// [`crate::Error::Stopped`], [`crate::Error::OutOfMemory`], and [`crate::Error::NotFinite`] where the system of a user
    /// cannot be solved.
    pub fn rank(
        ranker: &Ranker<'_>,
        split: &Split,
        users: &[u32],
        learned: Weights,
        request: &Request,
        control: &Control,
    ) -> Result<Lists> {
        let longest = request.longest();
        let of_user = longest * System::ALL.len();
        let mut items = room(users.len() * of_user)?;
        items.resize(users.len() * of_user, NOTHING);
        let ranked = AtomicUsize::new(0);
        items.par_chunks_mut(of_user).zip(users).try_for_each(|(lists, user)| {
            control.done(RANKING * ranked.fetch_add(1, Ordering::Relaxed) as f32 / users.len() as f32)?;
            let best = ranker.lists(split, *user, learned, longest)?;
            lists.chunks_mut(longest).zip(best).for_each(|(list, best)| list[..best.len()].copy_from_slice(&best));
            Ok(())
        })?;
        Ok(Lists { longest, items })
    }

    /// The items that a system recommends to the user at this place, best first.
    pub fn of(&self, place: usize, system: System) -> &[u32] {
        let from = (place * System::ALL.len() + system as usize) * self.longest;
        let list = &self.items[from..from + self.longest];
        &list[..list.iter().position(|item| *item == NOTHING).unwrap_or(list.len())]
    }
}

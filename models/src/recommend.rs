//! Ranking items for a user.

use crate::model::{Model, Scored, Target, User};

/// An item with its score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pick {
    pub id: i64,
    pub target: Target,
    pub scored: Scored,
}

/// Items that are scored between two looks at the interrupts: some hundred microseconds, and few bytes.
const BLOCK: usize = 512;

impl Model {
    /// The items with their scores, best first; equal scores by ascending id. `pause` is called every few milliseconds.
    pub fn rank(
        &self,
        user: &User<'_>,
        items: impl IntoIterator<Item = (i64, Target)>,
        mut pause: impl FnMut(),
    ) -> Vec<Pick> {
        let mut items = items.into_iter();
        let mut picks = Vec::with_capacity(items.size_hint().0);
        loop {
            pause();
            let (ids, targets): (Vec<i64>, Vec<Target>) = items.by_ref().take(BLOCK).unzip();
            if ids.is_empty() {
                break;
            }
            let scored = self.score(user, &targets);
            let pick = |((id, target), scored)| Pick { id, target, scored };
            picks.extend(ids.into_iter().zip(targets).zip(scored).map(pick));
        }
        picks.sort_unstable_by(|a, b| b.scored.score.total_cmp(&a.scored.score).then(a.id.cmp(&b.id)));
        picks
    }
}

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
    pub fn rank(&self, user: &User<'_>, items: &[(i64, Target)], mut pause: impl FnMut()) -> Vec<Pick> {
        let mut picks = Vec::with_capacity(items.len());
        for block in items.chunks(BLOCK) {
            pause();
            let targets: Vec<Target> = block.iter().map(|(_, target)| *target).collect();
            let scored = self.score(user, &targets);
            picks.extend(block.iter().zip(scored).map(|((id, target), scored)| Pick {
                id: *id,
                target: *target,
                scored,
            }));
        }
        picks.sort_unstable_by(|a, b| b.scored.score.total_cmp(&a.scored.score).then(a.id.cmp(&b.id)));
        picks
    }
}

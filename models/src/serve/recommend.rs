//! Ranking items for a user.

use std::cmp::Ordering;

use crate::model::model::Model;
use crate::model::score::{Scored, Target};
use crate::model::uncalibrated::User;

/// An item with its score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pick {
    pub id: i64,
    pub target: Target,
    pub scored: Scored,
}

/// Items that are scored between two looks at the interrupts: some hundred microseconds.
const BLOCK: usize = 256;

/// An item before the trees have spoken.
struct Contender {
    id: i64,
    target: Target,
    collaborative: Option<f32>,
    /// Its score if the trees said the best that they can.
    ceiling: f32,
}

impl Model {
    /// The best `most` of the items with their scores, best first; equal scores by ascending id. `pause` is called every
    /// few milliseconds.
    ///
    /// The trees cost more than all the rest. So items are taken in the order of what they reach at most, and when
    /// nothing that follows can enter the list it is done: for ten of 2700, with the default weights, after 360. Where
    /// the trees weigh more than all the rest together, nearly all are judged.
    pub fn rank(&self, user: &User<'_>, items: &[(i64, Target)], most: usize, mut pause: impl FnMut()) -> Vec<Pick> {
        let mut rest = self.contenders(user, items);
        let mut best: Vec<Pick> = Vec::with_capacity(items.len().min(most));
        while !rest.is_empty() && most > 0 {
            pause();
            let block = take_highest(&mut rest);
            best.extend(self.judge(user, &block));
            if best.len() > most {
                best.select_nth_unstable_by(most - 1, in_order);
                best.truncate(most);
            }
            let highest = rest.iter().map(|c| c.ceiling).fold(f32::NEG_INFINITY, f32::max);
            if best.len() == most && best.iter().all(|pick| pick.scored.score > highest) {
                break;
            }
        }
        best.sort_unstable_by(in_order);
        best
    }

    fn contenders(&self, user: &User<'_>, items: &[(i64, Target)]) -> Vec<Contender> {
        let targets: Vec<Target> = items.iter().map(|(_, target)| *target).collect();
        let collaborative = self.collaborative(user, &targets);
        let ceiling = self.content_ceiling(user);
        let contender = |((id, target), collaborative): (&(i64, Target), Option<f32>)| {
            let content = ceiling.filter(|_| !matches!(target, Target::Unknown));
            let ceiling = self.blend(user, *target, collaborative, content).score;
            Contender { id: *id, target: *target, collaborative, ceiling }
        };
        items.iter().zip(collaborative).map(contender).collect()
    }

    fn judge(&self, user: &User<'_>, block: &[Contender]) -> Vec<Pick> {
        let targets: Vec<Target> = block.iter().map(|c| c.target).collect();
        let content = self.content(user, &targets);
        let pick = |(c, content): (&Contender, Option<f32>)| Pick {
            id: c.id,
            target: c.target,
            scored: self.blend(user, c.target, c.collaborative, content),
        };
        block.iter().zip(content).map(pick).collect()
    }
}

fn in_order(a: &Pick, b: &Pick) -> Ordering {
    b.scored.score.total_cmp(&a.scored.score).then(a.id.cmp(&b.id))
}

/// Those with the highest ceilings, which leave the others.
fn take_highest(rest: &mut Vec<Contender>) -> Vec<Contender> {
    if rest.len() <= BLOCK {
        return std::mem::take(rest);
    }
    let others = rest.len() - BLOCK;
    rest.select_nth_unstable_by(others, |a, b| a.ceiling.total_cmp(&b.ceiling));
    rest.split_off(others)
}

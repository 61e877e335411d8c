//! Ranking items for a user, the best first and no more of them than are asked for.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use crate::model::model::Model;
use crate::model::score::{Scored, Target};
use crate::model::uncalibrated::User;

/// An item with its score.
#[derive(Debug, Clone, PartialEq)]
pub struct Pick {
    pub id: i64,
    pub target: Target,
    pub scored: Scored,
    /// What its place is given by: its score times its weight.
    pub weighted: f32,
}

/// Items that are scored between two calls of `pause`: some hundred microseconds.
const BLOCK: usize = 256;
/// Items whose ceilings are computed between two calls of `pause`. Many, because what the liked items' neighbours add is
/// found anew for each portion.
const BOUNDED: usize = 1 << 17;

impl Model {
    /// Ranks the items by falling score times weight, equal ones by ascending id. `weight` of an id is 0 to 1. It is lazy: an
    /// item is scored only when it could be the next one. `pause` is called at least every few milliseconds while items are
    /// scored.
    ///
    /// The trees cost more than all other parts. Items are therefore scored in the order of their ceilings (their
    /// scores if the trees gave their highest value), in blocks, until no ceiling that is left reaches the best score
    /// that was found. For the first ten of 2700 items, with the default weights, that is after 360; where the trees
    /// weigh more than all other parts together, it is after nearly all of them. The order costs O(n log n) for all
    /// `n` items, and O(n) for the first few.
    pub fn rank<'a, P: FnMut(), W: Fn(i64) -> f32>(
        &'a self,
        user: &'a User<'a>,
        items: &[(i64, Target)],
        weight: W,
        mut pause: P,
    ) -> impl Iterator<Item = Pick> + use<'a, P, W> {
        let mut candidates = Vec::with_capacity(items.len());
        for some in items.chunks(BOUNDED) {
            pause();
            candidates.append(&mut self.unscored(user, some, &weight));
        }
        let waiting = Waiting::new(candidates.iter().map(|candidate| candidate.ceiling));
        Ranking { model: self, user, candidates, waiting, scored: BinaryHeap::new(), pause }
    }

    fn unscored(&self, user: &User<'_>, items: &[(i64, Target)], weight: impl Fn(i64) -> f32) -> Vec<Candidate> {
        let targets: Vec<Target> = items.iter().map(|(_, target)| target.clone()).collect();
        let collaborative = self.collaborative(user, &targets);
        let ceiling = self.content_ceiling(user);
        let candidate = |((id, target), collaborative): (&(i64, Target), Option<f32>)| {
            let content = ceiling.filter(|_| !matches!(target, Target::Unknown));
            let weight = weight(*id);
            let ceiling = weight * self.blend(user, target, collaborative, content).score;
            Candidate { id: *id, target: target.clone(), collaborative, weight, ceiling }
        };
        items.iter().zip(collaborative).map(candidate).collect()
    }
}

/// The iterator of [`Model::rank`].
struct Ranking<'a, P> {
    model: &'a Model,
    user: &'a User<'a>,
    candidates: Vec<Candidate>,
    /// Those of the candidates that are not scored.
    waiting: Waiting,
    /// Scored and not yet given out, the best on top.
    scored: BinaryHeap<Best>,
    pause: P,
}

impl<P: FnMut()> Ranking<'_, P> {
    /// Whether nothing that waits can come before the best of what is scored. It must be better than every ceiling: an
    /// item that reaches the same score may have the lower id.
    fn is_settled(&mut self) -> bool {
        let Some(ceiling) = self.waiting.highest() else { return true };
        self.scored.peek().is_some_and(|Best(best)| best.weighted > ceiling)
    }

    /// Scores the items with the highest ceilings.
    fn score_block(&mut self) {
        (self.pause)();
        let block: Vec<&Candidate> = std::iter::from_fn(|| self.waiting.pop())
            .take(BLOCK)
            .map(|index| &self.candidates[index as usize])
            .collect();
        let targets: Vec<Target> = block.iter().map(|c| c.target.clone()).collect();
        let content = self.model.content(self.user, &targets);
        self.scored.extend(block.iter().zip(content).map(|(c, content)| {
            let scored = self.model.blend(self.user, &c.target, c.collaborative, content);
            Best(Pick { id: c.id, target: c.target.clone(), scored, weighted: c.weight * scored.score })
        }));
    }
}

impl<P: FnMut()> Iterator for Ranking<'_, P> {
    type Item = Pick;

    fn next(&mut self) -> Option<Pick> {
        while !self.is_settled() {
            self.score_block();
        }
        self.scored.pop().map(|Best(pick)| pick)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.waiting.len() + self.scored.len();
        (left, Some(left))
    }
}

/// An item that the trees have not scored yet.
struct Candidate {
    id: i64,
    target: Target,
    collaborative: Option<f32>,
    weight: f32,
    /// Its score if the trees gave their highest value, times its weight.
    ceiling: f32,
}

/// Candidates by falling ceiling. They are put in order in portions that double, because few of them are needed as a
/// rule. With a heap, a recommendation takes a tenth longer.
struct Waiting {
    /// Ceiling and index of each; the last `ordered` of them are the highest, in ascending order.
    all: Vec<(f32, u32)>,
    ordered: usize,
    portion: usize,
}

impl Waiting {
    fn new(ceilings: impl Iterator<Item = f32>) -> Waiting {
        Waiting { all: ceilings.zip(0..).collect(), ordered: 0, portion: BLOCK }
    }

    /// The highest ceiling of what waits.
    fn highest(&mut self) -> Option<f32> {
        if self.ordered == 0 && !self.all.is_empty() {
            let by_ceiling = |a: &(f32, u32), b: &(f32, u32)| a.0.total_cmp(&b.0);
            let rest = self.all.len().saturating_sub(self.portion);
            if rest > 0 {
                self.all.select_nth_unstable_by(rest, by_ceiling);
            }
            self.all[rest..].sort_unstable_by(by_ceiling);
            self.ordered = self.all.len() - rest;
            self.portion *= 2;
        }
        self.all.last().map(|(ceiling, _)| *ceiling)
    }

    /// Takes the candidate with the highest ceiling; gives its index.
    fn pop(&mut self) -> Option<u32> {
        self.highest()?;
        self.ordered -= 1;
        self.all.pop().map(|(_, index)| index)
    }

    fn len(&self) -> usize {
        self.all.len()
    }
}

/// The greater one is given out first.
struct Best(Pick);

impl Ord for Best {
    fn cmp(&self, Best(other): &Self) -> Ordering {
        let Best(pick) = self;
        pick.weighted.total_cmp(&other.weighted).then(other.id.cmp(&pick.id))
    }
}

impl PartialOrd for Best {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Best {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Best {}

//! The collaborative part: a factorisation, item neighbours, or a sum of the two, as validation chose.

use serde::{Deserialize, Serialize};

use crate::data::column::Matrix;
use crate::error::Result;
use crate::math::simd::{dot, dot_rows, prefetch};
use crate::parts::als::{Basis, Side, Solver};
use crate::parts::neighbours::Neighbours;

/// How the two are summed: (1−share)·als/als_scale + share·neighbours/(neighbour_scale·√liking), liking being the
/// summed weight of the user's liked items. With the root, the two grow alike from light to heavy users.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Blend {
    /// Share of the neighbours, 0 to 1.
    pub share: f32,
    pub als_scale: f32,
    pub neighbour_scale: f32,
}

impl Blend {
    /// What the product of the factors is multiplied by in a raw score.
    pub fn als_weight(&self) -> f32 {
        (1.0 - self.share) / self.als_scale
    }

    /// Whether the share is 0 to 1 and the scales are positive.
    pub fn valid(&self) -> bool {
        let positive = |v: f32| v.is_finite() && v > 0.0;
        (0.0..=1.0).contains(&self.share) && positive(self.als_scale) && positive(self.neighbour_scale)
    }
}

/// Rows of factors that are prefetched ahead of the one that is read.
const AHEAD: usize = 16;

/// The fitted part.
#[derive(Debug, Clone)]
pub struct Collaborative {
    /// items × k; a row of zeros for an item without factors.
    pub factors: Matrix,
    pub basis: Basis,
    pub neighbours: Neighbours,
    pub blend: Blend,
}

/// What a user likes, as this part scores it.
#[derive(Debug, Clone, Default)]
pub struct Likes {
    /// The user's vector, k long; empty without a liked item that has a factor.
    pub factor: Vec<f32>,
    /// Liked items with their weights.
    items: Vec<(u32, f32)>,
    /// What a sum over the neighbours is multiplied by in a raw score.
    neighbour_weight: f32,
}

impl Likes {
    /// Liked items with their weights in (0, 1], by ascending index.
    pub fn items(&self) -> &[(u32, f32)] {
        &self.items
    }
}

/// What one liked item adds to a raw score, through the factors and through the neighbours.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Contribution {
    /// Index of the liked item.
    pub item: u32,
    pub factors: f64,
    pub neighbours: f64,
}

impl Contribution {
    pub fn whole(&self) -> f64 {
        self.factors + self.neighbours
    }
}

impl Collaborative {
    pub fn items(&self) -> usize {
        self.factors.nrows()
    }

    /// Factors of the items in a range, k of each, one after the other.
    pub fn factors(&self, range: std::ops::Range<usize>) -> &[f32] {
        self.factors.rows_of(range)
    }

    fn has_factor(&self, item: u32) -> bool {
        self.factors.row(item as usize).iter().any(|v| *v != 0.0)
    }

    fn side(&self) -> Side<'_> {
        Side::new(self.factors(0..self.items()), self.factors.ncols())
    }

    /// The vector that explains the liked items best, k long; empty without one that has factors.
    ///
    /// # Errors
    /// [`crate::Error::NotFinite`] where the user's system cannot be solved.
    pub fn fold_in(&self, liked: &[(u32, f32)]) -> Result<Vec<f32>> {
        let liked: Vec<(u32, f32)> = liked.iter().copied().filter(|(item, _)| self.has_factor(*item)).collect();
        if liked.is_empty() {
            return Ok(Vec::new());
        }
        let solver = Solver::new(self.side(), &self.basis);
        let mut scratch = solver.scratch();
        Ok(solver.solve(liked.into_iter(), &mut scratch)?.to_vec())
    }

    /// What a user likes: the user's vector (or none: empty) and the liked items with their weights, ascending.
    pub fn likes(&self, factor: Vec<f32>, liked: Vec<(u32, f32)>) -> Likes {
        self.likes_with(factor, liked, self.blend)
    }

    /// For another blend than the part's own, while the blend is being chosen.
    pub fn likes_with(&self, factor: Vec<f32>, liked: Vec<(u32, f32)>, blend: Blend) -> Likes {
        let liking: f32 = liked.iter().map(|(_, weight)| weight).sum();
        let neighbour_weight = if liking > 0.0 { blend.share / (blend.neighbour_scale * liking.sqrt()) } else { 0.0 };
        Likes { factor, items: liked, neighbour_weight }
    }

    /// Raw scores of all items, by index.
    pub fn score_all(&self, likes: &Likes) -> Vec<f32> {
        self.score_all_with(likes, self.blend)
    }

    pub fn score_all_with(&self, likes: &Likes, blend: Blend) -> Vec<f32> {
        let n = self.items();
        let mut scores = vec![0.0; n];
        if !likes.factor.is_empty() {
            dot_rows(self.factors(0..n), &likes.factor, &mut scores);
            let weight = blend.als_weight();
            scores.iter_mut().for_each(|s| *s *= weight);
        }
        if blend.share > 0.0 {
            let counted = self.neighbours.score_all(&likes.items, n);
            scores.iter_mut().zip(counted).for_each(|(s, c)| *s += likes.neighbour_weight * c);
        }
        scores
    }

    /// Every neighbour of a liked item once, ascending, with what the neighbours add to its raw score.
    pub fn neighbour_sums(&self, likes: &Likes) -> Vec<(u32, f32)> {
        let weight = likes.neighbour_weight;
        let liked = likes.items.iter().filter(|_| weight > 0.0);
        let mut sums: Vec<(u32, f32)> = liked
            .flat_map(|(item, liking)| {
                let (neighbours, weights) = self.neighbours.of(*item);
                neighbours.iter().zip(weights).map(move |(neighbour, w)| (*neighbour, weight * liking * w))
            })
            .collect();
        // The sort is fast, because each row is in order already. (A buffer with a place for every item would be faster
        // for heavy users, but the process would keep its megabytes, and a server has many processes.)
        sums.sort_by_key(|(item, _)| *item);
        sums.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            kept.1 += if same { next.1 } else { 0.0 };
            same
        });
        sums
    }

    /// Raw scores of some items, in their order.
    pub fn score(&self, likes: &Likes, items: &[u32]) -> Vec<f32> {
        let mut scores = vec![0.0; items.len()];
        if !likes.factor.is_empty() && self.blend.share < 1.0 {
            let weight = self.blend.als_weight();
            for (place, (score, item)) in scores.iter_mut().zip(items).enumerate() {
                if let Some(later) = items.get(place + AHEAD) {
                    prefetch(self.factors.row(*later as usize));
                }
                let item = *item as usize;
                *score = weight * dot(self.factors(item..item + 1), &likes.factor);
            }
        }
        if self.blend.share > 0.0 {
            self.neighbours.score(&likes.items, items, |place, counted| {
                scores[place] += likes.neighbour_weight * counted;
            });
        }
        scores
    }

    /// What each liked item adds to the raw scores of some items: per item one contribution for every liked item, in order.
    /// Both models are linear in the liked items, so that the contributions sum to [`Collaborative::score`], but for
    /// rounding.
    ///
    /// # Errors
    /// Those of [`Collaborative::fold_in`].
    pub fn contributions(&self, likes: &Likes, items: &[u32]) -> Result<Vec<Vec<Contribution>>> {
        let blank = |(item, _): &(u32, f32)| Contribution { item: *item, factors: 0.0, neighbours: 0.0 };
        let mut all = vec![likes.items.iter().map(blank).collect::<Vec<_>>(); items.len()];
        if self.blend.share < 1.0 && !likes.factor.is_empty() {
            self.add_factors(likes, items, &mut all)?;
        }
        if self.blend.share > 0.0 {
            for (contributions, item) in all.iter_mut().zip(items) {
                for (contribution, (liked, liking)) in contributions.iter_mut().zip(&likes.items) {
                    let (neighbours, weights) = self.neighbours.of(*liked);
                    if let Ok(place) = neighbours.binary_search(item) {
                        contribution.neighbours = f64::from(likes.neighbour_weight * liking * weights[place]);
                    }
                }
            }
        }
        Ok(all)
    }

    fn add_factors(&self, likes: &Likes, items: &[u32], all: &mut [Vec<Contribution>]) -> Result<()> {
        // The liked items that the user's vector was solved from.
        let places: Vec<usize> = (0..likes.items.len()).filter(|i| self.has_factor(likes.items[*i].0)).collect();
        let pairs: Vec<(u32, f32)> = places.iter().map(|i| likes.items[*i]).collect();
        let solver = Solver::new(self.side(), &self.basis);
        let solved = solver.shares(&pairs, items, &mut solver.scratch())?;
        let weight = f64::from(self.blend.als_weight());
        for (contributions, solved) in all.iter_mut().zip(solved.rows()) {
            for (place, share) in places.iter().zip(solved) {
                contributions[*place].factors = weight * f64::from(*share);
            }
        }
        Ok(())
    }
}

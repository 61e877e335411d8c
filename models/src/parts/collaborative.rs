//! The collaborative part: a factorisation, item neighbours, or a sum of the two, as validation chose.

use serde::{Deserialize, Serialize};

use crate::data::column::Matrix;
use crate::error::Result;
use crate::math::simd::{dot, dot_rows, prefetch};
use crate::parts::als::{Basis, Scratch, Side, Solver};
use crate::parts::neighbours::{Neighbours, summed};

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

    /// At most `most` of the liked items, those with the highest weights, by ascending index.
    fn heaviest(&self, most: usize) -> Vec<(u32, f32)> {
        let mut heaviest = self.items.clone();
        if heaviest.len() > most {
            heaviest.select_nth_unstable_by(most, |a, b| b.1.total_cmp(&a.1).then(b.0.cmp(&a.0)));
            heaviest.truncate(most);
            heaviest.sort_unstable_by_key(|(item, _)| *item);
        }
        heaviest
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
        let sums = liked
            .flat_map(|(item, liking)| {
                let (neighbours, weights) = self.neighbours.of(*item);
                neighbours.iter().zip(weights).map(move |(neighbour, w)| (*neighbour, weight * liking * w))
            })
            .collect();
        summed(sums)
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

    /// What each liked item adds to the raw scores of a user, or of very many liked items the `most` with the highest
    /// weights. The user's system is solved here, once for all items that are asked for.
    ///
    /// # Errors
    /// Those of [`Collaborative::fold_in`].
    pub fn contributions<'a>(&'a self, likes: &'a Likes, most: usize) -> Result<Contributions<'a>> {
        let considered = likes.heaviest(most);
        let has_factors = self.blend.share < 1.0 && !likes.factor.is_empty();
        let solved = if has_factors { Some(Solved::new(self, likes, &considered)?) } else { None };
        Ok(Contributions { part: self, neighbour_weight: likes.neighbour_weight, considered, solved })
    }
}

/// How the raw scores of a user are made up of what liked items add to them.
pub struct Contributions<'a> {
    part: &'a Collaborative,
    neighbour_weight: f32,
    /// Liked items with their weights, by ascending index.
    considered: Vec<(u32, f32)>,
    solved: Option<Solved<'a>>,
}

impl Contributions<'_> {
    /// What each liked item adds to the raw score of an item, by ascending index. Both models are linear in the liked
    /// items, so that the contributions of all of them sum to [`Collaborative::score`], but for rounding.
    ///
    /// # Errors
    /// [`crate::Error::NotFinite`].
    pub fn of(&mut self, item: u32) -> Result<Vec<Contribution>> {
        let blank = |(item, _): &(u32, f32)| Contribution { item: *item, factors: 0.0, neighbours: 0.0 };
        let mut contributions: Vec<Contribution> = self.considered.iter().map(blank).collect();
        if let Some(solved) = &mut self.solved {
            solved.add(item, self.part.blend.als_weight(), &mut contributions)?;
        }
        if self.part.blend.share > 0.0 {
            for (contribution, (liked, liking)) in contributions.iter_mut().zip(&self.considered) {
                let (neighbours, weights) = self.part.neighbours.of(*liked);
                if let Ok(place) = neighbours.binary_search(&item) {
                    contribution.neighbours = f64::from(self.neighbour_weight * liking * weights[place]);
                }
            }
        }
        Ok(contributions)
    }
}

/// The system that the user's vector was solved from.
struct Solved<'a> {
    solver: Solver<'a>,
    scratch: Scratch,
    /// The liked items with factors, and their weights.
    pairs: Vec<(u32, f32)>,
    /// Of the considered ones with factors: the place among the considered and the place among the pairs.
    places: Vec<usize>,
    places_of_pairs: Vec<usize>,
}

impl<'a> Solved<'a> {
    fn new(part: &'a Collaborative, likes: &Likes, considered: &[(u32, f32)]) -> Result<Solved<'a>> {
        let pairs: Vec<(u32, f32)> = likes.items.iter().copied().filter(|(item, _)| part.has_factor(*item)).collect();
        let place = |item: &u32| pairs.binary_search_by_key(item, |(item, _)| *item).ok();
        let both = considered.iter().enumerate().filter_map(|(i, (item, _))| Some((i, place(item)?)));
        let (places, places_of_pairs) = both.unzip();
        let solver = Solver::new(part.side(), &part.basis);
        let mut scratch = solver.scratch();
        solver.solve(pairs.iter().copied(), &mut scratch)?;
        Ok(Solved { solver, scratch, pairs, places, places_of_pairs })
    }

    /// Adds what the factors give to the contributions of the considered liked items.
    fn add(&mut self, item: u32, weight: f32, contributions: &mut [Contribution]) -> Result<()> {
        if self.pairs.is_empty() {
            return Ok(());
        }
        let shares = self.solver.shares(&self.pairs, &self.places_of_pairs, item, &mut self.scratch)?;
        for (place, share) in self.places.iter().zip(shares) {
            contributions[*place].factors = f64::from(weight) * f64::from(share);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part() -> Collaborative {
        let values = (0..10u8).flat_map(|i| [f32::from(i), 1.0, 2.0 - f32::from(i)]).collect::<Vec<f32>>();
        Collaborative {
            factors: Matrix::new(values.into(), 10, 3).unwrap(),
            basis: Basis { gram: vec![285.0, 10.0, 145.0], rows: 10, regularization: 0.1, alpha0: 0.1 },
            neighbours: Neighbours {
                start: (0..=10).collect(),
                item: (1..11).map(|i| i % 10).collect(),
                weight: vec![0.5; 10].into(),
            },
            blend: Blend { share: 0.5, als_scale: 1.0, neighbour_scale: 1.0 },
        }
    }

    #[test]
    fn of_many_liked_items_the_heaviest_contribute_what_they_contribute_among_all() {
        let part = part();
        // Fewer liked items than factors, and more.
        for liked in [vec![(2, 0.5), (7, 1.0)], (0..8).map(|i| (i, 0.2 + 0.1 * (i % 3) as f32)).collect()] {
            let likes = part.likes(part.fold_in(&liked).unwrap(), liked.clone());
            let (mut of_all, mut of_some) =
                (part.contributions(&likes, usize::MAX).unwrap(), part.contributions(&likes, 2).unwrap());
            for item in 0..10 {
                let all = of_all.of(item).unwrap();
                let sum: f64 = all.iter().map(Contribution::whole).sum();
                assert!((sum - f64::from(part.score(&likes, &[item])[0])).abs() < 1e-4, "{sum}");
                let some = of_some.of(item).unwrap();
                assert!(some.len() == 2 && some.iter().all(|one| all.contains(one)), "{some:?} {all:?}");
            }
            let weight = |item: u32| liked.iter().find(|(i, _)| *i == item).unwrap().1;
            let least = of_some.of(0).unwrap().iter().map(|c| weight(c.item)).fold(1.0, f32::min);
            assert!(liked.iter().filter(|(_, w)| *w > least).count() < 2);
        }
    }
}

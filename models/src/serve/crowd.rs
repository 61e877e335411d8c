//! The best of many users, who come one after the other.

use crate::math::simd::dot;
use crate::math::topk::top;

/// The users with the highest scores so far, each with what belongs to the score.
#[derive(Debug)]
pub struct BestUsers<T> {
    most: usize,
    scores: Vec<f32>,
    users: Vec<(i64, T)>,
}

/// Users that are taken in before all but the best are dropped, at least.
const BLOCK: usize = 4096;

impl<T: Copy> BestUsers<T> {
    /// For at most `most` users.
    pub fn new(most: usize) -> Self {
        BestUsers { most, scores: Vec::new(), users: Vec::new() }
    }

    /// Takes one user in. Of users with the same score those that come first are kept.
    pub fn offer(&mut self, user: i64, score: f32, what: T) {
        self.scores.push(score);
        self.users.push((user, what));
        if self.scores.len() >= 2 * self.most.max(BLOCK) {
            self.keep_best();
        }
    }

    /// Users with score and what belongs to it, the best first.
    pub fn into_sorted(mut self) -> Vec<(i64, f32, T)> {
        self.keep_best();
        self.users.into_iter().zip(self.scores).map(|((user, what), score)| (user, score, what)).collect()
    }

    fn keep_best(&mut self) {
        let best = top(&self.scores, self.most, &[]);
        self.users = best.iter().map(|index| self.users[*index as usize]).collect();
        self.scores = best.iter().map(|index| self.scores[*index as usize]).collect();
    }
}

/// Users whose vectors point the same way as one user's.
#[derive(Debug)]
pub struct SimilarUsers {
    user: i64,
    own: Vec<f32>,
    length: f32,
    best: BestUsers<()>,
}

impl SimilarUsers {
    /// At most `most` users that are similar to `user`, whose vector is `own`.
    pub fn new(user: i64, own: Vec<f32>, most: usize) -> Self {
        let length = dot(&own, &own).sqrt();
        SimilarUsers { user, own, length, best: BestUsers::new(most) }
    }

    /// Compares with one other user's vector. One of another length, and one that points away, is not similar.
    pub fn offer(&mut self, user: i64, factor: &[f32]) {
        if user == self.user || factor.len() != self.own.len() {
            return;
        }
        let cosine = dot(factor, &self.own) / (self.length * dot(factor, factor).sqrt());
        if cosine > 0.0 {
            self.best.offer(user, cosine.min(1.0), ());
        }
    }

    /// Users with their cosine, above 0 and up to 1, the most similar first.
    pub fn into_sorted(self) -> Vec<(i64, f32)> {
        self.best.into_sorted().into_iter().map(|(user, cosine, ())| (user, cosine)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_of_a_stream_are_those_of_a_full_sort() {
        for (users, most) in [(0i64, 5), (3, 5), (20_000, 7), (20_000, 9000), (100_000, 1)] {
            let score = |user: i64| ((user * 7919) % 1009) as f32;
            let mut best = BestUsers::new(most);
            (0..users).for_each(|user| best.offer(user, score(user), user * 2));
            let mut all: Vec<(i64, f32, i64)> = (0..users).map(|user| (user, score(user), user * 2)).collect();
            all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            all.truncate(most);
            assert_eq!(best.into_sorted(), all, "{users} users, {most} of them");
        }
    }

    #[test]
    fn similar_users_have_the_highest_cosines() {
        let vector =
            |user: i64| vec![(user as f32).cos() * (1.0 + user as f32), (user as f32).sin() * (1.0 + user as f32)];
        let mut similar = SimilarUsers::new(0, vector(0), 20);
        (0..1000).for_each(|user| similar.offer(user, &vector(user)));
        similar.offer(1000, &[1.0]);
        similar.offer(1001, &[0.0, 0.0]);
        similar.offer(1002, &[f32::NAN, 1.0]);
        let mut all: Vec<(i64, f32)> = (1..1000).map(|user| (user, (user as f32).cos())).collect();
        all.sort_by(|a, b| b.1.total_cmp(&a.1));
        let found = similar.into_sorted();
        assert_eq!(found.len(), 20);
        for ((user, cosine), (wanted, exact)) in found.into_iter().zip(all) {
            assert!(user == wanted && (cosine - exact).abs() < 1e-5, "{user} {cosine}, not {wanted} {exact}");
        }
    }

    #[test]
    fn nobody_is_similar_to_a_user_without_a_vector() {
        let mut similar = SimilarUsers::new(0, Vec::new(), 20);
        similar.offer(1, &[]);
        similar.offer(2, &[1.0]);
        assert!(similar.into_sorted().is_empty());
    }
}

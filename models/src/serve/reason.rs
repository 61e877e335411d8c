//! The one reason that a page shows for an item: of the part that adds most to the score over its base, the evidence that
//! adds most. It agrees with the first term of an explanation, and costs less.

use crate::data::items::ItemInfo;
use crate::data::labels::Labels;
use crate::error::Result;
use crate::model::ensemble::{COLLABORATIVE, CONTENT_BASED, Parts};
use crate::model::model::Model;
use crate::model::score::Target;
use crate::model::uncalibrated::User;
use crate::parts::collaborative::Contributions;
use crate::parts::content::{AGE, Attribution, PairRow, Topic};
use crate::parts::rules::Taste;

/// Why an item is recommended. Ids are those of liked items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Its factors are close to those of a liked item.
    Liked(i64),
    /// Users who like a liked item like it too.
    Readers(i64),
    /// By the author of a liked item.
    Author(i64),
    /// In the category of a liked item.
    Category(i64),
    /// Its description is like those of the liked items.
    Description,
    /// It suits what the user likes in general.
    Taste,
    /// It has many stars.
    WellRated,
    /// Many users like it.
    Popular,
    /// It was published within a year.
    New,
}

/// Years within which an item counts as new.
const NEW_YEARS: f32 = 1.0;
/// Liked items that a reason of the collaborative part may name, those with the highest weights: a thousand reasons for
/// somebody who likes sixty thousand items would take four seconds otherwise.
const MOST_NAMED: usize = 2000;
/// Items between two calls of `pause` while Shapley values are computed: some milliseconds.
const BLOCK: usize = 64;

type Features = (PairRow, Attribution);

impl Model {
    /// Why each item is recommended, given the parts that [`Model::score`] gave; None where no part of it is above its base.
    /// `pause` is called every few milliseconds.
    ///
    /// # Errors
    /// [`crate::Error::NotFinite`] where the user's system cannot be solved.
    pub fn reasons(
        &self,
        user: &User<'_>,
        items: &[(Target, Parts)],
        mut pause: impl FnMut(),
    ) -> Result<Vec<Option<Reason>>> {
        let mut contributions = self.collaborative_part().contributions(user.likes(), MOST_NAMED)?;
        let mut reasons = Vec::with_capacity(items.len());
        for block in items.chunks(BLOCK) {
            pause();
            reasons.append(&mut self.reasons_of_block(user, block, &mut contributions, &mut pause)?);
        }
        Ok(reasons)
    }

    fn reasons_of_block(
        &self,
        user: &User<'_>,
        block: &[(Target, Parts)],
        contributions: &mut Contributions<'_>,
        mut pause: impl FnMut(),
    ) -> Result<Vec<Option<Reason>>> {
        let by_gain: Vec<Vec<usize>> = block.iter().map(|(_, parts)| self.by_gain(parts)).collect();
        let content_leads = |parts: &[usize]| parts.first() == Some(&CONTENT_BASED);
        // All at once: one by one, Shapley values cost several times as much.
        let leading = block.iter().zip(&by_gain).filter(|(_, parts)| content_leads(parts));
        let leading: Vec<Target> = leading.map(|((target, _), _)| target.clone()).collect();
        let mut attributed = self.attribute(user, &leading).into_iter();
        let mut reasons = Vec::with_capacity(block.len());
        for ((target, _), parts) in block.iter().zip(by_gain) {
            pause();
            let mut features = if content_leads(&parts) { attributed.next().flatten() } else { None };
            let mut found = None;
            for part in parts {
                found = match part {
                    COLLABORATIVE => self.by_liked(target, contributions)?,
                    CONTENT_BASED => {
                        let one = || self.attribute(user, std::slice::from_ref(target)).pop().flatten();
                        let features = features.take().or_else(one);
                        features.and_then(|features| self.by_features(user, target, features))
                    }
                    _ => Some(Reason::Popular),
                };
                if found.is_some() {
                    break;
                }
            }
            reasons.push(found);
        }
        Ok(reasons)
    }

    /// The parts that add to an item's score over their base, the one that adds most first.
    fn by_gain(&self, parts: &Parts) -> Vec<usize> {
        let bases = [0.0, self.forest().map_or(0.0, |f| f.mean()), 0.0];
        let weights = self.weights().shares(parts);
        let mut gains: Vec<(usize, f64)> = parts
            .as_array()
            .iter()
            .enumerate()
            .filter_map(|(part, value)| {
                let base = self.calibrations()[part].apply(bases[part] as f32);
                Some((part, weights[part] * f64::from((*value)? - base)))
            })
            .filter(|(_, gain)| *gain > 0.0)
            .collect();
        gains.sort_by(|a, b| b.1.total_cmp(&a.1));
        gains.into_iter().map(|(part, _)| part).collect()
    }

    /// The liked item that adds most to the collaborative part.
    fn by_liked(&self, target: &Target, contributions: &mut Contributions<'_>) -> Result<Option<Reason>> {
        let Some(item) = target.index() else { return Ok(None) };
        let contributions = contributions.of(item)?;
        let others = contributions.iter().filter(|c| c.item != item && c.whole() > 0.0);
        let best = others.max_by(|a, b| a.whole().total_cmp(&b.whole()));
        Ok(best.map(|best| {
            let id = self.items().id[best.item as usize];
            if best.neighbours > best.factors { Reason::Readers(id) } else { Reason::Liked(id) }
        }))
    }

    /// The topic whose features add most to the content part.
    fn by_features(&self, user: &User<'_>, target: &Target, (values, attribution): Features) -> Option<Reason> {
        let layout = self.encoder().layout();
        let sum = |topic: Topic| -> f64 {
            let members = attribution.by_feature.iter().enumerate().filter(|(i, _)| layout.topic_of(*i) == Some(topic));
            members.map(|(_, v)| v).sum()
        };
        let topics = [Topic::Author, Topic::Category, Topic::Description, Topic::Counts, Topic::Stars, Topic::Age];
        let best = topics.map(|topic| (topic, sum(topic))).into_iter().max_by(|a, b| a.1.total_cmp(&b.1));
        let (best, _) = best.filter(|(_, sum)| *sum > 0.0)?;
        let (items, info) = (self.items(), self.info(target)?);
        Some(match best {
            Topic::Author => {
                self.liked_like(user, target, &items.author, info.authors()).map_or(Reason::Taste, Reason::Author)
            }
            Topic::Category => self
                .liked_like(user, target, &items.category, info.categories())
                .map_or(Reason::Taste, Reason::Category),
            Topic::Description => Reason::Description,
            Topic::Counts => Reason::Popular,
            Topic::Stars => Reason::WellRated,
            Topic::Age if (0.0..NEW_YEARS).contains(&values[AGE]) => Reason::New,
            Topic::Age => Reason::Taste,
        })
    }

    fn info(&self, target: &Target) -> Option<ItemInfo> {
        match target {
            Target::Known(item) => Some(self.items().info(*item)),
            Target::Newcomer(info) => Some(info.clone()),
            Target::Unknown => None,
        }
    }

    /// The id of the liked item with most weight that has one of the `wanted` keys, which are those of the target.
    fn liked_like(
        &self,
        user: &User<'_>,
        target: &Target,
        keys: &Labels,
        wanted: impl Iterator<Item = i64>,
    ) -> Option<i64> {
        let wanted: Vec<i64> = wanted.collect();
        let alike = user.likes().items().iter().filter(|(item, _)| {
            Some(*item) != target.index() && keys.of(*item as usize).any(|key| wanted.contains(&key))
        });
        alike.max_by(|a, b| a.1.total_cmp(&b.1)).map(|(item, _)| self.items().id[*item as usize])
    }
}

impl Taste {
    /// The rule that gives an item most points, with a liked item that it holds for; None without points. `now` in seconds
    /// since 1970; `liked`: id and catalogue row of the items that the taste was made of.
    pub fn reason(&self, item: &ItemInfo, now: i64, liked: &[(i64, ItemInfo)]) -> Option<Reason> {
        let like = |holds: &dyn Fn(&ItemInfo) -> bool| liked.iter().find(|(_, info)| holds(info)).map(|(id, _)| *id);
        if let Some(category) = self.category_of(item) {
            let found = like(&|info| info.categories().any(|other| other == category));
            return Some(found.map_or(Reason::Taste, Reason::Category));
        }
        if let Some(author) = self.author_of(item) {
            let found = like(&|info| info.authors().any(|other| other == author));
            return Some(found.map_or(Reason::Taste, Reason::Author));
        }
        let [.., novelty] = self.points(item, now);
        (novelty > 0.0).then_some(Reason::New)
    }
}

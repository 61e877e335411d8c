//! The answer by a model: candidates, ranked, as far as the catalogue has them at this moment.
//!
//! What the model knows is found through the candidates of `reco-models`; what the catalogue has beyond it is read; and
//! nothing is shown that a look-up with the caller's rights does not find.

use std::collections::HashSet;

use reco_models::{
    EXHAUSTIVE, Exposure, ItemInfo, Parts, Pick, RARELY, ServedModel, Target, User, diversify, explore, explore_seed,
    require,
};

use super::{Recommendation, Request, Who};
use crate::api::reason;
use crate::failure::Outcome;
use crate::pg::session::{now, pause};
use crate::read::{ModelReader, each_once};
use crate::settings;
use crate::site::{Served, Site};

/// Items that diversity chooses from, per item that is listed.
const DIVERSITY_POOL: usize = 10;
/// New and rarely read items that exploration chooses from: those with the best scores.
const EXPLORE_POOL: usize = 50;
/// Items that the model does not know, of a large catalogue: at most this many are read by one call, those with the highest
/// ids.
const MOST_NEWCOMERS: usize = 1000;
/// In a large catalogue newcomers are looked for above this many of the highest ids that the model knows: a transaction
/// that took a lower id may have committed later.
const LATE_COMMITS: usize = 64;
/// Items that are looked up beyond those that are wanted, in case some of them are gone.
const SPARE: usize = 16;
/// Bytes that ranking an item takes, with all lists that it is in.
const OF_AN_ITEM: u64 = 128;
/// Items of one look-up at most.
const MOST_LOOKED_UP: usize = 10_000;

/// What may be listed, until enough is found.
struct Selection {
    best_wanted: usize,
    rare_wanted: usize,
    /// In the catalogue now, in the category, not excluded; best first.
    best: Vec<Pick>,
    /// The new and rarely read ones among all that were looked at, best first.
    rare: Vec<Pick>,
}

impl Selection {
    fn suffices(&self) -> bool {
        self.best.len() >= self.best_wanted && self.rare.len() >= self.rare_wanted
    }

    /// Takes the next best item.
    fn add(&mut self, pick: Pick, is_rare: bool) {
        if is_rare && self.rare.len() < self.rare_wanted {
            self.rare.push(pick.clone());
        }
        if self.best.len() < self.best_wanted {
            self.best.push(pick);
        }
    }
}

pub fn recommend(site: &Site<'_>, served: &Served, who: &Who, request: &Request) -> Outcome<Vec<Recommendation>> {
    let (user, reader) = match who {
        Who::User(user) => (*user, site.reader(served, *user)?),
        Who::Guest(liked) => (liked.iter().fold(0, |sum, id| sum ^ id), site.guest(served, liked)),
    };
    let excluded = request.excluded(&reader.seen, &reader.discarded);
    ByModel { site, served, request, user, reader, excluded }.recommend()
}

/// A request that a model answers.
struct ByModel<'a> {
    site: &'a Site<'a>,
    served: &'a Served,
    request: &'a Request,
    /// What exploration is seeded with: the user's id, or a guest's liked items as a number.
    user: i64,
    reader: ModelReader,
    /// Ids, ascending.
    excluded: Vec<i64>,
}

impl ByModel<'_> {
    fn model(&self) -> &ServedModel {
        &self.served.model
    }

    fn recommend(&self) -> Outcome<Vec<Recommendation>> {
        let Request { n, diversity, .. } = *self.request;
        let user = self.reader.user(self.model())?;
        let Selection { best, rare, .. } = self.select(&user)?;
        let explored = self.explored(&rare);
        let is_explored = |pick: &Pick| explored.iter().any(|(e, _)| e.id == pick.id);
        let rest: Vec<Pick> = best.into_iter().filter(|pick| !is_explored(pick)).collect();
        let places = n - explored.len();
        let main = match diversity {
            0.0 => rest.into_iter().take(places).collect(),
            _ => diversify(self.model(), &rest, places, diversity, pause),
        };
        let listed = spread(main, explored);
        let items: Vec<(Target, Parts)> = listed.iter().map(|(p, _)| (p.target.clone(), p.scored.parts)).collect();
        let disliked = self.reader.disliked(self.model());
        let reasons = reason::by_model(self.site, self.model(), &user, &items, &disliked)?;
        let recommendation = |((pick, propensity), reason): ((Pick, Option<f32>), _)| Recommendation {
            item: pick.id,
            scored: pick.scored,
            reason,
            propensity,
        };
        Ok(listed.into_iter().zip(reasons).map(recommendation).collect())
    }

    /// Best first, those that were shown before with less than their score.
    fn ranked<'a>(&'a self, user: &'a User<'a>, items: &[(i64, Target)]) -> impl Iterator<Item = Pick> {
        self.model().rank(user, items, |id| self.request.weight(id), pause)
    }

    /// The items that may get a place.
    fn select(&self, user: &User<'_>) -> Outcome<Selection> {
        let Request { n, diversity, explore, category, .. } = *self.request;
        let listed = if diversity > 0.0 { n * DIVERSITY_POOL } else { n };
        // An explored item leaves its ordinary place to the next one.
        let rare_wanted = if explore > 0.0 { EXPLORE_POOL } else { 0 };
        let mut selection =
            Selection { best_wanted: listed + rare_wanted, rare_wanted, best: Vec::new(), rare: Vec::new() };
        match (category, &self.request.among) {
            (Some(category), _) => self.select_in_category(user, category, &mut selection)?,
            (None, Some(among)) => self.select_among(user, among, &mut selection)?,
            (None, None) => self.select_in_catalogue(user, &mut selection)?,
        }
        Ok(selection)
    }

    fn select_in_catalogue(&self, user: &User<'_>, selection: &mut Selection) -> Outcome<()> {
        let excluded = self.known(&self.excluded);
        let mut known = self.candidates(user, &excluded, None)?;
        let items: Vec<(i64, Target)> = self.with_ids(&known).chain(self.newcomers()?).collect();
        self.take_present(self.ranked(user, &items), selection)?;
        if selection.best.len() < self.request.n {
            // Too many of them were deleted, or are hidden from the caller: all others of the catalogue.
            require(self.model().items().len() as u64 * OF_AN_ITEM)?;
            known.extend(excluded);
            known.sort_unstable();
            let others: Vec<(i64, Target)> = self.with_ids(&self.without(&known)).collect();
            self.take_present(self.ranked(user, &others), selection)?;
        }
        Ok(())
    }

    /// From the ids that the site allows.
    fn select_among(&self, user: &User<'_>, among: &[i64], selection: &mut Selection) -> Outcome<()> {
        let allowed: Vec<i64> = among.iter().copied().filter(|id| self.is_allowed(*id)).collect();
        require(allowed.len() as u64 * OF_AN_ITEM)?;
        let known = self.known(&allowed);
        let unknown: Vec<i64> = allowed.into_iter().filter(|id| self.model().items().index(*id).is_none()).collect();
        let mut newcomers = self.site.items_in_portions(&unknown)?;
        self.site.describe(self.model(), &mut newcomers)?;
        let candidates = match known.len() > EXHAUSTIVE {
            true => self.candidates(user, &self.without(&known), None)?,
            false => known.clone(),
        };
        let newcomers = newcomers.into_iter().map(|(id, info)| (id, Target::Newcomer(info)));
        let items: Vec<(i64, Target)> = self.with_ids(&candidates).chain(newcomers).collect();
        self.take_present(self.ranked(user, &items), selection)?;
        if selection.best.len() < self.request.n && candidates.len() < known.len() {
            let looked_at: HashSet<u32> = candidates.into_iter().collect();
            let others: Vec<u32> = known.into_iter().filter(|item| !looked_at.contains(item)).collect();
            let others: Vec<(i64, Target)> = self.with_ids(&others).collect();
            self.take_present(self.ranked(user, &others), selection)?;
        }
        Ok(())
    }

    /// The catalogue says what is in a category, so that a book that was moved there a second ago is found.
    fn select_in_category(&self, user: &User<'_>, category: i64, selection: &mut Selection) -> Outcome<()> {
        let mut listed = self.site.category(category, None)?;
        listed.retain(|(id, _)| self.is_allowed(*id));
        each_once(&mut listed);
        let (known, mut newcomers): (Vec<_>, Vec<_>) =
            listed.into_iter().partition(|(id, _)| self.model().items().index(*id).is_some());
        self.site.complete(&mut newcomers)?;
        self.site.describe(self.model(), &mut newcomers)?;
        let newcomers = newcomers.into_iter().map(|(id, info)| (id, Target::Newcomer(info)));
        let mut known = self.known(&known.into_iter().map(|(id, _)| id).collect::<Vec<_>>());
        known.sort_unstable();
        if known.len() > EXHAUSTIVE {
            known = self.candidates(user, &self.without(&known), Some(category))?;
        }
        let items: Vec<(i64, Target)> = self.with_ids(&known).chain(newcomers).collect();
        let mut ranked = self.ranked(user, &items);
        while !selection.suffices()
            && let Some(pick) = ranked.next()
        {
            let is_rare = self.is_rare(&pick.target);
            selection.add(pick, is_rare);
        }
        Ok(())
    }

    fn is_allowed(&self, id: i64) -> bool {
        let among = self.request.among.as_ref();
        self.excluded.binary_search(&id).is_err() && among.is_none_or(|among| among.binary_search(&id).is_ok())
    }

    /// Items of the model that are worth scoring.
    fn candidates(&self, user: &User<'_>, excluded: &[u32], category: Option<i64>) -> Outcome<Vec<u32>> {
        Ok(self.model().candidates(user, excluded, category, pause)?)
    }

    fn with_ids(&self, known: &[u32]) -> impl Iterator<Item = (i64, Target)> {
        let ids = &self.model().items().id;
        known.iter().map(|index| (ids[*index as usize], Target::Known(*index)))
    }

    /// Those of the given ids (ascending) that the model knows, ascending.
    fn known(&self, ids: &[i64]) -> Vec<u32> {
        ids.iter().filter_map(|id| self.model().items().index(*id)).collect()
    }

    /// All items of the model but the given ones (ascending).
    fn without(&self, some: &[u32]) -> Vec<u32> {
        let mut some = some.iter().peekable();
        let all = 0..self.model().items().len() as u32;
        all.filter(|item| {
            while some.next_if(|given| *given < item).is_some() {}
            some.peek() != Some(&item)
        })
        .collect()
    }

    /// The id above which newcomers are looked for; None where ids do not ascend.
    fn highest_known(&self) -> Option<i64> {
        let ids = &self.model().items().id;
        (!self.site.has_keys_of_items()).then(|| ids[ids.len() - LATE_COMMITS])
    }

    /// What the catalogue has and the model does not know. All of it in a small catalogue; in a large one only what has
    /// a higher id than what the model knows, because reading all of it would cost more than everything else.
    fn newcomers(&self) -> Outcome<Vec<(i64, Target)>> {
        let ids = &self.model().items().id;
        let is_new = |(id, _): &(i64, ItemInfo)| self.model().items().index(*id).is_none();
        // Ids that stand for keys have no order. The keys have one, and where they ascend the highest are new.
        if self.site.has_keys_of_items()
            && ids.len() > EXHAUSTIVE
            && !self.site.newest(None, LATE_COMMITS as i64)?.iter().any(is_new)
        {
            return Ok(Vec::new());
        }
        let (least, known, most) = match ids.len() <= EXHAUSTIVE {
            true => (None, ids.len(), settings::max_candidates()),
            false => (self.highest_known(), LATE_COMMITS, MOST_NEWCOMERS),
        };
        let mut found = self.site.newest(least, (known + most) as i64)?;
        found.retain(|item| is_new(item) && self.is_allowed(item.0));
        each_once(&mut found);
        found.drain(..found.len().saturating_sub(most));
        self.site.complete(&mut found)?;
        self.site.describe(self.model(), &mut found)?;
        Ok(found.into_iter().map(|(id, info)| (id, Target::Newcomer(info))).collect())
    }

    /// Takes the best of what the caller's snapshot has, until enough is found. `ranked` scores no more than is taken.
    fn take_present(&self, mut ranked: impl Iterator<Item = Pick>, selection: &mut Selection) -> Outcome<()> {
        // The look-ups grow, so that there are few of them for a caller from whom much is hidden.
        let mut next = selection.best_wanted + SPARE;
        while !selection.suffices() {
            pause();
            let picks: Vec<Pick> = ranked.by_ref().take(next).collect();
            if picks.is_empty() {
                break;
            }
            let present = self.site.present(picks.iter().map(|pick| pick.id).collect())?;
            for pick in picks.into_iter().filter(|pick| present.contains(pick.id)) {
                let is_rare = self.is_rare(&pick.target);
                selection.add(pick, is_rare);
            }
            next = (2 * next).min(MOST_LOOKED_UP);
        }
        Ok(())
    }

    fn exposure(&self, target: &Target) -> Exposure {
        target.index().map_or(Exposure::default(), |item| self.model().exposure(item))
    }

    fn is_rare(&self, target: &Target) -> bool {
        self.exposure(target).seen < RARELY
    }

    /// The items that get the explored places, each with the probability that it would.
    fn explored(&self, rare: &[Pick]) -> Vec<(Pick, f32)> {
        let places = (self.request.explore * self.request.n as f32).round() as usize;
        if places == 0 {
            return Vec::new();
        }
        let exposures: Vec<Exposure> = rare.iter().map(|pick| self.exposure(&pick.target)).collect();
        let seed = explore_seed(self.user, self.served.version, now().div_euclid(86_400));
        let explored = explore(&exposures, self.model().positive_rate(), places, seed);
        explored.into_iter().map(|e| (rare[e.index].clone(), e.propensity)).collect()
    }
}

/// Explored items at even distances, from the back: of ten places with two of them the fifth and the tenth.
fn spread(main: Vec<Pick>, explored: Vec<(Pick, f32)>) -> Vec<(Pick, Option<f32>)> {
    let (all, places) = (main.len() + explored.len(), explored.len());
    let (mut main, mut explored) = (main.into_iter(), explored.into_iter());
    let is_explored = |place: usize| (place + 1) * places / all > place * places / all;
    let next = |place| {
        if is_explored(place) {
            explored.next().map(|(pick, propensity)| (pick, Some(propensity)))
        } else {
            main.next().map(|pick| (pick, None))
        }
    };
    (0..all).filter_map(next).collect()
}

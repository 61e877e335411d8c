//! `reco_recommend`: the best of the whole catalogue as it is in the caller's snapshot.
//!
//! What the model knows is found through the candidates of `reco-models`; what the catalogue has beyond it is read; and
//! nothing is shown that a look-up with the caller's rights does not find at this moment.

use std::rc::Rc;

use pgrx::prelude::*;
use reco_models::{
    EXHAUSTIVE, Exposure, ItemInfo, Parts, Pick, RARELY, Scored, ServedModel, Source, Target, User, diversify, explore,
    explore_seed,
};

use super::arguments;
use super::reader::{Reader, RulesReader, Served, Site};
use super::reason;
use crate::failure::{Failure, Outcome, or_raise};
use crate::pg::session::{now, pause};
use crate::pg::spi::{self, Connection};
use crate::read::live;
use crate::read::mapping::{ITEM, Mapping, SOURCES};

/// The top n, best first.
#[pg_extern(stable, parallel_safe)]
#[allow(clippy::type_complexity, clippy::too_many_arguments)]
fn reco_recommend(
    user_id: Option<i64>,
    n: default!(Option<i32>, "10"),
    exclude: default!(Option<Array<i64>>, "'{}'"),
    category: default!(Option<i64>, "NULL"),
    exclude_seen: default!(Option<bool>, "true"),
    diversity: default!(Option<f32>, "0"),
    explore: default!(Option<f32>, "0"),
) -> TableIterator<
    'static,
    (
        name!(rank, i32),
        name!(item_id, i64),
        name!(score, f32),
        name!(collaborative, Option<f32>),
        name!(content_based, Option<f32>),
        name!(popularity, Option<f32>),
        name!(source, &'static str),
        name!(model_version, Option<i64>),
        name!(reason, Option<String>),
        name!(propensity, Option<f32>),
    ),
> {
    let request = or_raise(Request::new(n, exclude, category, exclude_seen, diversity, explore));
    let Some(user) = user_id else { return TableIterator::new(Vec::new()) };
    let (rows, version) = or_raise(spi::connect(|connection| {
        let Site { mapping, served } = Site::open(connection)?;
        match served {
            Some(served) => {
                let version = served.version;
                let rows = ByModel::new(connection, &mapping, &served, user, &request)?.rows()?;
                Ok((rows, Some(version)))
            }
            None => Ok((by_rules(connection, &mapping, user, &request)?, None)),
        }
    }));
    TableIterator::new(rows.into_iter().zip(1..).map(move |(row, rank)| {
        let Parts { collaborative, content_based, popularity } = row.scored.parts;
        let source = row.scored.source.name();
        let Row { id, scored, reason, propensity } = row;
        (rank, id, scored.score, collaborative, content_based, popularity, source, version, reason, propensity)
    }))
}

struct Row {
    id: i64,
    scored: Scored,
    reason: Option<String>,
    propensity: Option<f32>,
}

/// The arguments, checked.
struct Request {
    n: usize,
    /// Ascending.
    exclude: Vec<i64>,
    category: Option<i64>,
    exclude_seen: bool,
    diversity: f32,
    explore: f32,
}

impl Request {
    fn new(
        n: Option<i32>,
        exclude: Option<Array<i64>>,
        category: Option<i64>,
        exclude_seen: Option<bool>,
        diversity: Option<f32>,
        explore: Option<f32>,
    ) -> Outcome<Request> {
        let mut exclude = exclude.map_or(Ok(Vec::new()), |array| arguments::ids("exclude", array))?;
        exclude.sort_unstable();
        Ok(Request {
            n: arguments::count(n)?,
            exclude,
            category,
            exclude_seen: exclude_seen.unwrap_or(true),
            diversity: arguments::share("diversity", diversity)?,
            explore: arguments::share("explore", explore)?,
        })
    }

    /// What must not be shown, ascending.
    fn barred(&self, seen: &[i64]) -> Vec<i64> {
        let mut barred = self.exclude.clone();
        if self.exclude_seen {
            barred.extend_from_slice(seen);
            barred.sort_unstable();
        }
        barred
    }

    fn in_category(&self, connection: &Connection, mapping: &Mapping, most: i64) -> Outcome<Vec<(i64, ItemInfo)>> {
        let Some(category) = self.category else { return Ok(Vec::new()) };
        live::grouped(connection, mapping, "category", vec![category], most)?.ok_or_else(|| no_category(mapping))
    }
}

/// The error for a filter by a category that the catalogue does not have.
pub fn no_category(mapping: &Mapping) -> Failure {
    let relation = mapping.get(ITEM).map_or("", |relation| &relation.name);
    let code = PgSqlErrorCode::ERRCODE_UNDEFINED_COLUMN;
    Failure::new(code, format!("{relation} has no column for the category"))
        .hint(format!("Map it: SELECT reco_configure('{}', ...), with the role \"category\".", SOURCES[ITEM].name))
}

/// Places that diversity chooses from, per place that is shown.
const DIVERSITY_POOL: usize = 10;
/// New and rarely read items that exploration chooses from: those that the model thinks best of.
const EXPLORE_POOL: usize = 50;
/// Newcomers that one call reads at most, highest ids first.
const MOST_NEWCOMERS: i64 = 1000;
/// So many of the highest ids that the model knows are read again with what is above: a transaction that took a lower
/// id may have committed later.
const LATE_COMMITS: usize = 64;

/// Looked at beyond what is wanted, should some of it be gone.
const SPARE: usize = 16;

/// A request that a model answers.
struct ByModel<'a> {
    connection: &'a Connection,
    mapping: &'a Mapping,
    served: &'a Served,
    request: &'a Request,
    id: i64,
    reader: Reader,
    barred: Vec<i64>,
}

/// How many items are looked for.
#[derive(Clone, Copy)]
struct Wanted {
    best: usize,
    rare: usize,
}

/// What may be shown, scored.
#[derive(Default)]
struct Found {
    /// In the catalogue now, in the category, not barred; best first.
    best: Vec<Pick>,
    /// The new and rarely read ones among what was found, best first.
    rare: Vec<Pick>,
}

impl Found {
    fn suffices(&self, wanted: Wanted) -> bool {
        self.best.len() >= wanted.best && self.rare.len() >= wanted.rare
    }

    /// Takes the next best item.
    fn add(&mut self, pick: Pick, is_rare: bool, wanted: Wanted) {
        if self.best.len() < wanted.best {
            self.best.push(pick);
        }
        if is_rare && self.rare.len() < wanted.rare {
            self.rare.push(pick);
        }
    }
}

impl<'a> ByModel<'a> {
    fn new(
        connection: &'a Connection,
        mapping: &'a Mapping,
        served: &'a Served,
        id: i64,
        request: &'a Request,
    ) -> Outcome<Self> {
        let reader = Reader::read(connection, mapping, served, id)?;
        let barred = request.barred(&reader.seen);
        Ok(ByModel { connection, mapping, served, request, id, reader, barred })
    }

    fn model(&self) -> &Rc<ServedModel> {
        &self.served.model
    }

    fn rows(&self) -> Outcome<Vec<Row>> {
        let Request { n, diversity, .. } = *self.request;
        let user = self.reader.user(self.model())?;
        let Found { best, rare } = self.found(&user)?;
        let explored = self.explored(&rare);
        let is_explored = |pick: &Pick| explored.iter().any(|(e, _)| e.id == pick.id);
        let rest: Vec<Pick> = best.into_iter().filter(|pick| !is_explored(pick)).collect();
        let places = n - explored.len();
        let main = match diversity {
            0.0 => rest.into_iter().take(places).collect(),
            _ => diversify(self.model(), &rest, places, diversity, pause),
        };
        let shown = spread(main, explored);
        let items: Vec<(Target, Parts)> = shown.iter().map(|(p, _)| (p.target, p.scored.parts)).collect();
        let reasons = reason::by_model(self.connection, self.mapping, self.model(), &user, &items)?;
        let row = |((pick, propensity), reason): ((Pick, Option<f32>), _)| Row {
            id: pick.id,
            scored: pick.scored,
            reason,
            propensity,
        };
        Ok(shown.into_iter().zip(reasons).map(row).collect())
    }

    fn found(&self, user: &User<'_>) -> Outcome<Found> {
        let Request { n, diversity, explore, .. } = *self.request;
        let wanted = if diversity > 0.0 { n * DIVERSITY_POOL } else { n };
        // An explored item leaves its ordinary place to the next one.
        let wanted = match explore > 0.0 {
            true => Wanted { best: wanted + EXPLORE_POOL, rare: EXPLORE_POOL },
            false => Wanted { best: wanted, rare: 0 },
        };
        if self.request.category.is_some() {
            return self.found_in_category(user, wanted);
        }
        let mut known = self.candidates(user, &self.known(&self.barred), None)?;
        let items: Vec<(i64, Target)> = self.with_ids(&known).chain(self.newcomers()?).collect();
        let mut found = Found::default();
        self.keep_present(self.model().rank(user, &items, pause), wanted, &mut found)?;
        if found.best.len() < n {
            // Too much of it was deleted, or is hidden from the caller: all the rest of the catalogue.
            known.extend(self.known(&self.barred));
            known.sort_unstable();
            let rest: Vec<(i64, Target)> = self.with_ids(&self.without(&known)).collect();
            self.keep_present(self.model().rank(user, &rest, pause), wanted, &mut found)?;
        }
        Ok(found)
    }

    /// The catalogue says what is in a category, so that a book that was moved there a second ago is found.
    fn found_in_category(&self, user: &User<'_>, wanted: Wanted) -> Outcome<Found> {
        let mut listed = self.request.in_category(self.connection, self.mapping, i64::MAX)?;
        listed.retain(|(id, _)| self.barred.binary_search(id).is_err());
        let (mut known, mut items) = (Vec::new(), Vec::new());
        for (id, info) in listed {
            match self.model().items().index(id) {
                Some(index) => known.push(index),
                None => items.push((id, Target::Newcomer(info))),
            }
        }
        known.sort_unstable();
        if known.len() > EXHAUSTIVE {
            known = self.candidates(user, &self.without(&known), self.request.category)?;
        }
        items.sort_unstable_by_key(|(id, _)| std::cmp::Reverse(*id));
        items.truncate(MOST_NEWCOMERS as usize);
        let items: Vec<(i64, Target)> = self.with_ids(&known).chain(items).collect();
        let mut found = Found::default();
        let mut ranked = self.model().rank(user, &items, pause);
        while !found.suffices(wanted)
            && let Some(pick) = ranked.next()
        {
            found.add(pick, self.rare(&pick), wanted);
        }
        Ok(found)
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

    /// What the catalogue has and the model does not know. All of it in a small catalogue; in a large one what has a
    /// higher id than what the model knows, for looking at all would cost more than all the rest.
    fn newcomers(&self) -> Outcome<Vec<(i64, Target)>> {
        let ids = &self.model().items().id;
        let (least, known) =
            if ids.len() <= EXHAUSTIVE { (i64::MIN, ids.len()) } else { (ids[ids.len() - LATE_COMMITS], LATE_COMMITS) };
        let mut found = live::newest(self.connection, self.mapping, least, known as i64 + MOST_NEWCOMERS)?;
        found.retain(|(id, _)| self.model().items().index(*id).is_none() && self.barred.binary_search(id).is_err());
        found.truncate(MOST_NEWCOMERS as usize);
        Ok(found.into_iter().map(|(id, info)| (id, Target::Newcomer(info))).collect())
    }

    /// Takes the best of what the caller's snapshot has, until enough is found.
    fn keep_present(&self, mut ranked: impl Iterator<Item = Pick>, wanted: Wanted, found: &mut Found) -> Outcome<()> {
        // A caller from whom much is hidden asks for ever more at once.
        let mut step = wanted.best + SPARE;
        while !found.suffices(wanted) {
            pause();
            let picks: Vec<Pick> = ranked.by_ref().take(step).collect();
            if picks.is_empty() {
                break;
            }
            let present = live::items(self.connection, self.mapping, picks.iter().map(|pick| pick.id).collect())?;
            let is_present = |pick: &Pick| present.binary_search_by_key(&pick.id, |(id, _)| *id).is_ok();
            for pick in picks.into_iter().filter(is_present) {
                found.add(pick, self.rare(&pick), wanted);
            }
            step = (2 * step).min(10_000);
        }
        Ok(())
    }

    fn exposure(&self, target: Target) -> Exposure {
        target.index().map_or(Exposure::default(), |item| self.model().exposure(item))
    }

    fn rare(&self, pick: &Pick) -> bool {
        self.exposure(pick.target).seen < RARELY
    }

    fn explored(&self, rare: &[Pick]) -> Vec<(Pick, f32)> {
        let places = (self.request.explore * self.request.n as f32).round() as usize;
        if places == 0 {
            return Vec::new();
        }
        let exposures: Vec<Exposure> = rare.iter().map(|pick| self.exposure(pick.target)).collect();
        let seed = explore_seed(self.id, self.served.version, now().div_euclid(86_400));
        let explored = explore(&exposures, self.model().positive_rate(), places, seed);
        explored.into_iter().map(|e| (rare[e.index], e.propensity)).collect()
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

/// Rows that the rules look at, of each kind: the liked authors' and categories', and the newest.
const RULES_POOL: i64 = 2000;

fn by_rules(connection: &Connection, mapping: &Mapping, user: i64, request: &Request) -> Outcome<Vec<Row>> {
    let reader = RulesReader::read(connection, mapping, user)?;
    let barred = request.barred(&reader.seen);
    let mut items = if request.category.is_some() {
        request.in_category(connection, mapping, RULES_POOL)?
    } else {
        let of = |role, keys: &[i64]| live::grouped(connection, mapping, role, keys.to_vec(), RULES_POOL);
        let mut items = of("author", reader.taste.authors())?.unwrap_or_default();
        items.extend(of("category", reader.taste.categories())?.unwrap_or_default());
        items.extend(live::newest(connection, mapping, i64::MIN, RULES_POOL)?);
        items
    };
    items.retain(|(id, _)| barred.binary_search(id).is_err());
    items.sort_unstable_by_key(|(id, _)| *id);
    items.dedup_by_key(|(id, _)| *id);
    let mut scored: Vec<(f32, i64, ItemInfo)> =
        items.into_iter().map(|(id, info)| (reader.taste.score(info, reader.now), id, info)).collect();
    // The rules know few marks: of equals the newer, as far as a date or an id tells.
    scored.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(b.2.published.cmp(&a.2.published)).then(b.1.cmp(&a.1)));
    scored.truncate(request.n);
    let infos: Vec<ItemInfo> = scored.iter().map(|(_, _, info)| *info).collect();
    let reasons = reason::by_rules(connection, mapping, &reader, &infos)?;
    let row = |((score, id, _), reason): ((f32, i64, ItemInfo), _)| {
        let parts = Parts { content_based: Some(score), ..Parts::default() };
        Row { id, scored: Scored { score, parts, source: Source::Rules }, reason, propensity: None }
    };
    Ok(scored.into_iter().zip(reasons).map(row).collect())
}

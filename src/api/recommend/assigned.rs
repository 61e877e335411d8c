//! A page by whoever the experiments say: the call itself, one variant, or two that share it.

use std::collections::HashMap;

use reco_models::{Rung, Team, team_draft};

use super::{Page, Recommendation, Request, Who, page_by};
use crate::failure::Outcome;
use crate::online::counters::Source;
use crate::online::experiment::{Answer, Variant};
use crate::online::rotation;
use crate::pg::spi::Connection;
use crate::settings;
use crate::site::Answerer;

/// An item of a page, and who answered for it.
pub struct Shown {
    pub recommendation: Recommendation,
    /// None where the rules did.
    pub version: Option<i64>,
    pub variant: Option<String>,
    /// As it is counted.
    pub by: Source,
}

/// A page, best first.
pub struct Assigned {
    pub experiment: Option<String>,
    pub list: Vec<Shown>,
}

pub fn assigned(connection: &Connection, user: i64, request: &Request, answer: Answer) -> Outcome<Assigned> {
    match answer {
        Answer::Ordinary => Ok(one(None, None, ordinary(connection, user, request)?, Source::of)),
        Answer::Promoted(variant) => {
            Ok(one(None, None, by(connection, user, request, &variant)?, counted_as(&variant)))
        }
        Answer::Split { experiment, variant } => {
            let page = by(connection, user, request, &variant)?;
            let counted = counted_as(&variant);
            Ok(one(Some(experiment), Some(variant.name), page, counted))
        }
        Answer::Interleaved { experiment, first, second, seed } => {
            let pages = [by(connection, user, request, &first)?, by(connection, user, request, &second)?];
            let counted = [counted_as(&first), counted_as(&second)];
            let list = drafted(pages, [first.name, second.name], counted, (request.n, seed));
            Ok(Assigned { experiment: Some(experiment), list })
        }
    }
}

fn ordinary(connection: &Connection, user: i64, request: &Request) -> Outcome<Page> {
    let request = request.clone().rotated(rotation::of(connection, user, settings::rotation())?);
    page_by(connection, &Who::User(user), &request, Answerer::default())
}

/// As a variant answers.
pub fn by(connection: &Connection, user: i64, request: &Request, variant: &Variant) -> Outcome<Page> {
    let Variant { answerer, diversity, explore, .. } = *variant;
    let strength = variant.rotation.map_or_else(settings::rotation, |strength| strength as f32);
    let request = request.clone().with(diversity, explore).rotated(rotation::of(connection, user, strength)?);
    page_by(connection, &Who::User(user), &request, answerer)
}

type Counted = fn(Rung) -> Source;

/// The rules that a variant asks for are no fallback.
fn counted_as(variant: &Variant) -> Counted {
    if variant.answerer.rules { |_| Source::RulesVariant } else { Source::of }
}

fn one(
    experiment: Option<String>,
    variant: Option<String>,
    Page { list, version }: Page,
    counted: Counted,
) -> Assigned {
    let shown = |recommendation: Recommendation| {
        let by = counted(recommendation.scored.rung);
        Shown { recommendation, version, variant: variant.clone(), by }
    };
    Assigned { experiment, list: list.into_iter().map(shown).collect() }
}

fn drafted(pages: [Page; 2], names: [String; 2], counted: [Counted; 2], (n, seed): (usize, u64)) -> Vec<Shown> {
    let ids = pages.each_ref().map(|page| page.list.iter().map(|of| of.item).collect::<Vec<i64>>());
    let draft = team_draft(&ids[0], &ids[1], n, seed);
    let mut items = pages.map(|Page { list, version }| {
        let by_item: HashMap<i64, Recommendation> = list.into_iter().map(|of| (of.item, of)).collect();
        (by_item, version)
    });
    let shown = |(item, team): (i64, Team)| {
        let place = usize::from(team == Team::Second);
        let (by_item, version) = &mut items[place];
        let recommendation = by_item.remove(&item)?;
        // Whether it gets a place depends on the other ranking too.
        let recommendation = Recommendation { propensity: None, ..recommendation };
        let by = counted[place](recommendation.scored.rung);
        Some(Shown { recommendation, version: *version, variant: Some(names[place].clone()), by })
    };
    draft.into_iter().filter_map(shown).collect()
}

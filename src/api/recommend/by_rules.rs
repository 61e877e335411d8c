//! The answer without a model: the items with the best scores by the rules.

use std::cmp::Reverse;

use reco_models::{ItemInfo, Scored};

use super::{Recommendation, Request, Who};
use crate::api::reason;
use crate::api::score::by_taste;
use crate::failure::Outcome;
use crate::read::RulesReader;
use crate::site::Site;

/// Items that are looked at, of each kind: the liked authors' and categories', and the newest.
const POOL: i64 = 2000;

pub fn recommend(site: &Site<'_>, who: &Who, request: &Request) -> Outcome<Vec<Recommendation>> {
    let reader = match who {
        Who::User(user) => site.rules_reader(*user)?,
        Who::Guest(liked) => site.rules_guest(liked)?,
    };
    let excluded = request.excluded(&reader.seen, &reader.discarded);
    let mut items = pool(site, &reader, request)?;
    items.retain(|(id, _)| excluded.binary_search(id).is_err());
    site.complete(&mut items)?;
    let mut scored: Vec<(Scored, i64, ItemInfo)> =
        items.into_iter().map(|(id, info)| (by_taste(&reader, &info), id, info)).collect();
    // The rules give few different scores: of equals the newer, as far as a date or an id tells.
    let newer = |(_, id, info): &(Scored, i64, ItemInfo)| Reverse((info.published, *id));
    let rank_by = |(scored, id, _): &(Scored, i64, ItemInfo)| scored.score * request.weight(*id);
    scored.sort_unstable_by(|a, b| rank_by(b).total_cmp(&rank_by(a)).then(newer(a).cmp(&newer(b))));
    scored.truncate(request.n);
    let infos: Vec<ItemInfo> = scored.iter().map(|(_, _, info)| info.clone()).collect();
    let reasons = reason::by_rules(site, &reader, &infos)?;
    let recommendation = |((scored, item, _), reason)| Recommendation { item, scored, reason, propensity: None };
    Ok(scored.into_iter().zip(reasons).map(recommendation).collect())
}

fn pool(site: &Site<'_>, reader: &RulesReader, request: &Request) -> Outcome<Vec<(i64, ItemInfo)>> {
    if let Some(among) = &request.among {
        let mut items = site.items_in_portions(among)?;
        items.retain(|(_, info)| request.category.is_none_or(|category| info.categories().any(|own| own == category)));
        return Ok(items);
    }
    if let Some(category) = request.category {
        return site.category(category, Some(POOL));
    }
    let mut items = site.by_authors(reader.taste.authors().to_vec(), Some(POOL))?;
    items.extend(site.in_categories(reader.taste.categories().to_vec(), Some(POOL))?);
    items.extend(site.newest(None, POOL)?);
    Ok(items)
}

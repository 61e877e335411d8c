//! `reco_explain`: a score as the contributions that sum to it.

use std::collections::HashMap;

use pgrx::prelude::*;
use reco_models::{Evidence, MOST_POINTS, PART_NAMES};

use crate::failure::{Outcome, or_raise};
use crate::online::counters::{self, Function, Source};
use crate::pg::spi;
use crate::site::{Column, Served, Site};

/// Component, evidence, contribution, and the liked item that the evidence is about.
type Contribution = (&'static str, String, f64, Option<i64>);

/// Rows that sum to what `reco_score` gives: what each liked item, feature and count adds.
#[pg_extern(stable, parallel_safe)]
#[allow(clippy::type_complexity)]
fn reco_explain(
    user_id: i64,
    item_id: i64,
) -> TableIterator<
    'static,
    (name!(component, &'static str), name!(evidence, String), name!(contribution, f64), name!(liked_item, Option<i64>)),
> {
    let call = counters::begin(Function::Explain);
    let (rows, source) = or_raise(explain(user_id, item_id));
    call.gave(source, rows.len());
    TableIterator::new(rows)
}

fn explain(user: i64, item: i64) -> Outcome<(Vec<Contribution>, Source)> {
    spi::connect(|connection| {
        let site = Site::answering(connection)?;
        match &site.served {
            Some(served) => Ok((by_model(&site, served, user, item)?, Source::Model)),
            None => Ok((by_rules(&site, user, item)?, Source::Rules)),
        }
    })
}

fn by_model(site: &Site<'_>, served: &Served, user: i64, item: i64) -> Outcome<Vec<Contribution>> {
    let model = &served.model;
    let reader = site.reader(served, user)?;
    let user = reader.user(model)?;
    let ids = &model.items().id;
    let mut rows = Vec::new();
    // Counts and means are of all readers and the whole catalogue.
    let shows_values = site.reads_what_was_trained_on() && site.shows_whole_catalogue();
    for target in site.targets(model, &[item])? {
        let (_, terms) = model.explain(&user, &target)?;
        let liked = terms.iter().filter_map(|term| match term.evidence {
            Evidence::Liked(item) => Some(ids[item as usize]),
            Evidence::Base | Evidence::Named(..) | Evidence::Unknown => None,
        });
        let titles = site.titles(liked.collect())?;
        rows.extend(terms.iter().map(|term| {
            let (evidence, liked) = describe(site, term.evidence, ids, &titles, shows_values);
            (PART_NAMES[term.part], evidence, term.contribution, liked)
        }));
    }
    Ok(rows)
}

/// The evidence as text, which programs can parse too, and the liked item that it is about, if any.
fn describe(
    site: &Site<'_>,
    evidence: Evidence,
    ids: &[i64],
    titles: &HashMap<i64, String>,
    shows_values: bool,
) -> (String, Option<i64>) {
    match evidence {
        Evidence::Base => ("base".into(), None),
        Evidence::Unknown => ("unknown to the model".into(), None),
        Evidence::Named(name, _) if !shows_values => (name.into(), None),
        Evidence::Named(name, value) => {
            (value.map_or(format!("{name} unknown"), |value| format!("{name} = {value}")), None)
        }
        Evidence::Liked(item) => {
            let id = ids[item as usize];
            let name = site.named(site.mapping.items().map(|source| &source.id), id);
            (titles.get(&id).map_or(format!("liked {name}"), |title| format!("liked {name}: {title}")), Some(id))
        }
    }
}

fn by_rules(site: &Site<'_>, user: i64, item: i64) -> Outcome<Vec<Contribution>> {
    let reader = site.rules_reader(user)?;
    let info = site.items(vec![item])?.get_or_unknown(item);
    let points = reader.taste.points(&info, reader.now);
    let named = |role: &str, columns: Vec<&Column>, id: Option<i64>| {
        let column = columns.into_iter().find(|column| column.has_keys());
        id.map_or(String::new(), |id| format!("{role} {}", site.named(column, id)))
    };
    let names = [
        named("category", site.mapping.category_columns(), reader.taste.category_of(&info)),
        named("author", site.mapping.author_columns(), reader.taste.author_of(&info)),
        "published within a year".into(),
    ];
    let row = |(name, points): (String, f32)| -> Contribution {
        let share = f64::from(points) / f64::from(MOST_POINTS);
        ("rules", format!("{name}: {points} of {MOST_POINTS} points"), share, None)
    };
    let mut rows: Vec<Contribution> =
        names.into_iter().zip(points).filter(|(_, points)| *points > 0.0).map(row).collect();
    if rows.is_empty() {
        rows.push(("rules", "no rule applies".into(), 0.0, None));
    }
    Ok(rows)
}

//! All four sources at once, for a training: under one snapshot, with the caller's rights, into flat columns.

use reco_models::{NONE, Sources};

use super::mapping::{FAVORITE, ITEM, Mapping, RATING, Relation, SOURCES, USER};
use crate::failure::Outcome;
use crate::pg::spi::{Connection, Rows};

/// Reads everything; `progress` is told the relation and the rows of it so far.
pub fn read(connection: &Connection, mapping: &Mapping, mut progress: impl FnMut(&str, usize)) -> Outcome<Sources> {
    mapping.check()?;
    let mut sources = Sources::default();
    each(connection, mapping, ITEM, &mut progress, |rows, row| {
        let Some(id) = rows.get(row, 0) else { return };
        let catalog = &mut sources.catalog;
        catalog.id.push(id);
        catalog.category.push(rows.get(row, 1).unwrap_or(NONE));
        catalog.author.push(rows.get(row, 2).unwrap_or(NONE));
        catalog.published.push(seconds(rows.get(row, 3)));
    })?;
    each(connection, mapping, RATING, &mut progress, |rows, row| {
        let (Some(user), Some(item), Some(stars)) = (rows.get(row, 0), rows.get(row, 1), rows.get(row, 2)) else {
            return;
        };
        let ratings = &mut sources.ratings;
        ratings.user.push(user);
        ratings.item.push(item);
        ratings.stars.push(stars);
        ratings.at.push(seconds(rows.get(row, 3)));
    })?;
    each(connection, mapping, FAVORITE, &mut progress, |rows, row| {
        let (Some(user), Some(item)) = (rows.get(row, 0), rows.get(row, 1)) else { return };
        let favorites = &mut sources.favorites;
        favorites.user.push(user);
        favorites.item.push(item);
        favorites.at.push(seconds(rows.get(row, 2)));
    })?;
    each(connection, mapping, USER, &mut progress, |rows, row| {
        let Some(id) = rows.get(row, 0) else { return };
        sources.accounts.id.push(id);
        sources.accounts.since.push(seconds(rows.get(row, 1)));
    })?;
    Ok(sources)
}

fn each(
    connection: &Connection,
    mapping: &Mapping,
    source: usize,
    progress: &mut impl FnMut(&str, usize),
    mut take: impl FnMut(&Rows, usize),
) -> Outcome<()> {
    let Some(relation) = mapping.get(source) else { return Ok(()) };
    let mut count = 0;
    progress(&relation.name, count);
    connection.read_batches(&statement(source, relation), &[], |rows| {
        (0..rows.len()).for_each(|row| take(rows, row));
        count += rows.len();
        progress(&relation.name, count);
        Ok(())
    })
}

/// The columns of a source in the order of its roles, each as the type that `take` expects; NULL for what it lacks.
fn statement(source: usize, relation: &Relation) -> String {
    format!("SELECT {} FROM {}", select_list(source, relation), relation.quoted())
}

/// By role: ids as bigint, stars as real, times as seconds in double precision. Titles are read by themselves.
pub fn select_list(source: usize, relation: &Relation) -> String {
    use super::mapping::Kind;
    let kind = &SOURCES[source];
    let columns = kind.roles.iter().filter(|role| role.kind != Kind::Text).map(|role| {
        let column = relation.column(kind, role.name);
        match (role.kind, column) {
            (Kind::Id, Some(c)) => format!("{}::pg_catalog.int8", c.quoted()),
            (Kind::Id, None) => "NULL::pg_catalog.int8".into(),
            (Kind::Stars, Some(c)) => format!("{}::pg_catalog.float4", c.quoted()),
            (Kind::Time, Some(c)) => c.as_seconds(),
            (_, None) | (Kind::Text, _) => "NULL::pg_catalog.float8".into(),
        }
    });
    columns.collect::<Vec<_>>().join(", ")
}

/// Seconds since 1970; infinite and absent times are none.
pub fn seconds(value: Option<f64>) -> i64 {
    value.filter(|v| v.is_finite()).map_or(NONE, |v| v.round() as i64)
}

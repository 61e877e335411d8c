//! What the tables say of one user and of a few items now, in the caller's snapshot and with the caller's rights.

use std::collections::HashMap;

use reco_models::{Favorites, ItemInfo, NONE, Ratings};

use super::bulk::{seconds, select_list};
use super::mapping::{FAVORITE, ITEM, Mapping, RATING, SOURCES, USER};
use crate::failure::Outcome;
use crate::pg::spi::{Connection, Rows, arg};

/// A user's reviews and favourites.
pub fn interactions(connection: &Connection, mapping: &Mapping, user: i64) -> Outcome<(Ratings, Favorites)> {
    Ok((ratings(connection, mapping, user)?, favorites(connection, mapping, user)?))
}

pub fn ratings(connection: &Connection, mapping: &Mapping, user: i64) -> Outcome<Ratings> {
    let mut ratings = Ratings::default();
    if let Some(rows) = by_key(connection, mapping, RATING, "user", user)? {
        for row in 0..rows.len() {
            let (Some(item), Some(stars)) = (rows.get(row, 1), rows.get(row, 2)) else { continue };
            ratings.user.push(user);
            ratings.item.push(item);
            ratings.stars.push(stars);
            ratings.at.push(seconds(rows.get(row, 3)));
        }
    }
    Ok(ratings)
}

fn favorites(connection: &Connection, mapping: &Mapping, user: i64) -> Outcome<Favorites> {
    let mut favorites = Favorites::default();
    if let Some(rows) = by_key(connection, mapping, FAVORITE, "user", user)? {
        for row in 0..rows.len() {
            let Some(item) = rows.get(row, 1) else { continue };
            favorites.user.push(user);
            favorites.item.push(item);
            favorites.at.push(seconds(rows.get(row, 2)));
        }
    }
    Ok(favorites)
}

/// When a user registered, or [`NONE`].
pub fn since(connection: &Connection, mapping: &Mapping, user: i64) -> Outcome<i64> {
    let rows = by_key(connection, mapping, USER, "id", user)?;
    Ok(rows.filter(|rows| rows.len() > 0).map_or(NONE, |rows| seconds(rows.get(0, 1))))
}

fn by_key(connection: &Connection, mapping: &Mapping, source: usize, role: &str, key: i64) -> Outcome<Option<Rows>> {
    let Some(relation) = mapping.get(source) else { return Ok(None) };
    let Some(column) = relation.column(&SOURCES[source], role) else { return Ok(None) };
    let sql = format!(
        "SELECT {} FROM {} WHERE {} OPERATOR(pg_catalog.=) $1",
        select_list(source, relation),
        relation.quoted(),
        column.quoted()
    );
    connection.read(&sql, &[arg(key)]).map(Some)
}

/// The catalogue rows of the given items that exist, by ascending id.
pub fn items(connection: &Connection, mapping: &Mapping, ids: Vec<i64>) -> Outcome<Vec<(i64, ItemInfo)>> {
    let Some(relation) = mapping.get(ITEM) else { return Ok(Vec::new()) };
    let Some(column) = relation.column(&SOURCES[ITEM], "id") else { return Ok(Vec::new()) };
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let sql = format!(
        "SELECT {} FROM {} WHERE {} OPERATOR(pg_catalog.=) ANY ($1)",
        select_list(ITEM, relation),
        relation.quoted(),
        column.quoted()
    );
    let mut found = infos(&connection.read(&sql, &[arg(ids)])?);
    found.sort_unstable_by_key(|(id, _)| *id);
    found.dedup_by_key(|(id, _)| *id);
    Ok(found)
}

fn infos(rows: &Rows) -> Vec<(i64, ItemInfo)> {
    let info = |row| ItemInfo {
        category: rows.get(row, 1).unwrap_or(NONE),
        author: rows.get(row, 2).unwrap_or(NONE),
        published: seconds(rows.get(row, 3)),
    };
    (0..rows.len()).filter_map(|row| rows.get(row, 0).map(|id| (id, info(row)))).collect()
}

/// The catalogue rows with ids from `least` on, at most `most` of them, the highest ids first.
pub fn newest(connection: &Connection, mapping: &Mapping, least: i64, most: i64) -> Outcome<Vec<(i64, ItemInfo)>> {
    let Some(relation) = mapping.get(ITEM) else { return Ok(Vec::new()) };
    let Some(id) = relation.column(&SOURCES[ITEM], "id") else { return Ok(Vec::new()) };
    let sql = format!(
        "SELECT {} FROM {} WHERE {id} OPERATOR(pg_catalog.>=) $1 ORDER BY {id} DESC LIMIT $2",
        select_list(ITEM, relation),
        relation.quoted(),
        id = id.quoted()
    );
    Ok(infos(&connection.read(&sql, &[arg(least), arg(most)])?))
}

/// The catalogue rows with one of the given categories or authors (`role`), at most `most` of them, the highest ids
/// first; None where the catalogue has no such column.
pub fn grouped(
    connection: &Connection,
    mapping: &Mapping,
    role: &str,
    keys: Vec<i64>,
    most: i64,
) -> Outcome<Option<Vec<(i64, ItemInfo)>>> {
    let Some(relation) = mapping.get(ITEM) else { return Ok(None) };
    let columns = relation.column(&SOURCES[ITEM], "id").zip(relation.column(&SOURCES[ITEM], role));
    let Some((id, column)) = columns else { return Ok(None) };
    // Not ordered where all are wanted: that would be a sort of the category, or a walk through the whole primary key.
    let order = if most == i64::MAX { String::new() } else { format!(" ORDER BY {} DESC LIMIT $2", id.quoted()) };
    let sql = format!(
        "SELECT {} FROM {} WHERE {} OPERATOR(pg_catalog.=) ANY ($1){order}",
        select_list(ITEM, relation),
        relation.quoted(),
        column.quoted()
    );
    let args = if order.is_empty() { vec![arg(keys)] } else { vec![arg(keys), arg(most)] };
    Ok(Some(infos(&connection.read(&sql, &args)?)))
}

/// The titles of the given items, as far as the catalogue has them.
pub fn titles(connection: &Connection, mapping: &Mapping, ids: Vec<i64>) -> Outcome<HashMap<i64, String>> {
    let Some(relation) = mapping.get(ITEM) else { return Ok(HashMap::new()) };
    let columns = relation.column(&SOURCES[ITEM], "id").zip(relation.column(&SOURCES[ITEM], "title"));
    let Some((id, title)) = columns.filter(|_| !ids.is_empty()) else { return Ok(HashMap::new()) };
    let sql = format!(
        "SELECT {}::pg_catalog.int8, {}::pg_catalog.text FROM {} WHERE {} OPERATOR(pg_catalog.=) ANY ($1)",
        id.quoted(),
        title.quoted(),
        relation.quoted(),
        id.quoted()
    );
    let rows = connection.read(&sql, &[arg(ids)])?;
    Ok((0..rows.len()).filter_map(|row| Some((rows.get(row, 0)?, rows.get(row, 1)?))).collect())
}

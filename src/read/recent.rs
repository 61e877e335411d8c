//! Reviews and favourites since a moment.

use super::mapping::{FAVORITE, Mapping, RATING, SOURCES};
use crate::failure::Outcome;
use crate::pg::spi::{Connection, arg};

/// One review or favourite.
pub struct Event {
    pub user: i64,
    pub item: i64,
    /// None of a favourite.
    pub stars: Option<f32>,
}

/// Those from `since` (seconds since 1970) on, some of them where there are more than `most`. None where no source has a
/// time, or where the caller may not read one.
pub fn events(connection: &Connection, mapping: &Mapping, since: f64, most: i64) -> Outcome<Option<Vec<Event>>> {
    let mut parts = Vec::new();
    for source in [RATING, FAVORITE] {
        let Some(relation) = mapping.get(source) else { continue };
        let allowed = connection
            .read("SELECT pg_catalog.has_table_privilege($1::pg_catalog.oid, 'SELECT')", &[arg(relation.oid)])?;
        if allowed.get(0, 0) != Some(true) {
            return Ok(None);
        }
        let column = |role| relation.column(&SOURCES[source], role);
        let (Some(user), Some(item), Some(at)) = (column("user"), column("item"), column("at")) else { continue };
        let stars = column("stars").map_or("NULL".into(), |stars| stars.quoted());
        parts.push(format!(
            "SELECT {}::pg_catalog.int8, {}::pg_catalog.int8, {stars}::pg_catalog.float4 FROM {} WHERE {}",
            user.quoted(),
            item.quoted(),
            relation.quoted(),
            at.since("$1")
        ));
    }
    if parts.is_empty() {
        return Ok(None);
    }
    let mut events = Vec::new();
    let sql = format!("{} LIMIT $2", parts.join(" UNION ALL "));
    connection.read_batches(&sql, &[arg(since), arg(most)], |rows| {
        let event = |row| Some(Event { user: rows.get(row, 0)?, item: rows.get(row, 1)?, stars: rows.get(row, 2) });
        events.extend((0..rows.len()).filter_map(event));
        Ok(())
    })?;
    Ok(Some(events))
}

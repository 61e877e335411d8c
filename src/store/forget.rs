//! Removing a user from all stored models.

use crate::failure::Outcome;
use crate::pg::owner::as_owner;
use crate::pg::spi::{Connection, arg};
use crate::store::subscriber::subscribed;
use crate::store::{lock, trainer};

/// Every place of the schema `reco` that has the id of a user. The bytes of a model, in `reco.model_blob` and in its file,
/// know items only, so they, their checksums and the content hash stay. Each with its table.
const PLACES: [(&str, &str); 9] = [
    ("shadow", "DELETE FROM reco.shadow WHERE user_id OPERATOR(pg_catalog.=) $1 RETURNING 1"),
    ("user_factor", "DELETE FROM reco.user_factor WHERE user_id OPERATOR(pg_catalog.=) $1 RETURNING 1"),
    ("user_feature", "DELETE FROM reco.user_feature WHERE user_id OPERATOR(pg_catalog.=) $1 RETURNING 1"),
    ("impression", "DELETE FROM reco.impression WHERE user_id OPERATOR(pg_catalog.=) $1 RETURNING 1"),
    ("feedback", "DELETE FROM reco.feedback WHERE user_id OPERATOR(pg_catalog.=) $1 RETURNING 1"),
    ("dismissal", "DELETE FROM reco.dismissal WHERE user_id OPERATOR(pg_catalog.=) $1 RETURNING 1"),
    // Not where the same text is the key of an item, a category or an author too.
    ("key", "DELETE FROM reco.key k WHERE k.id OPERATOR(pg_catalog.=) $1 AND NOT EXISTS (
         SELECT FROM reco.item_feature f WHERE f.model_version OPERATOR(pg_catalog.=) k.model_version
           AND (f.item_id OPERATOR(pg_catalog.=) $1
                OR f.category OPERATOR(pg_catalog.=) $1 OR $1 OPERATOR(pg_catalog.=) ANY (f.more_categories)
                OR f.author OPERATOR(pg_catalog.=) $1 OR $1 OPERATOR(pg_catalog.=) ANY (f.more_authors)))
     RETURNING 1"),
    // The example of a review that was skipped.
    ("model", "UPDATE reco.model SET skipped = skipped OPERATOR(pg_catalog.-) 'example'::pg_catalog.text
     WHERE (skipped OPERATOR(pg_catalog.->) 'example'::pg_catalog.text OPERATOR(pg_catalog.->>) 'user'::pg_catalog.text)
         OPERATOR(pg_catalog.=) $1::pg_catalog.text
     RETURNING 1"),
    // The same example, where such reviews stopped a training. `\M`: 7 is not in 77.
    ("run", "UPDATE reco.run SET error = pg_catalog.regexp_replace(error, pg_catalog.concat(' user ', $1, '\\M'), ' a user', 'g')
     WHERE error OPERATOR(pg_catalog.~) pg_catalog.concat(' user ', $1, '\\M')
     RETURNING 1"),
];

/// How much was removed, and whether something is left that only the publisher can remove.
pub struct Forgotten {
    pub rows: i64,
    pub is_published: bool,
}

/// Removes a user from every version and from what was shown. On a subscriber only from what it wrote itself, as the pages
/// that it logs: the publisher's deletion arrives.
///
/// # Errors
/// 55P03 where somebody trains.
pub fn forget(connection: &Connection, user: i64) -> Outcome<Forgotten> {
    let published = subscribed(connection)?;
    if !published.iter().any(|table| table == "model") {
        trainer::keep_trainings_away(connection)?;
        lock(connection)?;
    }
    as_owner(|| {
        let mut rows = 0;
        for (_, sql) in PLACES.iter().filter(|(table, _)| !published.iter().any(|of| of == table)) {
            rows += connection.write(sql, &[arg(user)])?.len() as i64;
        }
        let left = "SELECT 1 FROM reco.user_factor WHERE user_id OPERATOR(pg_catalog.=) $1
                    UNION ALL SELECT 1 FROM reco.user_feature WHERE user_id OPERATOR(pg_catalog.=) $1 LIMIT 1";
        let is_published = !published.is_empty() && !connection.write(left, &[arg(user)])?.is_empty();
        Ok(Forgotten { rows, is_published })
    })
}

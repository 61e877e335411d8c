//! Clicks on what was shown, for a training.

use reco_models::{Clicks, Size, more_room};

use crate::failure::Outcome;
use crate::pg::memory::scoped;
use crate::pg::owner::as_owner;
use crate::pg::spi::{Connection, arg};
use crate::pg::subtransaction::without_locks;
use crate::settings;

/// Rows of one look at the cursor.
const BATCH: i64 = 10_000;

/// All that are kept, of the name that `reco.model` sets. `check` is told what was read so far, and can refuse to read on.
pub fn clicks(
    connection: &Connection,
    size: &mut Size,
    mut check: impl FnMut(&Size, usize) -> Outcome<()>,
) -> Outcome<Clicks> {
    let sql = "SELECT f.user_id, f.item_id, pg_catalog.date_part('epoch'::pg_catalog.text, f.at), i.propensity
        FROM reco.feedback f
        JOIN reco.impression i ON i.slot OPERATOR(pg_catalog.=) f.slot
            AND i.request_id OPERATOR(pg_catalog.=) f.request_id AND i.item_id OPERATOR(pg_catalog.=) f.item_id
        WHERE f.event OPERATOR(pg_catalog.=) 'click'::pg_catalog.text AND f.model_name OPERATOR(pg_catalog.=) $1";
    let mut clicks = Clicks::default();
    // Without locks, so that weeks can expire while a session trains.
    as_owner(|| {
        without_locks(|| {
            connection.read_batches(sql, &[arg(settings::model_name())], BATCH, |rows| {
                let Clicks { user, item, at, propensity } = &mut clicks;
                [&mut *user, &mut *item, &mut *at].into_iter().try_for_each(|column| more_room(column, rows.len()))?;
                more_room(propensity, rows.len())?;
                scoped(|| {
                    for mut row in rows.iter() {
                        let (of, on): (Option<i64>, Option<i64>) = (row.take()?, row.take()?);
                        let (seconds, probable): (Option<f64>, Option<f32>) = (row.take()?, row.take()?);
                        let (Some(of), Some(on), Some(seconds)) = (of, on, seconds) else { continue };
                        user.push(of);
                        item.push(on);
                        at.push(seconds.floor() as i64);
                        propensity.push(probable.unwrap_or(1.0));
                        size.click();
                    }
                    Outcome::Ok(())
                })?;
                check(size, clicks.user.len())
            })
        })
    })?;
    Ok(clicks)
}

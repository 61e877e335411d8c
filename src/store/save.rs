//! Writing a trained model: its bytes, its metrics, the feature store and the registry row.

use reco_models::Trained;
use serde_json::Value;

use crate::failure::Outcome;
use crate::pg::keys::Keys;
use crate::pg::memory::scoped;
use crate::pg::owner::as_owner;
use crate::pg::session::pause;
use crate::pg::spi::{Connection, arg};
use crate::settings;
use crate::store::{ModelKey, features, registry};

/// Bytes per row of reco.model_blob: a datum is at most 1 GB, and a chunk is copied a few times on its way.
const CHUNK: usize = 4 << 20;

/// What of a run is stored besides the models themselves.
pub struct Saved<'a> {
    pub trained: &'a Trained,
    /// Where ids stand for keys.
    pub keys: Keys,
    pub options: Value,
    /// The relation that each source is.
    pub sources: Value,
    /// What of them was skipped; null: nothing.
    pub skipped: Value,
    /// The caller, who is not the owner that writes.
    pub created_by: String,
}

/// What was written of a model before its registry row.
pub struct Stored {
    pub key: ModelKey,
    /// Of the served model.
    bytes: i64,
    /// When the writing began, in seconds since 1970.
    at: f64,
}

/// Writes everything but the registry row in the caller's transaction, and activates the model if it was promoted;
/// `progress` gets the share that is done. The caller has locked the registry.
pub fn save(connection: &Connection, saved: &Saved<'_>, mut progress: impl FnMut(f32)) -> Outcome<Stored> {
    as_owner(|| {
        let (version, at) = next_version(connection)?;
        progress(0.0);
        let served = reco_models::encode(&saved.trained.model)?;
        write_blob(connection, version, "served", &served)?;
        write_blob(connection, version, "twin", &reco_models::encode(&saved.trained.twin)?)?;
        progress(0.1);
        write_metrics(connection, version, saved.trained)?;
        features::write_items(connection, version, &saved.trained.model, |share| progress(0.1 + 0.5 * share))?;
        features::write_users(connection, version, saved.trained, |share| progress(0.6 + 0.4 * share))?;
        features::write_keys(connection, version, &saved.keys)?;
        if saved.trained.decision.promoted {
            registry::push(connection, &settings::model_name(), version, &saved.created_by)?;
        }
        retire(connection)?;
        let key = ModelKey { version, hash: reco_models::hash(&served) };
        Ok(Stored { key, bytes: served.len() as i64, at })
    })
}

/// Writes the registry row, last of all because it says how long everything took: `seconds` in all, and by phase.
pub fn register(
    connection: &Connection,
    saved: &Saved<'_>,
    stored: &Stored,
    seconds: f64,
    phases: Value,
) -> Outcome<()> {
    as_owner(|| write_model(connection, saved, stored, seconds, phases))
}

/// A version that no other model has or had, and the time.
fn next_version(connection: &Connection) -> Outcome<(i64, f64)> {
    let version = registry::next_id(connection, "model_version_seq", "version", "model")?;
    let at = connection.write("SELECT pg_catalog.date_part('epoch', pg_catalog.clock_timestamp())", &[])?.single()?;
    Ok((version, at.unwrap_or_default()))
}

fn write_blob(connection: &Connection, version: i64, kind: &str, bytes: &[u8]) -> Outcome<()> {
    for (number, chunk) in bytes.chunks(CHUNK).enumerate() {
        pause();
        scoped(|| {
            connection.write(
                "INSERT INTO reco.model_blob (version, kind, chunk, data) VALUES ($1, $2, $3, $4)",
                &[arg(version), arg(kind.to_owned()), arg(number as i32), arg(chunk.to_vec())],
            )
        })?;
    }
    Ok(())
}

fn write_model(
    connection: &Connection,
    saved: &Saved<'_>,
    stored: &Stored,
    seconds: f64,
    phases: Value,
) -> Outcome<()> {
    let Saved { trained, options, sources, skipped, created_by, .. } = saved;
    let ensemble = trained.evaluation.ensemble();
    let data = &trained.data;
    connection.write(
        "INSERT INTO reco.model (version, created_at, created_by, promoted, reason, options, sources, choice, weights, users, items,
             interactions, precision_at_10, ndcg_at_10, map_at_10, previous_ndcg_at_10, seconds, phases, content_hash, bytes, skipped, name)
         VALUES ($1, pg_catalog.to_timestamp($2), $3::pg_catalog.name, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15,
             $16, $17, $18, $19, $20, $21, $22)",
        &[
            arg(stored.key.version),
            arg(stored.at),
            arg(created_by.clone()),
            arg(trained.decision.promoted),
            arg(trained.decision.reason.clone()),
            arg(pgrx::JsonB(options.clone())),
            arg(pgrx::JsonB(sources.clone())),
            arg(pgrx::JsonB(trained.choice.report())),
            arg(trained.model.weights().parts().to_vec()),
            arg(data.users.len() as i64),
            arg(data.items.len() as i64),
            arg(data.events.len() as i64),
            arg(ensemble.precision as f32),
            arg(ensemble.ndcg as f32),
            arg(ensemble.map as f32),
            arg(trained.decision.previous_ndcg.map(|v| v as f32)),
            arg(seconds as f32),
            arg(pgrx::JsonB(phases)),
            arg(stored.key.hash),
            arg(stored.bytes),
            arg((!skipped.is_null()).then(|| pgrx::JsonB(skipped.clone()))),
            arg(settings::model_name()),
        ],
    )?;
    Ok(())
}

fn write_metrics(connection: &Connection, version: i64, trained: &Trained) -> Outcome<()> {
    for (system, summary) in trained.evaluation.summaries() {
        let mean = &summary.mean;
        let figures = [
            mean.precision,
            mean.recall,
            mean.ndcg,
            summary.ndcg_low,
            summary.ndcg_high,
            mean.map,
            mean.mrr,
            mean.hit_rate,
        ];
        let mut args = vec![arg(version), arg(system.name().to_owned()), arg(summary.users as i32)];
        args.extend(figures.map(|v| arg(v as f32)));
        connection.write(
            "INSERT INTO reco.metric (model_version, part, k, users, precision, recall, ndcg, ndcg_low, ndcg_high, map, mrr, hit_rate)
             VALUES ($1, $2, 10, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
            &args,
        )?;
    }
    Ok(())
}

/// Deletes what of the name is neither among the newest models, nor active, nor what a roll-back would lead to, nor a variant of
/// an experiment that runs. The model that is
/// being written counts as the newest, though its registry row comes later. It deletes rows; dropping or truncating
/// would cancel scoring on standbys.
fn retire(connection: &Connection) -> Outcome<()> {
    let old = connection.write(
        "SELECT version FROM reco.model
         WHERE name OPERATOR(pg_catalog.=) $2
           AND version OPERATOR(pg_catalog.<>) ALL (ARRAY(
               SELECT version FROM reco.model WHERE name OPERATOR(pg_catalog.=) $2 ORDER BY version DESC LIMIT $1))
           AND version OPERATOR(pg_catalog.<>) ALL (ARRAY(
               SELECT version FROM reco.activation
               WHERE model_name OPERATOR(pg_catalog.=) $2 AND rolled_back_at IS NULL ORDER BY id DESC LIMIT 2))
           AND version::pg_catalog.numeric OPERATOR(pg_catalog.<>) ALL (ARRAY(
               SELECT (v.value OPERATOR(pg_catalog.->>) 'model'::pg_catalog.text)::pg_catalog.numeric
               FROM reco.experiment e, pg_catalog.jsonb_array_elements(e.variants) v
               WHERE e.stopped_at IS NULL AND v.value OPERATOR(pg_catalog.?) 'model'::pg_catalog.text))",
        &[arg(settings::keep_models() - 1), arg(settings::model_name())],
    )?;
    for mut row in old.iter() {
        if let Some(version) = row.take()? {
            registry::delete(connection, version)?;
        }
    }
    Ok(())
}

//! Writing a trained model: the registry row, its bytes, its metrics, and the tables that analysts query.

use reco_models::{Model, NONE, Trained, fingerprint, summarise};
use serde_json::{Value, json};

use crate::failure::Outcome;
use crate::pg::memory::scoped;
use crate::pg::owner::as_owner;
use crate::pg::session::pause;
use crate::pg::spi::{Arg, Connection, arg};
use crate::settings;
use crate::store::ModelKey;

/// Rows per statement.
const BATCH: usize = 1024;
/// Bytes per row of reco.model_blob: a datum is at most 1 GB, and a chunk is copied a few times on its way.
const CHUNK: usize = 4 << 20;

/// What of a run is stored besides the models themselves.
pub struct Saved<'a> {
    pub trained: &'a Trained,
    pub options: Value,
    /// The caller, who is not the owner that writes.
    pub created_by: String,
}

/// Writes everything in the caller's transaction and gives the new version and the hash of its content; `progress` gets
/// the share that is done.
pub fn save(connection: &Connection, saved: &Saved<'_>, mut progress: impl FnMut(f32)) -> Outcome<ModelKey> {
    as_owner(|| {
        let version: i64 = connection
            .write("SELECT pg_catalog.nextval('reco.model_version_seq'::pg_catalog.regclass)", &[])?
            .single()?
            .unwrap_or_default();
        progress(0.0);
        let served = reco_models::encode(&saved.trained.model)?;
        write_blob(connection, version, "served", &served)?;
        write_blob(connection, version, "twin", &reco_models::encode(&saved.trained.twin)?)?;
        progress(0.1);
        write_model(connection, version, saved, &served)?;
        write_metrics(connection, version, saved.trained)?;
        write_items(connection, version, &saved.trained.model, |share| progress(0.1 + 0.5 * share))?;
        write_users(connection, version, saved.trained, |share| progress(0.6 + 0.4 * share))?;
        if saved.trained.decision.promoted {
            super::registry::push(connection, version, &saved.created_by)?;
        }
        retire(connection)?;
        Ok(ModelKey { version, hash: reco_models::hash(&served) })
    })
}

/// Adds how long it all took, storing included.
pub fn finish(connection: &Connection, version: i64, seconds: f64, phases: Value) -> Outcome<()> {
    as_owner(|| {
        connection.write(
            "UPDATE reco.model SET seconds = $2, phases = $3 WHERE version OPERATOR(pg_catalog.=) $1",
            &[arg(version), arg(seconds as f32), arg(pgrx::JsonB(phases))],
        )
    })?;
    Ok(())
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

fn write_model(connection: &Connection, version: i64, saved: &Saved<'_>, served: &[u8]) -> Outcome<()> {
    let Saved { trained, options, created_by } = saved;
    let choice = &trained.choice;
    let (recipe, tried) = (&choice.recipe, &choice.evidence);
    let als = tried
        .als
        .iter()
        .map(|(r, a, n)| json!({"regularization": short(*r), "alpha0": short(*a), "ndcg_at_10": short(*n as f32)}));
    let neighbours = tried.neighbours.iter().map(|(r, n)| json!({"ridge": short(*r), "ndcg_at_10": short(*n as f32)}));
    let shares =
        tried.shares.iter().map(|(s, n)| json!({"neighbour_share": short(*s), "ndcg_at_10": short(*n as f32)}));
    let evidence = json!({
        "split": choice.split.name(),
        "min_interactions": choice.min_interactions,
        "regularization": short(recipe.als.regularization),
        "alpha0": short(recipe.als.alpha0),
        "ridge": short(recipe.neighbours.ridge),
        "neighbour_share": short(recipe.blend.share),
        "learned_weights": choice.learned_weights.parts().map(short),
        "trees": choice.trees,
        "ratings": choice.ratings.map(|r| json!({
            "factors": r.factors,
            "held_out": r.held_out,
            "rmse": short(r.rmse as f32),
            "baseline_rmse": short(r.baseline_rmse as f32),
        })),
        "tried": {
            "als": als.collect::<Vec<Value>>(),
            "als_share_of_users": short(tried.als_sample as f32),
            "neighbours": neighbours.collect::<Vec<Value>>(),
            "blend": shares.collect::<Vec<Value>>(),
        },
    });
    let ensemble = trained.summary("ensemble").mean;
    let data = &trained.data;
    connection.write(
        "INSERT INTO reco.model (version, created_at, created_by, promoted, reason, options, choice, weights, users, items,
             interactions, precision_at_10, ndcg_at_10, map_at_10, previous_ndcg_at_10, seconds, phases, content_hash, bytes)
         VALUES ($1, pg_catalog.clock_timestamp(), $2::pg_catalog.name, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14,
             $15, $16, $17, $18)",
        &[
            arg(version),
            arg(created_by.clone()),
            arg(trained.decision.promoted),
            arg(trained.decision.reason.clone()),
            arg(pgrx::JsonB(options.clone())),
            arg(pgrx::JsonB(evidence)),
            arg(trained.model.weights().parts().to_vec()),
            arg(data.users.len() as i64),
            arg(data.items.len() as i64),
            arg(data.events.len() as i64),
            arg(ensemble.precision as f32),
            arg(ensemble.ndcg as f32),
            arg(ensemble.map as f32),
            arg(trained.decision.previous_ndcg.map(|v| v as f32)),
            arg(0.0f32),
            arg(pgrx::JsonB(json!({}))),
            arg(reco_models::hash(served)),
            arg(served.len() as i64),
        ],
    )?;
    Ok(())
}

/// As many digits as an f32 has, so that 0.1 is shown as 0.1.
fn short(value: f32) -> f64 {
    value.to_string().parse().unwrap_or_default()
}

fn write_metrics(connection: &Connection, version: i64, trained: &Trained) -> Outcome<()> {
    for (part, summary) in &trained.evaluation {
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
        let mut args = vec![arg(version), arg((*part).to_owned()), arg(summary.users as i32)];
        args.extend(figures.map(|v| arg(v as f32)));
        connection.write(
            "INSERT INTO reco.metric (model_version, part, k, users, precision, recall, ndcg, ndcg_low, ndcg_high, map, mrr, hit_rate)
             VALUES ($1, $2, 10, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
            &args,
        )?;
    }
    Ok(())
}

/// `factor` of row i of a batch is its slice of one flat array: arrays of arrays would have to be rectangular and typed.
fn write_factors(
    connection: &Connection,
    (table, key): (&str, &str),
    version: i64,
    ids: Vec<i64>,
    fingerprints: Option<Vec<i64>>,
    flat: Vec<f32>,
) -> Outcome<()> {
    if ids.is_empty() {
        return Ok(());
    }
    let count = ids.len() as i32;
    let width = (flat.len() / ids.len()) as i32;
    let mut args: Vec<Arg> = vec![arg(version), arg(ids), arg(flat), arg(width), arg(count)];
    let (column, value) = match fingerprints {
        Some(values) => {
            args.push(arg(values));
            (", fingerprint", ", $6[i]")
        }
        None => ("", ""),
    };
    let sql = format!(
        "INSERT INTO reco.{table} (model_version, {key}, factor{column})
         SELECT $1, $2[i], $3[(i OPERATOR(pg_catalog.-) 1) OPERATOR(pg_catalog.*) $4 OPERATOR(pg_catalog.+) 1
                             : i OPERATOR(pg_catalog.*) $4]{value}
         FROM pg_catalog.generate_series(1, $5) i"
    );
    connection.write(&sql, &args).map(|_| ())
}

fn write_items(connection: &Connection, version: i64, model: &Model, mut progress: impl FnMut(f32)) -> Outcome<()> {
    let n = model.items().len();
    for from in (0..n).step_by(BATCH) {
        pause();
        let range = from..(from + BATCH).min(n);
        scoped(|| {
            write_item_factors(connection, version, model, range.clone())?;
            write_item_features(connection, version, model, range.clone())
        })?;
        progress(range.end as f32 / n as f32);
    }
    Ok(())
}

fn write_item_features(
    connection: &Connection,
    version: i64,
    model: &Model,
    range: std::ops::Range<usize>,
) -> Outcome<()> {
    let items = model.items();
    let optional = |column: &[i64]| -> Vec<Option<i64>> {
        column[range.clone()].iter().map(|v| (*v != NONE).then_some(*v)).collect()
    };
    let counts = |column: &[u32]| -> Vec<i32> { column[range.clone()].iter().map(|v| *v as i32).collect() };
    let mean_stars: Vec<Option<f32>> =
        range.clone().map(|i| (items.ratings[i] > 0).then(|| items.stars_sum[i] / items.ratings[i] as f32)).collect();
    connection.write(
            "INSERT INTO reco.item_feature (model_version, item_id, category, author, published_at, ratings, mean_stars,
                 favorites, positives, latest_at, popularity)
             SELECT $1, id, category, author, pg_catalog.to_timestamp(published), ratings, mean_stars, favorites, positives,
                    pg_catalog.to_timestamp(latest), popularity
             FROM ROWS FROM (pg_catalog.unnest($2), pg_catalog.unnest($3), pg_catalog.unnest($4), pg_catalog.unnest($5),
                 pg_catalog.unnest($6), pg_catalog.unnest($7), pg_catalog.unnest($8), pg_catalog.unnest($9),
                 pg_catalog.unnest($10), pg_catalog.unnest($11))
                 AS t(id, category, author, published, ratings, mean_stars, favorites, positives, latest, popularity)",
            &[
                arg(version),
                arg(items.id[range.clone()].to_vec()),
                arg(optional(&items.category)),
                arg(optional(&items.author)),
                arg(times(&items.published[range.clone()])),
                arg(counts(&items.ratings)),
                arg(mean_stars),
                arg(counts(&items.favorites)),
                arg(counts(&items.positives)),
                arg(times(&items.latest[range.clone()])),
                arg(model.raw_popularity()[range.clone()].to_vec()),
            ],
        )?;
    Ok(())
}

/// An item that nobody likes has no vector, and no row.
fn write_item_factors(
    connection: &Connection,
    version: i64,
    model: &Model,
    range: std::ops::Range<usize>,
) -> Outcome<()> {
    let factor = |i: usize| model.collaborative_part().factors(i..i + 1);
    let with_vector: Vec<usize> = range.filter(|i| factor(*i).iter().any(|v| *v != 0.0)).collect();
    let ids = with_vector.iter().map(|i| model.items().id[*i]).collect();
    let flat = with_vector.iter().flat_map(|i| factor(*i).iter().copied()).collect();
    write_factors(connection, ("item_factor", "item_id"), version, ids, None, flat)
}

/// What `to_timestamp` can take: PostgreSQL's range ends before that of 64 bits of seconds.
fn times(column: &[i64]) -> Vec<Option<f64>> {
    const YEARS_4713BC_TO_294276: std::ops::Range<i64> = -210_866_803_200..9_224_318_016_000;
    column.iter().map(|v| YEARS_4713BC_TO_294276.contains(v).then_some(*v as f64)).collect()
}

fn write_users(connection: &Connection, version: i64, trained: &Trained, mut progress: impl FnMut(f32)) -> Outcome<()> {
    let data = &trained.data;
    let n = data.users.len();
    for from in (0..n).step_by(BATCH) {
        pause();
        let range = from..(from + BATCH).min(n);
        // A user without a liked item has no vector.
        let with_vector: Vec<usize> =
            range.clone().filter(|u| trained.user_factors.row(*u).iter().any(|v| *v != 0.0)).collect();
        let ids = with_vector.iter().map(|u| data.users[*u]).collect();
        let prints = with_vector.iter().map(|u| fingerprint(data.events.row(*u), |i| data.items[i as usize])).collect();
        let flat = with_vector.iter().flat_map(|u| trained.user_factors.row(*u).to_vec()).collect();
        scoped(|| {
            write_factors(connection, ("user_factor", "user_id"), version, ids, Some(prints), flat)?;
            write_user_features(connection, version, trained, range.clone())
        })?;
        progress(range.end as f32 / n as f32);
    }
    Ok(())
}

/// Lists of unequal length as one flat list with 1-based bounds, to be sliced in SQL.
#[derive(Default)]
struct Lists {
    ids: Vec<i64>,
    weights: Vec<f32>,
    first: Vec<i32>,
    last: Vec<i32>,
}

impl Lists {
    fn push(&mut self, list: Vec<(i64, f32)>) {
        self.first.push(self.ids.len() as i32 + 1);
        for (id, weight) in list {
            self.ids.push(id);
            self.weights.push(weight);
        }
        self.last.push(self.ids.len() as i32);
    }

    fn into_args(self) -> [Arg; 4] {
        [arg(self.ids), arg(self.weights), arg(self.first), arg(self.last)]
    }
}

fn write_user_features(
    connection: &Connection,
    version: i64,
    trained: &Trained,
    range: std::ops::Range<usize>,
) -> Outcome<()> {
    let data = &trained.data;
    let model = &trained.model;
    let (mut ratings, mut favorites, mut positives, mut mean_stars) = (vec![], vec![], vec![], vec![]);
    let (mut categories, mut authors) = (Lists::default(), Lists::default());
    for user in range.clone() {
        let summary = summarise(data.events.row(user), model.items(), model.feedback());
        ratings.push(summary.ratings as i32);
        favorites.push(summary.favorites as i32);
        positives.push(summary.positives as i32);
        mean_stars.push((summary.ratings > 0).then_some(summary.mean_stars));
        categories.push(summary.categories);
        authors.push(summary.authors);
    }
    let mut args = vec![
        arg(version),
        arg(range.len() as i32),
        arg(data.users[range.clone()].to_vec()),
        arg(ratings),
        arg(favorites),
        arg(positives),
        arg(mean_stars),
        arg(times(&data.since[range])),
    ];
    args.extend(categories.into_args());
    args.extend(authors.into_args());
    connection.write(
        "INSERT INTO reco.user_feature (model_version, user_id, ratings, favorites, positives, mean_stars, registered_at,
             top_categories, category_weights, top_authors, author_weights)
         SELECT $1, $3[i], $4[i], $5[i], $6[i], $7[i], pg_catalog.to_timestamp($8[i]),
                $9[$11[i] : $12[i]], $10[$11[i] : $12[i]], $13[$15[i] : $16[i]], $14[$15[i] : $16[i]]
         FROM pg_catalog.generate_series(1, $2) i",
        &args,
    )?;
    Ok(())
}

/// Deletes what is neither among the newest models, nor active, nor what a roll-back would lead to.
/// It deletes rows; dropping or truncating would cancel scoring on standbys.
fn retire(connection: &Connection) -> Outcome<()> {
    let old = connection.write(
        "SELECT version FROM reco.model
         WHERE version OPERATOR(pg_catalog.<>) ALL (ARRAY(SELECT version FROM reco.model ORDER BY version DESC LIMIT $1))
           AND version OPERATOR(pg_catalog.<>) ALL (ARRAY(
               SELECT version FROM reco.activation WHERE rolled_back_at IS NULL ORDER BY id DESC LIMIT 2))",
        &[arg(settings::keep_models())],
    )?;
    for mut row in old.iter() {
        if let Some(version) = row.take()? {
            super::registry::delete(connection, version)?;
        }
    }
    Ok(())
}

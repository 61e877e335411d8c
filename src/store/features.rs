//! The feature store: factors and features of users and items as rows, for look-ups and analysts.

use std::ops::Range;

use reco_models::{Labels, Model, NONE, Trained, fingerprint, summarise};

use crate::failure::Outcome;
use crate::pg::keys::Keys;
use crate::pg::memory::scoped;
use crate::pg::session::pause;
use crate::pg::spi::{Arg, Connection, arg};

/// Rows per statement.
const BATCH: usize = 1024;

/// The factor of row i of a batch is a slice of one flat array, because a parameter cannot be an array of arrays.
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

/// Factors and features of the items; `progress` gets the share that is done.
pub fn write_items(connection: &Connection, version: i64, model: &Model, mut progress: impl FnMut(f32)) -> Outcome<()> {
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

fn write_item_features(connection: &Connection, version: i64, model: &Model, range: Range<usize>) -> Outcome<()> {
    let items = model.items();
    let optional = |column: &[i64]| -> Vec<Option<i64>> {
        column[range.clone()].iter().map(|v| (*v != NONE).then_some(*v)).collect()
    };
    let counts = |column: &[u32]| -> Vec<i32> { column[range.clone()].iter().map(|v| *v as i32).collect() };
    let mean_stars: Vec<Option<f32>> =
        range.clone().map(|i| (items.ratings[i] > 0).then(|| items.stars_sum[i] / items.ratings[i] as f32)).collect();
    let [[categories, categories_from, categories_to], [authors, authors_from, authors_to]] =
        [&items.category, &items.author].map(|keys| more_keys(keys, range.clone()));
    connection.write(
            "INSERT INTO reco.item_feature (model_version, item_id, category, author, published_at, ratings, mean_stars,
                 favorites, positives, latest_at, popularity, more_categories, more_authors)
             SELECT $1, id, category, author, pg_catalog.to_timestamp(published), ratings, mean_stars, favorites, positives,
                    pg_catalog.to_timestamp(latest), popularity, $12[categories_from : categories_to],
                    $15[authors_from : authors_to]
             FROM ROWS FROM (pg_catalog.unnest($2), pg_catalog.unnest($3), pg_catalog.unnest($4), pg_catalog.unnest($5),
                 pg_catalog.unnest($6), pg_catalog.unnest($7), pg_catalog.unnest($8), pg_catalog.unnest($9),
                 pg_catalog.unnest($10), pg_catalog.unnest($11), pg_catalog.unnest($13), pg_catalog.unnest($14),
                 pg_catalog.unnest($16), pg_catalog.unnest($17))
                 AS t(id, category, author, published, ratings, mean_stars, favorites, positives, latest, popularity,
                      categories_from, categories_to, authors_from, authors_to)",
            &[
                arg(version),
                arg(items.id[range.clone()].to_vec()),
                arg(optional(&items.category.first)),
                arg(optional(&items.author.first)),
                arg(times(&items.published[range.clone()])),
                arg(counts(&items.ratings)),
                arg(mean_stars),
                arg(counts(&items.favorites)),
                arg(counts(&items.positives)),
                arg(times(&items.latest[range.clone()])),
                arg(model.raw_popularity()[range.clone()].to_vec()),
                categories,
                categories_from,
                categories_to,
                authors,
                authors_from,
                authors_to,
            ],
        )?;
    Ok(())
}

/// The further keys of some items as one flat list, with the 1-based bounds of those of each item in it; NULL without any.
fn more_keys(keys: &Labels, items: Range<usize>) -> [Arg; 3] {
    let (mut flat, mut from, mut to) = (Vec::new(), Vec::new(), Vec::new());
    for more in items.map(|item| keys.more.of(item)) {
        from.push((!more.is_empty()).then_some(flat.len() as i32 + 1));
        flat.extend_from_slice(more);
        to.push((!more.is_empty()).then_some(flat.len() as i32));
    }
    [arg(flat), arg(from), arg(to)]
}

/// An item without a like has no vector, and no row.
fn write_item_factors(connection: &Connection, version: i64, model: &Model, range: Range<usize>) -> Outcome<()> {
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

/// Factors and features of the users, in the same manner.
pub fn write_users(
    connection: &Connection,
    version: i64,
    trained: &Trained,
    mut progress: impl FnMut(f32),
) -> Outcome<()> {
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

fn write_user_features(connection: &Connection, version: i64, trained: &Trained, range: Range<usize>) -> Outcome<()> {
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

/// The keys that ids of the model stand for.
pub fn write_keys(connection: &Connection, version: i64, keys: &Keys) -> Outcome<()> {
    // By id, so that the index is filled from end to end.
    let mut ids: Vec<i64> = keys.keys().copied().collect();
    ids.sort_unstable();
    for ids in ids.chunks(BATCH) {
        pause();
        let texts: Vec<String> = ids.iter().map(|id| keys[id].to_string()).collect();
        scoped(|| {
            connection.write(
                "INSERT INTO reco.key (model_version, id, key)
                 SELECT $1, id, key FROM ROWS FROM (pg_catalog.unnest($2), pg_catalog.unnest($3)) AS t(id, key)",
                &[arg(version), arg(ids.to_vec()), arg(texts)],
            )
        })?;
    }
    Ok(())
}

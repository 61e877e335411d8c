//! What a training cannot use: reviews whose stars are out of range, and embeddings that are none.

use pgrx::PgSqlErrorCode;
use reco_models::Descriptions;
use serde_json::{Map, Value, json};

use crate::failure::{Failure, Outcome};
use crate::pg::notice;
use crate::site::{ItemSource, RatingSource, Source};

/// More than this share of the reviews is no slip but another scale, and a training without them would mislead.
const MOST: f64 = 0.01;

/// How many reviews were skipped.
#[derive(Default)]
pub struct Skipped {
    /// Reviews with stars, of any number.
    pub rows: u64,
    invalid: u64,
    /// User, item and stars of the first one.
    example: Option<(i64, i64, f32)>,
}

impl Skipped {
    pub fn add(&mut self, user: i64, item: i64, stars: f32) {
        self.invalid += 1;
        self.example.get_or_insert((user, item, stars));
    }

    /// One row never stops a training, however few there are.
    fn too_many(&self) -> bool {
        self.invalid > 1 && self.invalid as f64 > MOST * self.rows as f64
    }

    /// Says what was skipped.
    ///
    /// # Errors
    /// 22000 where it is too much, or where anything is too much because the training is `strict`.
    pub fn check(&self, source: Option<&RatingSource>, strict: bool) -> Outcome<()> {
        let Some((source, (user, item, stars))) = source.zip(self.example) else { return Ok(()) };
        let (column, table) = (source.stars.quoted(), source.table().quoted());
        let what = format!("{column} of {table} is not 1 to 5 in {} of {} reviews", self.invalid, self.rows);
        let example = format!("the review of item {item} by user {user} holds {stars}");
        if !strict && !self.too_many() {
            notice::say(&format!("{what}, which are skipped: {example}"));
            return Ok(());
        }
        let most = 100.0 * MOST;
        Err(Failure::new(PgSqlErrorCode::ERRCODE_DATA_EXCEPTION, what)
            .detail(format!("For example {example}. Up to {most} % are skipped, and none where \"strict\" is true."))
            .hint("Correct the rows, or configure a view that gives 1 to 5: reco_configure('rating', 'my_view', ...)."))
    }

    /// For the registry: null where nothing was skipped.
    pub fn report(&self, not_embedded: &NotEmbedded) -> Value {
        let mut report = Map::new();
        if let Some((user, item, stars)) = self.example {
            report.insert("reviews".into(), json!(self.rows));
            report.insert("skipped".into(), json!(self.invalid));
            report.insert("example".into(), json!({"user": user, "item": item, "stars": stars.to_string()}));
        }
        if let Some(item) = not_embedded.example {
            let NotEmbedded { rows, unusable, .. } = not_embedded;
            report.insert("embeddings".into(), json!({"items": rows, "skipped": unusable, "example": item}));
        }
        if report.is_empty() { Value::Null } else { Value::Object(report) }
    }
}

/// How many embeddings are none: their items are as those without.
#[derive(Default)]
pub struct NotEmbedded {
    /// Items with an embedding.
    rows: u64,
    unusable: u64,
    /// The first item of them.
    example: Option<i64>,
    /// The dimension that most have; 0 without any.
    dimension: usize,
}

impl NotEmbedded {
    pub fn count(&mut self, item: i64, is_usable: bool) {
        self.rows += 1;
        if !is_usable {
            self.add(item);
        }
    }

    fn add(&mut self, item: i64) {
        self.unusable += 1;
        self.example.get_or_insert(item);
    }

    /// Those of another dimension than most.
    pub fn add_other_dimensions(&mut self, read: &Descriptions) {
        self.dimension = read.dimension();
        read.of_other_dimensions().for_each(|(item, _)| self.add(item));
    }

    /// Says what was skipped.
    ///
    /// # Errors
    /// 22000 where anything was and the training is `strict`.
    pub fn check(&self, source: Option<&ItemSource>, strict: bool) -> Outcome<()> {
        let column = source.and_then(|source| Some((source, source.embedding.as_ref()?)));
        let Some(((source, column), item)) = column.zip(self.example) else { return Ok(()) };
        let Self { unusable, rows, dimension, .. } = self;
        let what = format!(
            "{} of {} is not usable for {unusable} of {rows} items, which count as items without: for example item {item}",
            column.quoted(),
            source.table().quoted()
        );
        if !strict {
            notice::say(&what);
            return Ok(());
        }
        Err(Failure::new(PgSqlErrorCode::ERRCODE_DATA_EXCEPTION, what)
            .detail(format!("An embedding has {dimension} numbers, as most here have, all finite and not all 0."))
            .hint("Correct the rows, or train without \"strict\"."))
    }
}

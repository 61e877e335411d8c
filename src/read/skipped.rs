//! Reviews that a training cannot use, because their stars are out of range.

use pgrx::PgSqlErrorCode;
use serde_json::{Value, json};

use crate::failure::{Failure, Outcome};
use crate::pg::notice;
use crate::site::{RatingSource, Source};

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
    pub fn report(&self) -> Value {
        self.example.map_or(Value::Null, |(user, item, stars)| {
            json!({"reviews": self.rows, "skipped": self.invalid,
                   "example": {"user": user, "item": item, "stars": stars.to_string()}})
        })
    }
}

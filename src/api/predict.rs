//! `reco_predict_rating`: how many stars a user would give, from the reviews as they are now.

use pgrx::prelude::*;
use reco_models::room;

use super::arguments::ids;
use crate::failure::{Outcome, or_raise};
use crate::online::counters::{self, Function, Source};
use crate::pg::session::pause;
use crate::pg::spi;
use crate::site::Site;

/// One row per element of `item_ids`, in its order, duplicates and unknown ids included.
#[pg_extern(stable, parallel_safe)]
#[allow(clippy::type_complexity)]
fn reco_predict_rating(
    user_id: i64,
    item_ids: Array<i64>,
) -> TableIterator<'static, (name!(item_id, i64), name!(rating, Option<f32>), name!(model_version, Option<i64>))> {
    let call = counters::begin(Function::PredictRating);
    let items = or_raise(ids("item_ids", item_ids));
    let (stars, version) = or_raise(predict(user_id, &items));
    call.gave(if version.is_some() { Source::Model } else { Source::Nothing }, stars.len());
    TableIterator::new(items.into_iter().zip(stars).map(move |(item, stars)| (item, stars, version)))
}

fn unknown(mut stars: Vec<Option<f32>>, items: &[i64]) -> Vec<Option<f32>> {
    stars.resize(items.len(), None);
    stars
}

/// Items between two checks for interrupts.
const BLOCK: usize = 4096;

/// Without a model, or with one that was trained on no review, nothing can be predicted.
fn predict(user: i64, items: &[i64]) -> Outcome<(Vec<Option<f32>>, Option<i64>)> {
    if items.is_empty() {
        return Ok((Vec::new(), None));
    }
    let mut stars = room(items.len())?;
    spi::connect(|connection| {
        let site = Site::open(connection)?;
        site.check_name()?;
        let Some(served) = site.active_model()? else { return Ok((unknown(stars, items), None)) };
        let version = Some(served.version);
        let Some(ratings) = served.model.ratings() else { return Ok((unknown(stars, items), version)) };
        site.check_sources()?;
        let rater = ratings.rater(&site.reviews_of(user)?.ratings)?;
        for block in items.chunks(BLOCK) {
            pause();
            stars.extend(ratings.predict(&rater, block).into_iter().map(Some));
        }
        if !site.shows_whole_catalogue() {
            let (shown, unrated) = (site.items(items.to_vec())?, ratings.predict_unrated(&rater));
            let hidden = stars.iter_mut().zip(items).filter(|(_, id)| !shown.contains(**id));
            hidden.for_each(|(stars, _)| *stars = Some(unrated));
        }
        Ok((stars, version))
    })
}

//! `reco_similar_users`: users who like what a user likes.

use pgrx::prelude::*;
use reco_models::SimilarUsers;

use super::arguments::count_up_to;
use crate::failure::{Failure, Outcome, or_raise};
use crate::online::counters::{self, Function, Source};
use crate::pg::catalog::row_security_applies;
use crate::pg::spi;
use crate::site::{Served, Site};
use crate::store;

const MOST: f64 = 1000.0;

/// The most similar users, best first.
#[pg_extern(stable, parallel_safe)]
#[allow(clippy::type_complexity)]
fn reco_similar_users(
    user_id: Option<i64>,
    n: default!(Option<f64>, "10"),
) -> TableIterator<'static, (name!(rank, i32), name!(user_id, i64), name!(similarity, f32), name!(model_version, i64))>
{
    let call = counters::begin(Function::SimilarUsers);
    let n = or_raise(count_up_to(MOST, "A list of users that long is a segment: see reco.user_factor.", n));
    let Some(user) = user_id else {
        call.gave(Source::Nothing, 0);
        return TableIterator::new(Vec::new());
    };
    let (found, version) = or_raise(spi::connect(|connection| {
        let site = Site::answering(connection)?;
        let Some(served) = &site.served else { return Ok((Vec::new(), 0)) };
        check_rights(&site)?;
        Ok((similar(&site, served, user, n)?, served.version))
    }));
    call.gave(if found.is_empty() { Source::Nothing } else { Source::Model }, found.len());
    TableIterator::new(found.into_iter().zip(1..).map(move |((id, similarity), rank)| (rank, id, similarity, version)))
}

/// Who is similar follows from everybody's interactions, so only who reads all of them may ask: the others would learn
/// whose hidden interactions are like the visible ones.
fn check_rights(site: &Site<'_>) -> Outcome<()> {
    for table in site.mapping.interactions().map(|source| source.table) {
        if row_security_applies(table.oid) {
            let code = PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE;
            let message =
                format!("row security applies to {}, and similar users follow from all its rows", table.quoted());
            return Err(Failure::new(code, message)
                .hint("Call reco_similar_users() as the owner of the table, or as a role with BYPASSRLS."));
        }
    }
    if site.reads_what_was_trained_on() {
        return Ok(());
    }
    let code = PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE;
    Err(Failure::new(code, "the active model was trained on other reviews or favourites than this session reads")
        .hint("SELECT * FROM reco_sources(); or train again: SELECT * FROM reco_train();"))
}

fn similar(site: &Site<'_>, served: &Served, user: i64, n: usize) -> Outcome<Vec<(i64, f32)>> {
    let model = &served.model;
    let own = site.reader(served, user)?.user(model)?.likes().factor.clone();
    if own.is_empty() {
        return Ok(Vec::new());
    }
    let mut most = n + 16;
    loop {
        let mut similar = SimilarUsers::new(user, own.clone(), most);
        store::each_user_factor(site.connection, served.version, |other, factor| similar.offer(other, factor))?;
        let similar = similar.into_sorted();
        let exhausted = similar.len() < most;
        let present = site.present_users(&similar.iter().map(|(user, _)| *user).collect::<Vec<_>>())?;
        let listed: Vec<(i64, f32)> = similar.into_iter().filter(|(user, _)| present.contains(user)).take(n).collect();
        if listed.len() == n || exhausted {
            return Ok(listed);
        }
        // Some have left, or are hidden from the caller.
        most *= 8;
    }
}

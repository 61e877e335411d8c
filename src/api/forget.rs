//! `reco_forget`: a user who is to be forgotten.

use pgrx::prelude::*;

use crate::failure::{Failure, Outcome, or_raise};
use crate::pg::notice;
use crate::pg::session::refuse_read_only;
use crate::pg::spi;
use crate::site::Site;
use crate::store::{self, Forgotten};

/// Removes a user from all stored models; gives from how many rows.
#[pg_extern]
fn reco_forget(user_id: Option<i64>) -> i64 {
    or_raise(given(user_id).and_then(forget))
}

/// A NULL is a mistake of the caller: to answer it would say that somebody was forgotten.
fn given(user: Option<i64>) -> Outcome<i64> {
    user.ok_or_else(|| {
        Failure::new(PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED, "the user to be forgotten must not be NULL")
            .hint("SELECT reco_forget(user_id), for one user.")
    })
}

fn forget(user: i64) -> Outcome<i64> {
    refuse_read_only(c"reco_forget()");
    spi::connect(|connection| {
        // First, while the key of the id is still stored.
        let site = Site::open(connection)?;
        let comes_back = site.has_visible_interactions(user)?;
        let Forgotten { rows, is_published } = store::forget(connection, user)?;
        if is_published {
            notice::warn(
                "the models of this database still know this user: they arrive by a subscription",
                "Call reco_forget() on the publisher too: what it deletes is deleted here.",
            );
        }
        if comes_back {
            // Without the id, which must not get into a log.
            notice::say("the sources still have interactions of this user: the next training learns from them again");
        }
        Ok(rows)
    })
}

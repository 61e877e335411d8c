//! Messages to the client, sent so that no error can be raised on the way.

use std::borrow::Cow;

use pgrx::pg_sys;
use pgrx::prelude::*;

/// Sends a NOTICE. Afterwards PostgreSQL checks for interrupts, and an error raised there would jump over Rust's frames
/// and what they hold (a running training, say); so interrupts wait for the next explicit check.
pub fn say(text: &str) {
    let _held = Held::new();
    pgrx::notice!("reco: {}", for_client(text));
}

/// Sends a WARNING with a hint that says what to do, in the same manner.
pub fn warn(text: &str, hint: &str) {
    let _held = Held::new();
    if PgLogLevel::WARNING.is_interesting() {
        pg_sys::panic::ErrorReport::new(PgSqlErrorCode::ERRCODE_WARNING, format!("reco: {}", for_client(text)), "reco")
            .set_hint(for_client(hint))
            .report(PgLogLevel::WARNING);
    }
}

/// The text, with `?` in place of what the client's encoding may not have: PostgreSQL would raise an error for that, and
/// a table's name would end a training.
fn for_client(text: &str) -> Cow<'_, str> {
    // SAFETY: no arguments.
    let encoding = unsafe { pg_sys::pg_get_client_encoding() } as u32;
    match [pg_sys::pg_enc::PG_UTF8, pg_sys::pg_enc::PG_SQL_ASCII].contains(&encoding) {
        true => Cow::Borrowed(text),
        false => Cow::Owned(text.chars().map(|c| if c.is_ascii() { c } else { '?' }).collect()),
    }
}

struct Held;

impl Held {
    fn new() -> Self {
        // SAFETY: what HOLD_INTERRUPTS() does, in the main thread.
        unsafe { pg_sys::InterruptHoldoffCount += 1 };
        Held
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // SAFETY: what RESUME_INTERRUPTS() does; an error in between would have reset the count.
        unsafe { pg_sys::InterruptHoldoffCount = pg_sys::InterruptHoldoffCount.saturating_sub(1) };
    }
}

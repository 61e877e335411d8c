//! What happens to models, told to whoever listens: a notification, and a line of JSON in the server's log. Both with the
//! commit, so that nothing is told that is rolled back.

use serde_json::Value;

use crate::failure::Outcome;
use crate::pg::log;
use crate::pg::spi::{Connection, arg};

/// The channel of the notifications is `reco`.
pub fn announce(connection: &Connection, event: Value) -> Outcome<()> {
    connection.write("SELECT pg_catalog.pg_notify('reco', $1)", &[arg(event.to_string())])?;
    log::line_at_commit(event);
    Ok(())
}

//! What a training says while it runs: to its client, and to others who ask.

use std::time::{Duration, Instant};

use crate::failure::or_raise;
use crate::pg::board;
use crate::pg::headroom;
use crate::pg::notice;
use crate::pg::session::watch_client;
use crate::settings;

/// The longest time without a progress line.
const PATIENCE: Duration = Duration::from_secs(2);
/// Shares of a whole run at which reading ends and storing begins.
pub const READ_SHARE: f32 = 0.05;
pub const STORE_SHARE: f32 = 0.9;

/// Progress lines: one when the step changes, and one every two seconds.
pub struct Progress {
    step: String,
    said: Instant,
}

impl Progress {
    pub fn new() -> Self {
        Progress { step: String::new(), said: Instant::now() }
    }

    /// Whoever trains calls it often, so the client and the memory are looked for here.
    pub fn say(&mut self, step: &str, share: f32, rows: usize) {
        watch_client();
        or_raise(headroom::watch(settings::threads()));
        board::tell(step, share);
        if self.step == step && self.said.elapsed() < PATIENCE {
            return;
        }
        self.step.clear();
        self.step.push_str(step);
        self.said = Instant::now();
        let percent = 100.0 * share;
        if rows > 0 {
            notice::say(&format!("{step}, {rows} rows ({percent:.0} %)"));
        } else {
            notice::say(&format!("{step} ({percent:.0} %)"));
        }
    }
}

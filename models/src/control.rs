//! The line between a training run and its watcher: a stop flag in, progress out.
//!
//! It reads the clock: to report how long each phase took, and for the budget of a run, which ends a search that takes
//! far longer than planned. No other module reads it.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};

/// The phases of a run, by the names that a user reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Preparing,
    Choosing,
    Content,
    Factorising,
    Evaluating,
    Refitting,
    Ratings,
}

impl Phase {
    /// Phase, name, and the shares of a typical run (0 to 1) that are done when the phase begins and when it ends.
    const TABLE: [(Phase, &'static str, f32, f32); 7] = [
        (Phase::Preparing, "preparing the interactions", 0.00, 0.03),
        (Phase::Choosing, "choosing the collaborative part on validation", 0.03, 0.30),
        (Phase::Content, "content model", 0.30, 0.60),
        (Phase::Factorising, "factorising", 0.60, 0.65),
        (Phase::Evaluating, "evaluating on the hold-out", 0.65, 0.88),
        (Phase::Refitting, "refitting on all interactions", 0.88, 0.95),
        (Phase::Ratings, "predicting stars", 0.95, 1.00),
    ];

    fn entry(self) -> (&'static str, f32, f32) {
        let (_, name, from, to) = Self::TABLE[self as usize];
        (name, from, to)
    }

    /// As progress lines and the registry show it.
    pub fn name(self) -> &'static str {
        self.entry().0
    }
}

#[derive(Debug)]
struct Now {
    phase: Phase,
    since: Instant,
    spent: Vec<(Phase, Duration)>,
}

/// Shared by the training thread, its workers and the watcher.
#[derive(Debug)]
pub struct Control {
    begun: Instant,
    stop: Arc<AtomicBool>,
    done: AtomicU32,
    now: Mutex<Now>,
}

impl Default for Control {
    fn default() -> Self {
        let now = Now { phase: Phase::Preparing, since: Instant::now(), spent: Vec::new() };
        Control { begun: Instant::now(), stop: Arc::default(), done: AtomicU32::new(0), now: Mutex::new(now) }
    }
}

impl Control {
    /// A control with the same stop flag and a progress of its own, for a step inside of a phase.
    pub fn sharing_stop(outer: &Control) -> Control {
        Control { stop: Arc::clone(&outer.stop), ..Control::default() }
    }

    /// The time since the run began.
    pub fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Asks the run to end with [`Error::Stopped`] at its next [`Control::check`].
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// To be called in every loop that can last longer than about ten milliseconds, better one.
    ///
    /// # Errors
    /// [`Error::Stopped`] after [`Control::stop`].
    pub fn check(&self) -> Result<()> {
        if self.stop.load(Ordering::Relaxed) { Err(Error::Stopped) } else { Ok(()) }
    }

    /// Begins a phase, which ends the one before.
    ///
    /// # Errors
    /// Those of [`Control::check`].
    pub fn enter(&self, phase: Phase) -> Result<()> {
        let mut now = self.lock();
        let spent = now.since.elapsed();
        let last = now.phase;
        now.spent.push((last, spent));
        now.phase = phase;
        now.since = Instant::now();
        self.done.store(0, Ordering::Relaxed);
        self.check()
    }

    /// Tells which share of the present phase is done, 0 to 1.
    ///
    /// # Errors
    /// Those of [`Control::check`].
    pub fn done(&self, share: f32) -> Result<()> {
        self.done.store(share.clamp(0.0, 1.0).to_bits(), Ordering::Relaxed);
        self.check()
    }

    /// The present phase, and which share of it is done, 0 to 1.
    pub fn share(&self) -> (Phase, f32) {
        let phase = self.lock().phase;
        (phase, f32::from_bits(self.done.load(Ordering::Relaxed)))
    }

    /// The present phase, and how much of the whole run is done in percent.
    pub fn progress(&self) -> (Phase, f32) {
        let (phase, done) = self.share();
        let (_, from, to) = phase.entry();
        (phase, 100.0 * (from + (to - from) * done))
    }

    /// Seconds spent in each phase, the present one included; those of a phase that was entered twice are summed.
    pub fn seconds(&self) -> Vec<(Phase, f64)> {
        let now = self.lock();
        Phase::TABLE
            .iter()
            .map(|&(phase, ..)| {
                let past: f64 = now.spent.iter().filter(|s| s.0 == phase).map(|s| s.1.as_secs_f64()).sum();
                let present = if now.phase == phase { now.since.elapsed().as_secs_f64() } else { 0.0 };
                (phase, past + present)
            })
            .collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Now> {
        // A panic elsewhere leaves plain data behind, which can still be read.
        self.now.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

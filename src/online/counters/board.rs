//! The counters in shared memory: numbers that any process adds to, and none locks. All of them are zero at first.

use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};

use super::{Function, Source};
use crate::pg::catalog::database_exists;

/// Upper bounds of the buckets of a latency: 0.1 ms, and each twice the one before, up to 3.3 s. Beyond is one more bucket.
pub const BOUNDS: usize = 16;
const SHORTEST_NS: u64 = 100_000;

/// In seconds.
pub fn bound(bucket: usize) -> f64 {
    (SHORTEST_NS << bucket) as f64 / 1e9
}

/// The first bucket whose bound is not exceeded.
fn bucket(nanoseconds: u64) -> usize {
    let doublings = 64 - (nanoseconds.saturating_sub(1) / SHORTEST_NS).leading_zeros();
    (doublings as usize).min(BOUNDS)
}

#[repr(C)]
pub struct Latency {
    buckets: [AtomicU64; BOUNDS + 1],
    nanoseconds: AtomicU64,
}

impl Latency {
    fn add(&self, nanoseconds: u64) {
        self.buckets[bucket(nanoseconds)].fetch_add(1, Ordering::Relaxed);
        self.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    /// Calls by bucket; the last one has no bound.
    pub fn counts(&self) -> [u64; BOUNDS + 1] {
        std::array::from_fn(|bucket| self.buckets[bucket].load(Ordering::Relaxed))
    }

    pub fn calls(&self) -> u64 {
        self.counts().iter().sum()
    }

    pub fn seconds(&self) -> f64 {
        self.nanoseconds.load(Ordering::Relaxed) as f64 / 1e9
    }
}

/// One hour of the last day: the calls that a model was to answer.
#[repr(C)]
struct Hour {
    /// Since 1970.
    number: AtomicI64,
    calls: AtomicU64,
    by_rules: AtomicU64,
}

/// What the hours of a day sum to.
#[derive(Debug, Default, Clone, Copy)]
pub struct Day {
    pub calls: u64,
    pub by_rules: u64,
}

const HOURS: usize = 24;
const SECONDS_OF_AN_HOUR: i64 = 3600;

/// Of one function: calls that answered by source, those that failed last, and the rows that were given.
#[repr(C)]
struct Counted {
    calls: [Latency; Source::COUNT + 1],
    rows: [AtomicU64; Source::COUNT],
}

/// Of one database.
#[repr(C)]
pub struct Database {
    oid: AtomicU32,
    /// Seconds since 1970 at which the counting began.
    since: AtomicI64,
    functions: [Counted; Function::COUNT],
    hours: [Hour; HOURS],
}

/// Databases that are counted, those that asked first; each takes 20 KB.
const DATABASES: usize = 32;

#[repr(C)]
pub struct Board {
    databases: [Database; DATABASES],
}

impl Board {
    /// The counters of a database; the first that asks for them takes free ones, or those of a database that is gone. None where
    /// there are none left.
    pub fn of(&self, oid: u32, now: i64) -> Option<&Database> {
        for database in &self.databases {
            match database.oid.compare_exchange(0, oid, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => {
                    database.since.store(now, Ordering::Relaxed);
                    return Some(database);
                }
                Err(taken) if taken == oid => return Some(database),
                Err(_) => (),
            }
        }
        self.databases.iter().find(|database| {
            let taken = database.oid.load(Ordering::Acquire);
            let is_free = taken != oid && !database_exists(taken);
            let is_ours =
                is_free && database.oid.compare_exchange(taken, oid, Ordering::AcqRel, Ordering::Acquire).is_ok();
            if is_ours {
                database.clear(now);
            }
            is_ours
        })
    }
}

impl Database {
    fn clear(&self, now: i64) {
        let zero = |number: &AtomicU64| number.store(0, Ordering::Relaxed);
        for counted in &self.functions {
            counted.calls.iter().flat_map(|latency| &latency.buckets).for_each(zero);
            counted.calls.iter().map(|latency| &latency.nanoseconds).for_each(zero);
            counted.rows.iter().for_each(zero);
        }
        self.hours.iter().for_each(|hour| hour.number.store(0, Ordering::Relaxed));
        self.since.store(now, Ordering::Relaxed);
    }

    /// A call that ended; without a source it failed.
    pub fn add(&self, function: Function, source: Option<Source>, nanoseconds: u64, now: i64) {
        let counted = &self.functions[function as usize];
        counted.calls[source.map_or(Source::COUNT, |source| source as usize)].add(nanoseconds);
        if source.is_some_and(Source::is_on_the_ladder) {
            let hour = self.hour(now);
            hour.calls.fetch_add(1, Ordering::Relaxed);
            if source == Some(Source::Rules) {
                hour.by_rules.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    pub fn add_rows(&self, function: Function, source: Source, rows: u64) {
        self.functions[function as usize].rows[source as usize].fetch_add(rows, Ordering::Relaxed);
    }

    /// The hour of a time, begun anew by its first call. A call that another process counts at that very moment may be lost to
    /// the hour, though never to the totals.
    fn hour(&self, now: i64) -> &Hour {
        let number = now.div_euclid(SECONDS_OF_AN_HOUR);
        let hour = &self.hours[number.rem_euclid(HOURS as i64) as usize];
        let held = hour.number.load(Ordering::Relaxed);
        if held != number && hour.number.compare_exchange(held, number, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
            [&hour.calls, &hour.by_rules].into_iter().for_each(|n| n.store(0, Ordering::Relaxed));
        }
        hour
    }

    /// The calls of the hour that a time is in, and of the 23 before it.
    pub fn day(&self, now: i64) -> Day {
        let latest = now.div_euclid(SECONDS_OF_AN_HOUR);
        let recent = |hour: &&Hour| {
            let number = hour.number.load(Ordering::Relaxed);
            number > latest - HOURS as i64 && number <= latest
        };
        self.hours.iter().filter(recent).fold(Day::default(), |day, hour| Day {
            calls: day.calls + hour.calls.load(Ordering::Relaxed),
            by_rules: day.by_rules + hour.by_rules.load(Ordering::Relaxed),
        })
    }

    pub fn since(&self) -> i64 {
        self.since.load(Ordering::Relaxed)
    }

    /// Without a source: of the calls that failed.
    pub fn latency(&self, function: Function, source: Option<Source>) -> &Latency {
        &self.functions[function as usize].calls[source.map_or(Source::COUNT, |source| source as usize)]
    }

    pub fn rows(&self, function: Function, source: Source) -> u64 {
        self.functions[function as usize].rows[source as usize].load(Ordering::Relaxed)
    }
}

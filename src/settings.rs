//! The `reco.*` settings.

use std::ffi::{CStr, CString};
use std::time::Duration;

use pgrx::{GucContext, GucFlags, GucRegistry, GucSetting, PostgresGucEnum};

static ENABLED: GucSetting<bool> = GucSetting::<bool>::new(true);
static FALLBACK: GucSetting<bool> = GucSetting::<bool>::new(true);
static MAX_THREADS: GucSetting<i32> = GucSetting::<i32>::new(0);
/// Beside a training of ten million interactions with two threads, on two processors, pgbench lost 9 to 11 % of its transactions at
/// 19, and 8 to 28 % at 10.
static TRAIN_NICE: GucSetting<i32> = GucSetting::<i32>::new(19);
static MAX_TRAIN_MEMORY: GucSetting<i32> = GucSetting::<i32>::new(4096);
static MAX_CANDIDATES: GucSetting<i32> = GucSetting::<i32>::new(1_000_000);
static KEEP_MODELS: GucSetting<i32> = GucSetting::<i32>::new(3);
/// Seconds; a bare number of days would be below the least value, and so an error.
static KEEP_IMPRESSIONS: GucSetting<i32> = GucSetting::<i32>::new(90 * DAY);
static ATTRIBUTION_WINDOW: GucSetting<i32> = GucSetting::<i32>::new(7 * DAY);
/// Simulated readers then open 3.5 % more different books, and as many in all; with a half-life of 7 days they open 0.7 % less in
/// all (tests/month/rotation).
static ROTATION: GucSetting<f64> = GucSetting::<f64>::new(0.5);
static ROTATION_HALF_LIFE: GucSetting<i32> = GucSetting::<i32>::new(2 * DAY);
static REPEAT_AFTER: GucSetting<i32> = GucSetting::<i32>::new(0);
static LOG_MIN_DURATION: GucSetting<i32> = GucSetting::<i32>::new(-1);
static MODEL: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(Some(c""));
static LOCALE: GucSetting<Locale> = GucSetting::<Locale>::new(Locale::Es);

const DAY: i32 = 86_400;

/// The setting that names a model.
pub const MODEL_NAME: &CStr = c"reco.model";

/// The language of what a page shows.
#[derive(Debug, Clone, Copy, PostgresGucEnum)]
pub enum Locale {
    #[name = c"es"]
    Es,
    #[name = c"en"]
    En,
}

pub fn define() {
    define_for_everybody();
    define_for_superusers();
    reserve_prefix();
}

fn define_for_everybody() {
    GucRegistry::define_bool_guc(
        c"reco.enabled",
        c"Scores by the active model.",
        c"Off: by the rules only (category 50, author 30, novelty 10); nothing else changes.",
        &ENABLED,
        GucContext::Userset,
        GucFlags::default(),
    );
    GucRegistry::define_bool_guc(
        c"reco.fallback",
        c"Scores by the rules where there is no model.",
        c"Off: an error instead.",
        &FALLBACK,
        GucContext::Userset,
        GucFlags::default(),
    );
    GucRegistry::define_int_guc(
        c"reco.train_nice",
        c"Niceness of the threads of a training.",
        c"0: as sessions; 19: where a session wants the processor, the training waits.",
        &TRAIN_NICE,
        0,
        19,
        GucContext::Userset,
        GucFlags::default(),
    );
    GucRegistry::define_int_guc(
        c"reco.attribution_window",
        c"How long after an item was shown a favourite or a review of it is credited to that.",
        c"Of several times that it was shown the last one before is credited.",
        &ATTRIBUTION_WINDOW,
        3600,
        365 * DAY,
        GucContext::Userset,
        GucFlags::UNIT_S,
    );
    define_rotation();
    GucRegistry::define_string_guc(
        MODEL_NAME,
        c"Name of the model, and of the mapping, that every function uses.",
        c"Empty: those without a name.",
        &MODEL,
        GucContext::Userset,
        GucFlags::default(),
    );
    GucRegistry::define_enum_guc(
        c"reco.locale",
        c"Language of the reasons that a page shows.",
        c"es: Spanish; en: English.",
        &LOCALE,
        GucContext::Userset,
        GucFlags::default(),
    );
}

fn define_rotation() {
    GucRegistry::define_float_guc(
        c"reco.rotation",
        c"How much reco_serve() takes from the rank of what was shown and not clicked.",
        c"0: nothing; 1: each time that an item was shown halves the score that it is ranked by.",
        &ROTATION,
        0.0,
        1.0,
        GucContext::Userset,
        GucFlags::default(),
    );
    GucRegistry::define_int_guc(
        c"reco.rotation_half_life",
        c"After this time it counts half as much that an item was shown.",
        c"What was shown more than four times as long ago does not count.",
        &ROTATION_HALF_LIFE,
        60,
        90 * DAY,
        GucContext::Userset,
        GucFlags::UNIT_S,
    );
    GucRegistry::define_int_guc(
        c"reco.repeat_after",
        c"For this time reco_serve() does not show an item to the same user again.",
        c"0: it may be on the next page.",
        &REPEAT_AFTER,
        0,
        90 * DAY,
        GucContext::Userset,
        GucFlags::UNIT_S,
    );
}

fn define_for_superusers() {
    GucRegistry::define_int_guc(
        c"reco.max_threads",
        c"Threads of a training.",
        c"0: one for each processor; in the background, for each two.",
        &MAX_THREADS,
        0,
        256,
        GucContext::Suset,
        GucFlags::default(),
    );
    GucRegistry::define_int_guc(
        c"reco.max_train_memory",
        c"Memory that a training may need.",
        c"It is estimated beforehand, and the training refused if it would need more.",
        &MAX_TRAIN_MEMORY,
        64,
        i32::MAX,
        GucContext::Suset,
        GucFlags::UNIT_MB,
    );
    GucRegistry::define_int_guc(
        c"reco.max_candidates",
        c"Items that one call may score.",
        c"A longer array is an error.",
        &MAX_CANDIDATES,
        1,
        10_000_000,
        GucContext::Suset,
        GucFlags::default(),
    );
    GucRegistry::define_int_guc(
        c"reco.keep_models",
        c"Models that are kept after a training.",
        c"The newest ones; the active model and the one before it are always kept.",
        &KEEP_MODELS,
        1,
        1000,
        GucContext::Suset,
        GucFlags::default(),
    );
    GucRegistry::define_int_guc(
        c"reco.keep_impressions",
        c"How long impressions and feedback are kept.",
        c"What is older leaves by reco_nightly() or reco_expire(), a week later at most.",
        &KEEP_IMPRESSIONS,
        DAY,
        3650 * DAY,
        GucContext::Suset,
        GucFlags::UNIT_S,
    );
    GucRegistry::define_int_guc(
        c"reco.log_min_duration",
        c"Logs the calls that take at least this long, as JSON.",
        c"0: all; -1: none.",
        &LOG_MIN_DURATION,
        -1,
        i32::MAX,
        GucContext::Suset,
        GucFlags::UNIT_MS,
    );
}

/// A misspelt setting is an error instead of a placeholder.
fn reserve_prefix() {
    // SAFETY: a NUL-terminated name.
    unsafe { pgrx::pg_sys::MarkGUCPrefixReserved(c"reco".as_ptr()) };
}

pub fn enabled() -> bool {
    ENABLED.get()
}

pub fn fallback() -> bool {
    FALLBACK.get()
}

/// Empty for the model without a name.
pub fn model_name() -> String {
    MODEL.get().map_or(String::new(), |name| name.to_string_lossy().into_owned())
}

/// In the background half of the processors are left to the sessions: with all of them, 99 % of pgbench's transactions took 3.7 ms
/// at most, with half 2.1, without a training 1.3.
pub fn threads() -> usize {
    let processors = || std::thread::available_parallelism().map_or(1, usize::from);
    match MAX_THREADS.get() {
        0 if in_background() => (processors() / 2).max(1),
        0 => processors(),
        n => n as usize,
    }
}

fn in_background() -> bool {
    // SAFETY: set before the process runs anything else.
    unsafe { pgrx::pg_sys::MyBackendType == pgrx::pg_sys::BackendType::B_BG_WORKER }
}

/// As nice(2) has it.
pub fn train_nice() -> i32 {
    TRAIN_NICE.get()
}

/// In MB.
pub fn max_train_memory() -> u64 {
    MAX_TRAIN_MEMORY.get() as u64
}

pub fn max_candidates() -> usize {
    MAX_CANDIDATES.get() as usize
}

pub fn keep_models() -> i64 {
    i64::from(KEEP_MODELS.get())
}

/// In seconds.
pub fn attribution_window() -> i64 {
    i64::from(ATTRIBUTION_WINDOW.get())
}

/// 0 to 1.
pub fn rotation() -> f32 {
    ROTATION.get() as f32
}

/// In seconds.
pub fn rotation_half_life() -> i64 {
    i64::from(ROTATION_HALF_LIFE.get())
}

/// In seconds; 0: at once.
pub fn repeat_after() -> i64 {
    i64::from(REPEAT_AFTER.get())
}

/// In seconds.
pub fn keep_impressions() -> i64 {
    i64::from(KEEP_IMPRESSIONS.get())
}

/// None: no call is logged.
pub fn log_min_duration() -> Option<Duration> {
    u64::try_from(LOG_MIN_DURATION.get()).ok().map(Duration::from_millis)
}

pub fn locale() -> Locale {
    LOCALE.get()
}

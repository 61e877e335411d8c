//! The `reco.*` settings.

use std::ffi::{CStr, CString};

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
static MODEL: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(Some(c""));
static LOCALE: GucSetting<Locale> = GucSetting::<Locale>::new(Locale::Es);

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

pub fn locale() -> Locale {
    LOCALE.get()
}

//! How often each function was called, what answered, how long that took, and how often it failed, of all sessions of the
//! database since the server started. A call costs two looks at the clock and a few additions, which nobody waits for.

mod board;

use std::cell::Cell;
use std::time::{Duration, Instant};

use reco_models::Rung;
use serde_json::json;

use crate::pg::log;
use crate::pg::session;
use crate::pg::shared::{self, Place};
use crate::settings;
use board::Board;

pub use board::{BOUNDS, Database, Day, Latency, bound};

/// A function whose calls are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    Score,
    Scores,
    Recommend,
    RecommendFor,
    Similar,
    SimilarUsers,
    Audience,
    Trending,
    Explain,
    PredictRating,
    Serve,
    Feedback,
}

impl Function {
    pub const ALL: [Function; 12] = [
        Function::Score,
        Function::Scores,
        Function::Recommend,
        Function::RecommendFor,
        Function::Similar,
        Function::SimilarUsers,
        Function::Audience,
        Function::Trending,
        Function::Explain,
        Function::PredictRating,
        Function::Serve,
        Function::Feedback,
    ];
    const COUNT: usize = Function::ALL.len();

    pub fn name(self) -> &'static str {
        match self {
            Function::Score => "reco_score",
            Function::Scores => "reco_scores",
            Function::Recommend => "reco_recommend",
            Function::RecommendFor => "reco_recommend_for",
            Function::Similar => "reco_similar",
            Function::SimilarUsers => "reco_similar_users",
            Function::Audience => "reco_audience",
            Function::Trending => "reco_trending",
            Function::Explain => "reco_explain",
            Function::PredictRating => "reco_predict_rating",
            Function::Serve => "reco_serve",
            Function::Feedback => "reco_feedback",
        }
    }

    /// What may answer it.
    pub fn sources(self) -> &'static [Source] {
        use Source::*;
        match self {
            Function::Score | Function::Scores | Function::Recommend | Function::RecommendFor | Function::Audience => {
                &[Hybrid, FoldIn, Content, Popularity, Rules, Nothing]
            }
            Function::Serve => &[Hybrid, FoldIn, Content, Popularity, Rules, RulesVariant, Nothing],
            Function::Similar | Function::Explain => &[Model, Rules, Nothing],
            Function::SimilarUsers | Function::PredictRating => &[Model, Nothing],
            Function::Trending => &[Nothing],
            Function::Feedback => &[Click, Dismiss],
        }
    }
}

/// What answered a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    Hybrid,
    FoldIn,
    Content,
    Popularity,
    /// The model, in a function whose rows have no rung.
    Model,
    Rules,
    /// The rules, because a variant of an experiment is answered by them.
    RulesVariant,
    /// There is no row, or the function needs no model.
    Nothing,
    /// No model, but a user who did that.
    Click,
    Dismiss,
}

impl Source {
    const COUNT: usize = 10;

    pub fn name(self) -> &'static str {
        match self {
            Source::Hybrid => Rung::Hybrid.name(),
            Source::FoldIn => Rung::FoldIn.name(),
            Source::Content => Rung::Content.name(),
            Source::Popularity => Rung::Popularity.name(),
            Source::Model => "model",
            Source::Rules => Rung::Rules.name(),
            Source::RulesVariant => "rules_variant",
            Source::Nothing => "none",
            Source::Click => "click",
            Source::Dismiss => "dismiss",
        }
    }

    pub fn of(rung: Rung) -> Source {
        match rung {
            Rung::Hybrid => Source::Hybrid,
            Rung::FoldIn => Source::FoldIn,
            Rung::Content => Source::Content,
            Rung::Popularity => Source::Popularity,
            Rung::Rules => Source::Rules,
        }
    }

    /// Whether a model was to answer.
    fn is_on_the_ladder(self) -> bool {
        !matches!(self, Source::RulesVariant | Source::Nothing | Source::Click | Source::Dismiss)
    }

    /// The model's, or the rules' where there is none.
    pub fn of_model(is_served: bool) -> Source {
        if is_served { Source::Model } else { Source::Rules }
    }
}

/// Highest first.
const LADDER: [Source; 6] =
    [Source::Hybrid, Source::FoldIn, Source::Content, Source::Popularity, Source::Rules, Source::RulesVariant];

/// A call that runs. Where it is dropped before it was told how it ended, an error unwinds, and it counts as failed.
pub struct Call {
    function: Function,
    begun: Instant,
}

pub fn begin(function: Function) -> Call {
    let begun = Instant::now();
    // Not when the call has failed: an error is no moment to look for memory.
    own();
    Call { function, begun }
}

impl Call {
    /// Ends with rows from these rungs; the call's source is the highest of them.
    pub fn ladder(self, rungs: impl Iterator<Item = Rung>) {
        self.sources(rungs.map(Source::of));
    }

    /// The same, where it is known whether the rules were asked for.
    pub fn sources(self, sources: impl Iterator<Item = Source>) {
        let mut rows = [0u64; Source::COUNT];
        sources.for_each(|source| rows[source as usize] += 1);
        let given = LADDER.into_iter().map(|source| (source, rows[source as usize])).filter(|(_, rows)| *rows > 0);
        self.end(given);
    }

    /// Ends with so many rows, all from one source.
    pub fn gave(self, source: Source, rows: usize) {
        self.end([(source, rows as u64)].into_iter());
    }

    fn end(self, mut given: impl Iterator<Item = (Source, u64)>) {
        let (function, elapsed) = (self.function, self.begun.elapsed());
        std::mem::forget(self);
        let first = given.next();
        let source = first.map_or(Source::Nothing, |(source, _)| source);
        let mut rows = 0;
        if let Some(database) = own() {
            database.add(function, Some(source), nanoseconds(elapsed), session::now());
            for (source, some) in first.into_iter().chain(given) {
                database.add_rows(function, source, some);
                rows += some;
            }
        }
        if settings::log_min_duration().is_some_and(|least| elapsed >= least) {
            log::line(&json!({
                "event": "slow", "function": function.name(), "model": settings::model_name(), "source": source.name(),
                "rows": rows, "milliseconds": (elapsed.as_secs_f64() * 1e6).round() / 1e3,
            }));
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if let Some(database) = OWN.get().counted() {
            database.add(self.function, None, nanoseconds(self.begun.elapsed()), session::now());
        }
    }
}

fn nanoseconds(elapsed: Duration) -> u64 {
    u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX)
}

/// Where the counters of this process' database are.
#[derive(Clone, Copy)]
enum Own {
    Unknown,
    At(&'static Database, Place),
    /// They could not be had at that moment.
    Without(Instant),
}

impl Own {
    fn counted(self) -> Option<&'static Database> {
        match self {
            Own::At(database, _) => Some(database),
            Own::Unknown | Own::Without(_) => None,
        }
    }
}

thread_local! {
    static OWN: Cell<Own> = const { Cell::new(Own::Unknown) };
}

/// Before they are asked for again.
const RETRY: Duration = Duration::from_secs(60);

fn own() -> Option<&'static Database> {
    let found = match OWN.get() {
        Own::At(database, _) => return Some(database),
        Own::Without(since) if since.elapsed() < RETRY => return None,
        Own::Unknown | Own::Without(_) => find(),
    };
    OWN.set(found);
    found.counted()
}

fn find() -> Own {
    let found = shared::block(SIZE, env!("CARGO_PKG_VERSION")).and_then(|(start, place)| {
        // SAFETY: the block has this size, is aligned, stays as long as the process, and holds only atomic numbers, for which
        // zeros are right.
        let board = unsafe { &*start.cast::<Board>() };
        board.of(session::database(), session::clock()).map(|database| Own::At(database, place))
    });
    found.unwrap_or_else(|| Own::Without(Instant::now()))
}

/// Bytes of all counters.
pub const SIZE: usize = size_of::<Board>();

/// The counters of this database and where they are; None where nothing can be counted.
pub fn counted() -> Option<(&'static Database, Place)> {
    own();
    match OWN.get() {
        Own::At(database, place) => Some((database, place)),
        Own::Unknown | Own::Without(_) => None,
    }
}

//! A whole training of the demo's library on each instruction set: where its time goes, and whether the models are the
//! same bytes.

use std::time::Instant;

use library::{Library, SECONDS_PER_DAY, Size};
use reco_models::kernels::Isa;
use reco_models::{Catalog, Control, Favorites, Params, Ratings, Sources};

/// As scripts/demo asks for it.
const DEMO: Size = Size { users: 5000, books: 2000, interactions: 150_000 };
const SEED: u64 = 42;
const THREADS: usize = 2;

/// Runs on each set, in turn; the shortest counts.
const RUNS: usize = 3;

struct Run {
    /// Of all threads: what else runs on the machine counts less than in what a clock on the wall says.
    processor_seconds: f64,
    seconds: f64,
    phases: Vec<(&'static str, f64)>,
    hash: i64,
}

pub fn compare(isas: &[Isa]) -> Result<(), reco_models::Error> {
    let mut best: Vec<Option<Run>> = isas.iter().map(|_| None).collect();
    for _ in 0..RUNS {
        for (isa, best) in isas.iter().zip(&mut best) {
            let run = run(*isa)?;
            if best.as_ref().is_none_or(|best| run.processor_seconds < best.processor_seconds) {
                *best = Some(run);
            }
        }
    }
    for (isa, run) in isas.iter().zip(best.iter().flatten()) {
        let Run { processor_seconds, seconds, phases, hash } = run;
        println!("{}: {seconds:.2} s, of the processor {processor_seconds:.2} s, model {hash:016x}", isa.name());
        phases.iter().for_each(|(phase, seconds)| println!("    {phase:<50}{seconds:>8.2} s"));
    }
    Ok(())
}

fn run(isa: Isa) -> Result<Run, reco_models::Error> {
    isa.pretend();
    let (sources, params, control) = (sources(), Params::default().validate()?, Control::default());
    let (begun, used) = (Instant::now(), processor_seconds());
    let trained = reco_models::train(sources, &params, None, THREADS, &control)?;
    Ok(Run {
        processor_seconds: processor_seconds() - used,
        seconds: begun.elapsed().as_secs_f64(),
        phases: control.seconds().into_iter().map(|(phase, seconds)| (phase.name(), seconds)).collect(),
        hash: reco_models::hash(&reco_models::encode(&trained.model)?),
    })
}

/// Of this process so far, outside of the system's kernel; in hundredths, as Linux counts them.
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    after_name.split_whitespace().nth(11).and_then(|ticks| ticks.parse::<f64>().ok()).unwrap_or(0.0) / 100.0
}

fn sources() -> Sources {
    let Library { books, reviews, favorites, .. } = library::generate(&DEMO, SEED);
    Sources {
        ratings: Ratings {
            user: reviews.iter().map(|r| r.user_id).collect(),
            item: reviews.iter().map(|r| r.book_id).collect(),
            stars: reviews.iter().map(|r| f32::from(r.stars)).collect(),
            at: reviews.iter().map(|r| r.reviewed).collect(),
            key: Vec::new(),
        },
        favorites: Favorites {
            user: favorites.iter().map(|f| f.user_id).collect(),
            item: favorites.iter().map(|f| f.book_id).collect(),
            at: favorites.iter().map(|f| f.added).collect(),
        },
        catalog: Catalog {
            id: books.iter().map(|b| b.id).collect(),
            category: books.iter().map(|b| b.category_id).collect(),
            author: books.iter().map(|b| b.author_id).collect(),
            published: books.iter().map(|b| b.published * SECONDS_PER_DAY).collect(),
            ..Catalog::default()
        },
        ..Sources::default()
    }
}

//! Runs a target on mutated inputs.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

/// A corpus is not larger than this.
const MOST: usize = 500;

thread_local! {
    static LARGEST: Cell<usize> = const { Cell::new(0) };
}

/// Notes the largest allocation of each thread.
struct Noting;

// SAFETY: the system's allocator does the work.
unsafe impl GlobalAlloc for Noting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LARGEST.set(LARGEST.get().max(layout.size()));
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Noting = Noting;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// A new input from a corpus.
pub type Mutate = fn(&mut Pcg64Mcg, &[Vec<u8>]) -> Vec<u8>;

/// What gives the inputs of a target, and what is called with them.
pub struct Target<'a> {
    pub name: &'a str,
    pub corpus: Vec<Vec<u8>>,
    pub mutate: Mutate,
    /// Gives a name to the answer; panics where the answer is wrong.
    pub look: &'a mut dyn FnMut(&[u8], &mut Pcg64Mcg) -> String,
}

impl Target<'_> {
    /// As many runs as FUZZ_RUNS says.
    pub fn run(mut self) {
        let (runs, seed) = (number("FUZZ_RUNS", 20_000), number("FUZZ_SEED", 42));
        let mut rng = Pcg64Mcg::seed_from_u64(seed);
        let (begun, mut answers) = (Instant::now(), HashSet::new());
        for run in 0..runs {
            let input = match self.corpus.get(run as usize) {
                Some(unchanged) => unchanged.clone(),
                None => (self.mutate)(&mut rng, &self.corpus),
            };
            LARGEST.set(0);
            let answer = catch_unwind(AssertUnwindSafe(|| (self.look)(&input, &mut rng)));
            let allowed = 64 * input.len() + (1 << 20);
            let Some(answer) = answer.ok().filter(|_| LARGEST.get() <= allowed) else {
                let path = std::env::temp_dir().join(format!("fuzz-{}-{seed}-{run}", self.name));
                let kept =
                    std::fs::write(&path, &input).map_or_else(|e| e.to_string(), |()| path.display().to_string());
                panic!("{}: seed {seed}, run {run}, largest allocation {}: {kept}", self.name, LARGEST.get());
            };
            if answers.insert(answer) && self.corpus.len() < MOST {
                self.corpus.push(input);
            }
        }
        let seconds = begun.elapsed().as_secs_f64();
        let speed = runs as f64 / seconds;
        println!(
            "fuzz: {:12} {runs} runs in {seconds:.0} s, {speed:.0} a second, seed {seed}, {} different answers",
            self.name,
            answers.len()
        );
        assert!(answers.len() > 1, "{}: every input got the same answer, so the target tests nothing", self.name);
    }
}

/// An error's kind: its text without numbers and what is quoted from the input.
pub fn kind(error: &impl std::fmt::Display) -> String {
    error.to_string().chars().filter(|c| c.is_ascii_alphabetic() || *c == ' ').take(60).collect()
}

pub fn pick<'a, T>(rng: &mut Pcg64Mcg, from: &'a [T]) -> &'a T {
    &from[rng.random_range(0..from.len())]
}

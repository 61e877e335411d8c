//! reco's side of the comparison with its peers. Python has the other side and runs the two in turn. They exchange flat
//! little-endian columns in files, and one JSON object per command on standard output.

mod columns;
mod cut;
mod evaluate;
mod measure;
mod models;
mod source;
mod stars;

use clap::{Parser, Subcommand};
use std::path::PathBuf;

pub type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// reco's side of the comparison with its peers: see tests/peers/compare
#[derive(Parser)]
struct Arguments {
    /// Threads of all parallel steps
    #[arg(long, default_value_t = 2)]
    threads: usize,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Generate a library into DATA/source
    Generate {
        data: PathBuf,
        #[arg(long)]
        users: usize,
        #[arg(long)]
        books: usize,
        #[arg(long)]
        interactions: usize,
    },
    /// Split DATA/source into DATA/outer (training and test) and DATA/inner (the same of the training part)
    Split { data: PathBuf },
    /// Write every pair of DATA/source, liked or not, as the training part of DATA/all
    All { data: PathBuf },
    /// A whole training run; its lists of the test users as DATA/outer/reco.PART
    Train {
        data: PathBuf,
        #[arg(long, default_value = "{}")]
        options: String,
    },
    /// Factorise with 1, 2, … epochs, each from the start; with lists if asked
    Als {
        cut: PathBuf,
        #[command(flatten)]
        params: models::Als,
    },
    /// Fit item neighbours
    Neighbours {
        cut: PathBuf,
        #[command(flatten)]
        params: models::Regression,
    },
    /// Predict the stars of the first FOLDS folds of DATA/source/rating.fold
    Stars { data: PathBuf, folds: i32 },
    /// Metrics of lists at 10, and how each differs from the first in NDCG
    Evaluate { cut: PathBuf, lists: Vec<PathBuf> },
}

fn main() -> Outcome<()> {
    let arguments = Arguments::parse();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(arguments.threads).build()?;
    let outcome = pool.install(|| match arguments.command {
        Command::Generate { data, users, books, interactions } => {
            source::generate(&data, &library::Size { users, books, interactions })
        }
        Command::Split { data } => cut::split(&data),
        Command::All { data } => cut::all(&data),
        Command::Train { data, options } => models::train(&data, &options, arguments.threads),
        Command::Als { cut, params } => models::als(&cut, &params),
        Command::Neighbours { cut, params } => models::neighbours(&cut, &params),
        Command::Stars { data, folds } => stars::stars(&data, folds),
        Command::Evaluate { cut, lists } => evaluate::evaluate(&cut, &lists),
    })?;
    println!("{outcome}");
    Ok(())
}

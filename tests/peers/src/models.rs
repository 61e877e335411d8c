//! reco's models, timed, and their lists.

use std::path::Path;
use std::time::Instant;

use clap::Args;
use rayon::prelude::*;
use reco_models::steps::{
    self, AlsParams, Factorisation, Interactions, NeighbourParams, Neighbours, Shrinkage, Split, top,
};
use reco_models::{Control, Error, Model, Params, Target};
use serde_json::{Value, json};

use crate::Outcome;
use crate::columns::{K, write_lists};
use crate::cut::{self, Cut};
use crate::evaluate::to_json;
use crate::measure::{flops_per_epoch, peak_memory};
use crate::source;

const SEED: u64 = 42;

#[derive(Args)]
pub struct Als {
    #[arg(long, default_value_t = 50)]
    factors: usize,
    /// From this many epochs
    #[arg(long, default_value_t = 1)]
    from: usize,
    /// To this many
    #[arg(long)]
    to: usize,
    #[arg(long)]
    regularization: f32,
    #[arg(long)]
    alpha0: f32,
    /// Writes the lists after each number of epochs E as CUT/NAME.E
    #[arg(long)]
    lists: Option<String>,
}

#[derive(Args)]
pub struct Regression {
    /// Predict each item from all others
    #[arg(long)]
    whole: bool,
    /// Neighbours that an item is predicted from; of all others, the weights that are kept of each
    #[arg(long, default_value_t = 50)]
    most: usize,
    #[arg(long)]
    ridge: f32,
    /// Share of the likes that is imagined to be dropped
    #[arg(long, default_value_t = 0.0)]
    dropout: f32,
    /// Power of the number of a user's likes that the user is weighed with
    #[arg(long, default_value_t = -0.25, allow_negative_numbers = true)]
    activity: f32,
    /// Writes the lists as CUT/NAME
    #[arg(long)]
    lists: Option<String>,
}

pub fn als(folder: &Path, options: &Als) -> Outcome<Value> {
    let matrix = cut::load_train(folder)?;
    let params = |epochs: usize| AlsParams {
        factors: options.factors,
        epochs,
        regularization: options.regularization,
        alpha0: options.alpha0,
        seed: SEED,
    };
    let mut seconds = Vec::new();
    for epochs in options.from..=options.to {
        let begun = Instant::now();
        let factors = steps::factorise(&matrix, &params(epochs), &Control::default())?;
        seconds.push(begun.elapsed().as_secs_f64());
        if let Some(name) = &options.lists {
            write_lists(folder, &format!("{name}.{epochs}"), &factor_lists(&Cut::load(folder)?, &factors))?;
        }
    }
    Ok(json!({
        "seconds": seconds, "interactions": matrix.nnz(), "users": matrix.rows(), "items": matrix.cols(),
        "flops_per_epoch": flops_per_epoch(&matrix, options.factors), "peak_memory": peak_memory(),
    }))
}

fn factor_lists(cut: &Cut, factors: &Factorisation) -> Vec<Vec<u32>> {
    lists(cut, |user, _| factors.items.dot(&factors.users.row(user as usize)).to_vec())
}

pub fn neighbours(folder: &Path, options: &Regression) -> Outcome<Value> {
    let matrix = cut::load_train(folder)?;
    let shrinkage = Shrinkage { ridge: options.ridge, dropout: options.dropout };
    let params = NeighbourParams { shrinkage, whole: options.whole, most: options.most, activity: options.activity };
    let begun = Instant::now();
    let neighbours = Neighbours::fit(&matrix, &params, &Control::default())?;
    let seconds = begun.elapsed().as_secs_f64();
    if let Some(name) = &options.lists {
        let cut = Cut::load(folder)?;
        write_lists(folder, name, &lists(&cut, |_, liked| neighbours.score_all(liked, matrix.cols())))?;
    }
    Ok(json!({"seconds": seconds, "peak_memory": peak_memory()}))
}

/// The best items of each evaluated user by `score`, which gets the user and its likes; without the likes.
fn lists(cut: &Cut, score: impl Fn(u32, &[(u32, f32)]) -> Vec<f32> + Sync) -> Vec<Vec<u32>> {
    let liked = |matrix: &Interactions, user: u32| -> Vec<(u32, f32)> {
        let Some(row) = matrix.outer_view(user as usize) else { return Vec::new() };
        row.indices().iter().copied().zip(row.data().iter().copied()).collect()
    };
    let list = |user: &u32| {
        let liked = liked(&cut.train, *user);
        let seen: Vec<u32> = liked.iter().map(|(item, _)| *item).collect();
        top(&score(*user, &liked), K, &seen)
    };
    cut.users.par_iter().map(list).collect()
}

pub fn train(data: &Path, options: &str, threads: usize) -> Outcome<Value> {
    let mut options: Value = serde_json::from_str(options)?;
    options["split"] = json!("by_user");
    let params = Params::from_json(&options)?.validate()?;
    let source = source::load(data)?;
    let begun = Instant::now();
    let control = Control::default();
    let trained = reco_models::train(source, &params, None, threads, &control)?;
    let seconds = begun.elapsed().as_secs_f64();
    let phases: serde_json::Map<String, Value> =
        control.seconds().into_iter().map(|(phase, seconds)| (phase.name().into(), json!(seconds))).collect();
    let outer = cut::outer(data)?;
    let lists = model_lists(&trained.twin, &outer)?;
    for (part, lists) in ["ensemble", "collaborative"].iter().zip(&lists) {
        write_lists(&data.join("outer"), &format!("reco.{part}"), lists)?;
    }
    let recipe = &trained.choice.recipe;
    let evaluation: serde_json::Map<String, Value> =
        trained.evaluation.summaries().map(|(system, s)| (system.name().into(), to_json(s.mean))).collect();
    Ok(json!({
        "seconds": seconds, "phases": phases, "regularization": recipe.als.regularization, "alpha0": recipe.als.alpha0,
        "ridge": recipe.neighbours.first.shrinkage.ridge, "share": recipe.blend.share,
        "choice": trained.choice.report(), "weights": trained.twin.weights().parts(), "evaluation": evaluation, "peak_memory": peak_memory(),
    }))
}

/// The lists of the twin, which has not seen the hold-out: by the whole score, and by its collaborative part.
fn model_lists(twin: &Model, outer: &Split) -> Result<[Vec<Vec<u32>>; 2], Error> {
    let data = &outer.train.data;
    let every: Vec<u32> = (0..data.items.len() as u32).collect();
    let targets: Vec<Target> = every.iter().map(|item| Target::Known(*item)).collect();
    let both = |user: &u32| -> Result<(Vec<u32>, Vec<u32>), Error> {
        let row = data.events.row(*user as usize);
        let ready = twin.user(row, data.since[*user as usize], None)?;
        let seen: Vec<u32> = twin.feedback().positives(row).map(|(item, _)| item).collect();
        let scores: Vec<f32> = twin.score(&ready, &targets).iter().map(|s| s.score).collect();
        let [collaborative, ..] = twin.raw(&ready, &every);
        Ok((top(&scores, K, &seen), top(&collaborative, K, &seen)))
    };
    let all: Vec<_> = cut::test_users(outer).par_iter().map(both).collect::<Result<_, _>>()?;
    let (ensemble, collaborative) = all.into_iter().unzip();
    Ok([ensemble, collaborative])
}

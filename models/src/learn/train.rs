//! A whole run: split, choose, fit, evaluate, decide, refit.

use ndarray::Array2;

use crate::control::{Control, Phase};
use crate::data::cut::Cut;
use crate::data::dataset::{Dataset, Sources};
use crate::data::split::{HOLDOUT_SALT, HeldOut, Split, VALIDATION_SALT, sample, split};
use crate::error::{Error, Result};
use crate::learn::choose::{self, Trials};
use crate::learn::evaluate::{Evaluation, HoldOut, System};
use crate::learn::fit::{self, Settled};
use crate::learn::gate::{Contest, Decision, Opponent};
use crate::learn::metrics;
use crate::learn::params::{ValidParams, WeightChoice};
use crate::learn::prepare::{self, Core};
use crate::learn::refit::refit;
use crate::learn::report::Choice;
use crate::model::model::Model;
use crate::parts::content::Forest;
use crate::parts::ratings::{self, RatingModel};

/// What a run gives.
pub struct Trained {
    /// Fitted on everything: to be served.
    pub model: Model,
    /// Fitted without the hold-out: to be compared with its successors.
    pub twin: Model,
    pub data: Dataset,
    /// users × k; a row of zeros for a user without a liked item.
    pub user_factors: Array2<f32>,
    pub decision: Decision,
    pub evaluation: Evaluation,
    pub choice: Choice,
    /// Remarks that the user should read.
    pub notes: Vec<String>,
}

/// The active model, for a challenger to be compared with.
pub struct Champion {
    /// Fitted without the hold-out of its own run.
    pub twin: Model,
    /// What that hold-out holds.
    pub held: HeldOut,
}

/// Trains, evaluates and decides, on `threads` threads of its own.
///
/// The result depends on data, parameters and champion, not on threads.
///
/// # Errors
/// [`Error::TooLittleData`] where nothing can be learned, [`Error::Value`] for stars outside of 1 to 5,
/// [`Error::Stopped`], [`Error::Threads`], and what the parts report.
pub fn train(
    sources: Sources,
    params: &ValidParams,
    champion: Option<&Champion>,
    threads: usize,
    control: &Control,
) -> Result<Trained> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let pool = pool.map_err(|e| Error::Threads(e.to_string()))?;
    pool.install(|| Run { params, control }.all(Dataset::build(sources)?, champion))
}

struct Run<'a> {
    params: &'a ValidParams,
    control: &'a Control,
}

impl Run<'_> {
    fn all(&self, data: Dataset, champion: Option<&Champion>) -> Result<Trained> {
        let mut notes = Vec::new();
        let all = Cut::new(data, self.params.positive_stars);
        let Core { cut: core, min_interactions } = prepare::core(&all, self.params, self.control, &mut notes)?;
        let outer = split(&core, self.params.split, self.params.holdout, HOLDOUT_SALT);
        let (settled, trials) = self.settle(&outer, &mut notes)?;

        self.control.enter(Phase::Factorising)?;
        let twin = fit::fit(&outer.train, &[(outer.held, HOLDOUT_SALT)], &settled, self.control)?;

        self.control.enter(Phase::Evaluating)?;
        let comparable = champion.filter(|c| c.held.covers(&outer.held)).map(|c| &c.twin);
        let (evaluation, rival) = self.evaluate(&twin, comparable, &outer, &settled)?;
        let decision = self.decide(&evaluation, champion.is_some(), rival.as_deref());
        self.remark_on_weights(&evaluation, &settled, &mut notes);
        let held = outer.held;
        drop(outer);

        self.control.enter(Phase::Refitting)?;
        let (model, user_factors) = refit(&all, &core, &settled, self.control)?;

        self.control.enter(Phase::Ratings)?;
        let data = all.data;
        let ratings = ratings::evaluate(&data, self.params.seed, self.control)?;
        let model = model.with_ratings(RatingModel::fit(&data, self.params.seed, self.control)?);
        let trees = settled.forest.as_ref().map_or(0, Forest::trees);
        let Settled { recipe, verdict, .. } = settled;
        let choice = Choice { held, min_interactions, recipe, trials, verdict, trees, ratings };
        Ok(Trained { model, twin, data, user_factors, decision, evaluation, choice, notes })
    }

    /// What a validation part of the training side says: parameters, forest, weights.
    fn settle(&self, outer: &Split, notes: &mut Vec<String>) -> Result<(Settled, Trials)> {
        let inner = split(&outer.train, outer.held.kind(), self.params.holdout, VALIDATION_SALT);
        let held = [(outer.held, HOLDOUT_SALT), (inner.held, VALIDATION_SALT)];
        self.control.enter(Phase::Choosing)?;
        let (recipe, part, trials) = choose::choose(&inner, &held, self.params, self.control)?;
        if trials.cut_short {
            notes.push(format!(
                "the budget ended the search for parameters after {} tries; a longer budget may find better ones",
                trials.als.len()
            ));
        }
        self.control.enter(Phase::Content)?;
        Ok((fit::settle(&inner, part, recipe, self.params, self.control)?, trials))
    }

    /// All systems on the hold-out; and NDCG by user of the champion's ensemble.
    fn evaluate(
        &self,
        twin: &Model,
        champion: Option<&Model>,
        outer: &Split,
        settled: &Settled,
    ) -> Result<(Evaluation, Option<Vec<f64>>)> {
        let items = outer.train.data.items.len();
        let most = self.params.budget.evaluated(self.params.evaluation_users, items);
        let hold_out = HoldOut { split: outer, users: sample(&outer.users(), most), control: self.control };
        let evaluation = hold_out.systems(twin, settled.verdict.weights, self.params.seed, (0.0, 0.6))?;
        let rival = champion.map(|model| hold_out.foreign_ensemble(model, (0.6, 1.0))).transpose()?;
        Ok((evaluation, rival))
    }

    fn decide(&self, evaluation: &Evaluation, has_champion: bool, rival: Option<&[f64]>) -> Decision {
        let champion = match rival {
            Some(ndcg) => Opponent::Evaluated(ndcg),
            None if has_champion => Opponent::Incomparable,
            None => Opponent::None,
        };
        Contest {
            challenger: &evaluation.ndcg(System::Ensemble),
            popularity: &evaluation.ndcg(System::Popularity),
            champion,
            force: self.params.force,
            seed: self.params.seed,
        }
        .decide()
    }

    /// Which weights serve and why; whether others would rank clearly better.
    fn remark_on_weights(&self, evaluation: &Evaluation, settled: &Settled, notes: &mut Vec<String>) {
        if settled.forest.is_none() && self.params.trees > 0 {
            notes.push(
                "no content part: the catalogue has no category, author, date, text or embedding to learn from, or too little is \
                 liked"
                    .into(),
            );
        }
        if self.params.weights == WeightChoice::Auto {
            return notes.push(settled.verdict.sentence());
        }
        let (learned, used) = (evaluation.ndcg(System::EnsembleLearned), evaluation.ndcg(System::Ensemble));
        let (low, _) = metrics::paired_interval(&learned, &used, self.params.seed);
        if low > 0.0 {
            let [c, t, p] = settled.verdict.weights.parts();
            let (new, old) = (choose::mean(&learned), choose::mean(&used));
            notes.push(format!(
                "learned weights (collaborative {c:.2}, content_based {t:.2}, popularity {p:.2}) would rank clearly better: \
                 NDCG@10 {new:.4} against {old:.4}; leave \"weights\" out, or see {{\"weights\": \"auto\"}}"
            ));
        }
    }
}

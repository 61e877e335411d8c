//! A whole run: split, choose, fit, evaluate, decide, refit.

use ndarray::{Array2, Axis};
use rayon::prelude::*;

use crate::control::{Control, Phase};
use crate::data::dataset::{Dataset, Sources};
use crate::data::feedback::Feedback;
use crate::data::items::ItemTable;
use crate::data::split::SplitKind;
use crate::data::split::{self, Split};
use crate::error::{Error, Result};
use crate::learn::choose::{self, Evidence, K, Recipe, VALIDATION_USERS};
use crate::learn::evaluate::{self, Judged, Ranker, Summary, System};
use crate::learn::gate::{self, Contest, Decision};
use crate::learn::metrics;
use crate::learn::params::{ValidParams, WeightChoice};
use crate::model::calibration::Calibration;
use crate::model::ensemble::Weights;
use crate::model::model::Model;
use crate::model::uncalibrated::Uncalibrated;
use crate::parts::als::{self, Factorisation};
use crate::parts::collaborative::Collaborative;
use crate::parts::content::{self, BoostParams, Forest};
use crate::parts::neighbours;
use crate::parts::ratings::{self, RatingEvidence, RatingModel};

/// Leaves of a content tree.
const LEAVES: usize = 16;
/// Independent salts of the outer and the inner cut.
pub const HOLDOUT_SALT: u64 = 1;
pub const VALIDATION_SALT: u64 = 2;

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
    pub evaluation: Vec<(&'static str, Summary)>,
    pub choice: Choice,
    /// Remarks that the user should read.
    pub notes: Vec<String>,
}

/// The active model, for a challenger to be compared with.
pub struct Champion {
    /// Fitted without the hold-out of its own run.
    pub twin: Model,
    /// How that hold-out was cut.
    pub split: SplitKind,
}

impl Trained {
    /// The means of an evaluated system; zeros for a name that was not evaluated.
    pub fn summary(&self, name: &str) -> Summary {
        let found = self.evaluation.iter().find(|(system, _)| *system == name);
        found.map_or(Summary { users: 0, mean: metrics::Metrics::default(), ndcg_low: 0.0, ndcg_high: 0.0 }, |f| f.1)
    }
}

/// What validation chose.
#[derive(Debug, Clone)]
pub struct Choice {
    pub split: SplitKind,
    pub min_interactions: usize,
    pub recipe: Recipe,
    pub evidence: Evidence,
    pub learned_weights: Weights,
    pub trees: usize,
    /// How well stars are predicted; None with too few reviews.
    pub ratings: Option<RatingEvidence>,
}

/// Bytes that a run needs at most, about: what was read, four indexed copies of the interactions (all, core, two
/// training parts), the matrices in both orientations, factors of both sides three times, three sets of neighbours of
/// the items that enough users share and the regressions behind one, the content rows, and what predicting stars takes.
pub fn estimate_memory(interactions: usize, users: usize, items: usize, params: &ValidParams) -> u64 {
    let per_interaction = 28 + 4 * 18 + 2 * 2 * 8 + ratings::BYTES_PER_RATING;
    let per_row = 3 * 4 * params.factors + 200 + ratings::BYTES_PER_ROW;
    let shared_items = items.min(interactions / 5);
    let per_shared_item = (3 * 8 + 20) * params.neighbours;
    let content_rows = 300 << 20;
    let systems = neighbours::block_bytes(shared_items, params.neighbours);
    (interactions * per_interaction
        + (users + items) * per_row
        + shared_items * per_shared_item
        + systems
        + content_rows) as u64
}

/// Trains, evaluates and decides, on `threads` threads of its own.
///
/// The result depends on data, parameters and champion, not on threads.
///
/// # Errors
/// [`Error::TooLittleData`] where nothing can be learned, [`Error::Stopped`], and what the parts report.
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
        let (core, min_interactions) = self.core(&data, &mut notes)?;
        let outer = self.split(&core, self.params.split, HOLDOUT_SALT);
        let inner = self.split(&outer.train, outer.kind, VALIDATION_SALT);

        self.control.enter(Phase::Choosing)?;
        let (recipe, part, evidence) = choose::choose(&inner, &self.feedback(&inner.train), self.params, self.control)?;

        if evidence.cut_short {
            notes.push(format!(
                "the budget ended the search for parameters after {} tries; a longer budget may find better ones",
                evidence.als.len()
            ));
        }

        self.control.enter(Phase::Content)?;
        let (forest, learned_weights) = self.content(&inner, part)?;
        let weights = match self.params.weights {
            WeightChoice::Fixed(weights) => weights,
            WeightChoice::Auto => learned_weights,
        };

        self.control.enter(Phase::Factorising)?;
        let twin = self.fit(&outer.train, &recipe, forest.clone(), weights)?;

        self.control.enter(Phase::Evaluating)?;
        let comparable = champion.filter(|c| c.split == outer.kind).map(|c| &c.twin);
        let (judged, rival) = self.evaluate(&twin, comparable, &outer, learned_weights)?;
        let decision = self.decide(&judged, champion.is_some(), rival.as_ref());
        self.compare_weights(&judged, &mut notes);
        let evaluation = judged.iter().map(|(name, j)| (*name, j.summary(self.params.seed))).collect();

        self.control.enter(Phase::Refitting)?;
        let trees = forest.as_ref().map_or(0, Forest::trees);
        let (mut model, user_factors) = self.refit(&data, &core, &recipe, forest, weights)?;

        self.control.enter(Phase::Ratings)?;
        let ratings = ratings::judge(&data, self.params.seed, self.control)?;
        model = model.with_ratings(RatingModel::fit(&data, self.params.seed, self.control)?);
        let choice = Choice { split: outer.kind, min_interactions, recipe, evidence, learned_weights, trees, ratings };
        Ok(Trained { model, twin, data, user_factors, decision, evaluation, choice, notes })
    }

    fn feedback(&self, data: &Dataset) -> Feedback {
        Feedback { positive_stars: self.params.positive_stars, now: data.latest }
    }

    fn split(&self, data: &Dataset, kind: SplitKind, salt: u64) -> Split {
        split::split(data, &self.feedback(data), kind, self.params.holdout, salt)
    }

    /// The users and items that have enough positives. Without an order: 5, or less where 5 would leave less than
    /// a fifth of the positives (a young site).
    fn core(&self, data: &Dataset, notes: &mut Vec<String>) -> Result<(Dataset, usize)> {
        const USUAL: usize = 5;
        let feedback = self.feedback(data);
        let positives = feedback.interactions(data).nnz();
        if positives == 0 {
            let stars = self.params.positive_stars;
            return Err(Error::TooLittleData(format!(
                "there is no favourite and no review of {stars} stars or more: nothing to learn from"
            )));
        }
        let tries = self.params.min_interactions.map_or(vec![USUAL, 3, 2, 1], |fixed| vec![fixed]);
        for min in tries {
            self.control.check()?;
            let (users, items) = split::core(data, &feedback, min);
            let core = data.restrict(&users, &items);
            let kept = feedback.interactions(&core).nnz();
            let enough = kept * 5 >= positives || self.params.min_interactions.is_some() || min == 1;
            if enough && kept > 0 {
                if min < USUAL && self.params.min_interactions.is_none() {
                    notes.push(format!(
                        "few interactions: trained on users and items with at least {min} positives instead of {USUAL}"
                    ));
                }
                return Ok((core, min));
            }
        }
        let least = self.params.min_interactions.unwrap_or(1);
        Err(Error::TooLittleData(format!(
            "no users and items with at least {least} positives each; lower the option \"min_interactions\""
        )))
    }

    /// The forest, and the weights that validation would choose. The forest learns from three in four of the
    /// validation users, the weights from the rest: a forest looks too good on its own training set.
    fn content(&self, inner: &Split, part: Collaborative) -> Result<(Option<Forest>, Weights)> {
        let data = &inner.train;
        let users = inner.users(&self.feedback(data));
        let for_weights = |place: &usize| place % 4 == 3;
        let pick = |weights: bool| -> Vec<u32> {
            users.iter().enumerate().filter(|(i, _)| for_weights(i) == weights).map(|(_, u)| *u).collect()
        };
        let bare = self.assemble(data, part, None);
        let encode = |user: u32| {
            let row = data.events.row(user as usize);
            Ok(bare.features(row, data.since[user as usize], bare.fold_in(row)?))
        };
        let boost = BoostParams {
            trees: self.params.trees,
            leaves: LEAVES,
            learning_rate: self.params.learning_rate,
            seed: self.params.seed,
        };
        let rows = self.params.budget.content_rows(content::MAX_ROWS);
        let forest = content::train(bare.encoder(), inner, &pick(false), encode, rows, &boost, self.control)?;
        let model = self.calibrated(bare.with_forest(forest.clone()), data, Weights::default())?;
        let users = evaluate::sample(&pick(true), self.params.budget.weighed(VALIDATION_USERS, data.items.len()));
        let weights = evaluate::learn_weights(&Ranker::own(&model, data), inner, &users, K, self.control)?;
        Ok((forest, weights))
    }

    /// A model of `data`, every item of which is ranked.
    fn fit(&self, data: &Dataset, recipe: &Recipe, forest: Option<Forest>, weights: Weights) -> Result<Model> {
        let matrix = self.feedback(data).interactions(data);
        let (part, _) = choose::fit(&matrix, recipe, self.control)?;
        self.calibrated(self.assemble(data, part, forest), data, weights)
    }

    /// A model that is not calibrated yet.
    fn assemble(&self, data: &Dataset, part: Collaborative, forest: Option<Forest>) -> Uncalibrated {
        let feedback = self.feedback(data);
        Uncalibrated::new(feedback, ItemTable::count(data, &feedback), part, forest)
    }

    fn calibrated(&self, model: Uncalibrated, data: &Dataset, weights: Weights) -> Result<Model> {
        let calibrations = self.calibrate(&model, data)?;
        Ok(model.calibrated(calibrations, weights, None))
    }

    /// Calibrations from the raw scores of up to 500 users and 4000 items, evenly spread.
    fn calibrate(&self, model: &Uncalibrated, data: &Dataset) -> Result<[Calibration; 3]> {
        let feedback = self.feedback(data);
        let liking: Vec<u32> = (0..data.users.len() as u32)
            .filter(|u| feedback.positives(data.events.row(*u as usize)).next().is_some())
            .collect();
        let users = evaluate::sample(&liking, 500);
        let all: Vec<u32> = (0..data.items.len() as u32).collect();
        let raw: Vec<[Vec<f32>; 3]> = users
            .par_iter()
            .enumerate()
            .map(|(i, user)| {
                self.control.check()?;
                // Another slice of the items for each user, so that all of them are met.
                let step = all.len().div_ceil(4000).max(1);
                let items: Vec<u32> = all.iter().copied().skip(i % step).step_by(step).collect();
                let user = model.user(data.events.row(*user as usize), data.since[*user as usize], None)?;
                Ok(model.raw(&user, &items))
            })
            .collect::<Result<_>>()?;
        let of = |part: usize| raw.iter().flat_map(|r| r[part].iter().copied()).collect();
        Ok([
            Calibration::fit(of(0), all.len()),
            Calibration::fit(of(1), all.len()),
            Calibration::fit(model.raw_popularity().to_vec(), all.len()),
        ])
    }

    /// All systems on the hold-out, by the names that the metrics are stored under; and the champion's ensemble.
    #[allow(clippy::type_complexity)]
    fn evaluate(
        &self,
        twin: &Model,
        champion: Option<&Model>,
        outer: &Split,
        learned: Weights,
    ) -> Result<(Vec<(&'static str, Judged)>, Option<Judged>)> {
        let systems = [
            ("random", System::Random),
            ("rules", System::Rules),
            ("popularity", System::Popularity),
            ("collaborative", System::Collaborative),
            ("content_based", System::Content),
            ("ensemble", System::Ensemble(twin.weights())),
            ("ensemble_fixed", System::Ensemble(Weights::default())),
            ("ensemble_learned", System::Ensemble(learned)),
        ];
        let most = self.params.budget.evaluated(self.params.evaluation_users, outer.train.items.len());
        let users = evaluate::sample(&outer.users(&self.feedback(&outer.train)), most);
        let judge = |ranker: &Ranker<'_>, systems: &[System], from: f32, to: f32| -> Result<Vec<Judged>> {
            let mut all: Vec<Judged> = systems.iter().map(|s| Judged { system: *s, users: Vec::new() }).collect();
            let chunk = users.len().div_ceil(20).max(1);
            for (i, users) in users.chunks(chunk).enumerate() {
                self.control.done(from + (to - from) * i as f32 / 20.0)?;
                let part = evaluate::evaluate(ranker, outer, users, systems, K, self.control)?;
                all.iter_mut().zip(part).for_each(|(all, part)| all.users.extend(part.users));
            }
            Ok(all)
        };
        let own = Ranker::own(twin, &outer.train);
        let judged = judge(&own, &systems.map(|s| s.1), 0.0, 0.6)?;
        let champion = match champion {
            None => None,
            Some(model) => {
                let weights = model.weights();
                let ranker = Ranker::foreign(model, &outer.train);
                judge(&ranker, &[System::Ensemble(weights)], 0.6, 1.0)?.pop()
            }
        };
        Ok((systems.iter().map(|s| s.0).zip(judged).collect(), champion))
    }

    fn decide(&self, judged: &[(&'static str, Judged)], has_champion: bool, rival: Option<&Judged>) -> Decision {
        let ndcg = |name: &str| judged.iter().find(|j| j.0 == name).map(|j| j.1.ndcg()).unwrap_or_default();
        let rival = rival.map(Judged::ndcg);
        let champion = match &rival {
            Some(ndcg) => gate::Champion::Judged(ndcg),
            None if has_champion => gate::Champion::Incomparable,
            None => gate::Champion::None,
        };
        Contest {
            challenger: &ndcg("ensemble"),
            popularity: &ndcg("popularity"),
            champion,
            force: self.params.force,
            seed: self.params.seed,
        }
        .decide()
    }

    /// Says so where learned weights would rank clearly better than the fixed ones that are used.
    fn compare_weights(&self, judged: &[(&'static str, Judged)], notes: &mut Vec<String>) {
        if self.params.weights == WeightChoice::Auto {
            return;
        }
        let find = |name: &str| judged.iter().find(|j| j.0 == name).map(|j| &j.1);
        let (Some(used), Some(learned)) = (find("ensemble"), find("ensemble_learned")) else {
            return;
        };
        let (a, b) = (learned.ndcg(), used.ndcg());
        let (low, _) = metrics::paired_interval(&a, &b, self.params.seed);
        if low > 0.0
            && let System::Ensemble(weights) = learned.system
        {
            let [c, t, p] = weights.parts();
            let (new, old) = (metrics::mean(&learned.users).ndcg, metrics::mean(&used.users).ndcg);
            notes.push(format!(
                "learned weights (collaborative {c:.2}, content_based {t:.2}, popularity {p:.2}) would rank clearly better: \
                 NDCG@10 {new:.4} against {old:.4}; see {{\"weights\": \"auto\"}}"
            ));
        }
    }

    /// Trains on the core with the hold-out, folds in the items outside of it, and gives every user a vector.
    fn refit(
        &self,
        data: &Dataset,
        core: &Dataset,
        recipe: &Recipe,
        forest: Option<Forest>,
        weights: Weights,
    ) -> Result<(Model, Array2<f32>)> {
        let feedback = self.feedback(data);
        let (core_part, trained) = choose::fit(&feedback.interactions(core), recipe, self.control)?;
        let index = |item: u32| data.items.binary_search(&core.items[item as usize]).unwrap_or(0) as u32;
        let part = Collaborative {
            factors: self.all_item_factors(data, core, &trained, &recipe.als)?.into(),
            // Every item of the core is an item of all.
            neighbours: core_part.neighbours.renumbered(data.items.len(), index),
            ..core_part
        };
        let model = self.calibrated(self.assemble(data, part, forest), data, weights)?;
        let mut users = Array2::zeros((data.users.len(), recipe.als.factors));
        users.axis_chunks_iter_mut(Axis(0), 256).into_par_iter().enumerate().try_for_each(|(chunk, mut rows)| {
            self.control.check()?;
            for (i, mut row) in rows.rows_mut().into_iter().enumerate() {
                let vector = model.fold_in(data.events.row(chunk * 256 + i))?;
                row.iter_mut().zip(vector).for_each(|(to, from)| *to = from);
            }
            Ok(())
        })?;
        Ok((model, users))
    }

    fn all_item_factors(
        &self,
        data: &Dataset,
        core: &Dataset,
        trained: &Factorisation,
        params: &als::AlsParams,
    ) -> Result<Array2<f32>> {
        let users: Vec<u32> =
            core.users.iter().filter_map(|id| data.users.binary_search(id).ok().map(|u| u as u32)).collect();
        let every: Vec<u32> = (0..data.items.len() as u32).collect();
        let of_core_users = data.restrict(&users, &every);
        let by_item = als::transposed(&self.feedback(data).interactions(&of_core_users));
        let mut items = trained.fold_in_items(&by_item, params, self.control)?;
        for (row, id) in trained.items.rows().into_iter().zip(&core.items) {
            if let Ok(item) = data.items.binary_search(id) {
                items.row_mut(item).assign(&row);
            }
        }
        Ok(items)
    }
}

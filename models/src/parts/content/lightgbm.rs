//! LightGBM (Ke et al., NIPS 2017), for training only: examples in, trees out. Its memory is freed on every path, its
//! loop can be stopped, and its model text is read here only, in the process that wrote it.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr;

use lightgbm3_sys as sys;

use super::forest::Splits;
use crate::control::Control;
use crate::error::{Error, Result};

/// What trees learn from. One label and one weight per example.
#[derive(Debug, Default)]
pub struct Examples {
    /// Row-major, examples × features; finite.
    pub features: Vec<f32>,
    /// 0 or 1.
    pub label: Vec<f32>,
    /// Above 0.
    pub weight: Vec<f32>,
}

impl Examples {
    pub fn is_empty(&self) -> bool {
        self.label.is_empty()
    }

    /// Adds an example with the features of one row.
    pub fn push(&mut self, row: &[f32], label: f32, weight: f32) {
        self.features.extend_from_slice(row);
        self.label.push(label);
        self.weight.push(weight);
    }

    /// Adds the examples of `other` after those that are there.
    pub fn append(&mut self, mut other: Examples) {
        self.features.append(&mut other.features);
        self.label.append(&mut other.label);
        self.weight.append(&mut other.weight);
    }

    fn check(&self, columns: usize) -> Result<()> {
        // LightGBM ends the process on some of these, and with it the whole cluster.
        let rows = self.label.len();
        let sound = rows > 0
            && i32::try_from(rows).is_ok()
            && self.weight.len() == rows
            && self.features.len() == rows * columns
            && self.label.iter().all(|l| *l == 0.0 || *l == 1.0)
            && self.weight.iter().all(|w| w.is_finite() && *w > 0.0)
            && self.features.iter().all(|f| f.is_finite());
        if sound { Ok(()) } else { Err(Error::NotFinite("a row of the content model's training set")) }
    }
}

/// How trees are boosted.
#[derive(Debug, Clone, Copy)]
pub struct BoostParams {
    /// At most this number of trees.
    pub trees: usize,
    /// At most this number of leaves in each.
    pub leaves: usize,
    /// Above 0, at most 1.
    pub learning_rate: f64,
    pub seed: u64,
}

/// Training ends after this number of rounds without a lower loss on validation.
const PATIENCE: usize = 10;

/// Boosts trees on `train`, and keeps those up to the round with the least logistic loss on `valid`; none where no tree
/// lowers it. `columns`: the number of features.
///
/// # Errors
/// [`Error::NotFinite`] for examples that LightGBM cannot take, [`Error::LightGbm`] with its message, and
/// [`Error::Stopped`].
pub fn boost(
    train: &Examples,
    valid: &Examples,
    columns: usize,
    params: &BoostParams,
    control: &Control,
) -> Result<Vec<Splits>> {
    train.check(columns)?;
    valid.check(columns)?;
    let text = parameters(params);
    let train = LightGbmDataset::new(train, columns, &text, None)?;
    let valid = LightGbmDataset::new(valid, columns, &text, Some(&train))?;
    control.check()?;
    let booster = Booster::new(&train, &valid, &text)?;
    let (mut best, mut best_loss) = (0, f64::INFINITY);
    for round in 0..params.trees {
        control.done(round as f32 / params.trees as f32)?;
        if booster.update()? {
            break;
        }
        let loss = booster.validation_loss()?;
        if loss < best_loss {
            (best, best_loss) = (round + 1, loss);
        } else if round + 1 - best >= PATIENCE {
            break;
        }
    }
    booster.trees(best)
}

fn parameters(params: &BoostParams) -> String {
    // Only numbers that were checked come from a user: some of LightGBM's parameters open files.
    format!(
        "objective=binary metric=binary_logloss num_leaves={} learning_rate={} num_threads=1 seed={} deterministic=true \
         force_row_wise=true use_missing=false min_data_in_leaf=50 lambda_l2=1 bagging_fraction=0.5 bagging_freq=1 \
         feature_fraction=0.8 max_bin=255 verbosity=-1",
        params.leaves,
        params.learning_rate,
        params.seed % i32::MAX as u64,
    )
}

fn call(status: c_int) -> Result<()> {
    if status == 0 {
        return Ok(());
    }
    // SAFETY: gives a NUL-terminated string that lives until this thread's next failing call.
    let message = unsafe { CStr::from_ptr(sys::LGBM_GetLastError()) };
    Err(Error::LightGbm(message.to_string_lossy().into_owned()))
}

fn c_string(text: &str) -> Result<CString> {
    CString::new(text).map_err(|_| Error::LightGbm("a NUL in the parameters".into()))
}

struct LightGbmDataset(sys::DatasetHandle);

impl LightGbmDataset {
    fn new(rows: &Examples, columns: usize, params: &str, reference: Option<&LightGbmDataset>) -> Result<Self> {
        let params = c_string(params)?;
        let mut handle: sys::DatasetHandle = ptr::null_mut();
        // SAFETY: the matrix has label.len() × columns values (checked), and LightGBM copies it.
        call(unsafe {
            sys::LGBM_DatasetCreateFromMat(
                rows.features.as_ptr().cast::<c_void>(),
                sys::C_API_DTYPE_FLOAT32 as c_int,
                rows.label.len() as i32,
                columns as i32,
                1,
                params.as_ptr(),
                reference.map_or(ptr::null_mut(), |r| r.0),
                &mut handle,
            )
        })?;
        let dataset = LightGbmDataset(handle);
        dataset.set(c"label", &rows.label)?;
        dataset.set(c"weight", &rows.weight)?;
        Ok(dataset)
    }

    fn set(&self, field: &CStr, values: &[f32]) -> Result<()> {
        // SAFETY: the handle is live, the length is that of the slice, and LightGBM copies it.
        call(unsafe {
            sys::LGBM_DatasetSetField(
                self.0,
                field.as_ptr(),
                values.as_ptr().cast::<c_void>(),
                values.len() as c_int,
                sys::C_API_DTYPE_FLOAT32 as c_int,
            )
        })
    }
}

impl Drop for LightGbmDataset {
    fn drop(&mut self) {
        // SAFETY: made by LightGBM and freed once.
        unsafe { sys::LGBM_DatasetFree(self.0) };
    }
}

struct Booster<'a> {
    handle: sys::BoosterHandle,
    /// The booster reads its data sets until it is freed.
    _data: [&'a LightGbmDataset; 2],
}

impl<'a> Booster<'a> {
    fn new(train: &'a LightGbmDataset, valid: &'a LightGbmDataset, params: &str) -> Result<Self> {
        let params = c_string(params)?;
        let mut handle: sys::BoosterHandle = ptr::null_mut();
        // SAFETY: live handles and a NUL-terminated string.
        call(unsafe { sys::LGBM_BoosterCreate(train.0, params.as_ptr(), &mut handle) })?;
        let booster = Booster { handle, _data: [train, valid] };
        // SAFETY: as above.
        call(unsafe { sys::LGBM_BoosterAddValidData(booster.handle, valid.0) })?;
        Ok(booster)
    }

    /// Adds a tree; true if there was nothing left to split.
    fn update(&self) -> Result<bool> {
        let mut finished: c_int = 0;
        // SAFETY: a live handle and a place for the answer.
        call(unsafe { sys::LGBM_BoosterUpdateOneIter(self.handle, &mut finished) })?;
        Ok(finished != 0)
    }

    fn validation_loss(&self) -> Result<f64> {
        let (mut count, mut loss) = (0 as c_int, [f64::NAN; 1]);
        // SAFETY: one metric is configured, so one value is written.
        call(unsafe { sys::LGBM_BoosterGetEval(self.handle, 1, &mut count, loss.as_mut_ptr()) })?;
        if count == 1 && loss[0].is_finite() { Ok(loss[0]) } else { Err(Error::NotFinite("the validation loss")) }
    }

    fn trees(&self, count: usize) -> Result<Vec<Splits>> {
        if count == 0 {
            return Ok(Vec::new());
        }
        parse(&self.text(count)?)
    }

    fn text(&self, count: usize) -> Result<String> {
        let mut buffer: Vec<u8> = vec![0; 1 << 20];
        loop {
            let mut length = 0i64;
            // SAFETY: at most buffer.len() bytes are written; `length` is what is needed, with the NUL.
            call(unsafe {
                sys::LGBM_BoosterSaveModelToString(
                    self.handle,
                    0,
                    count as c_int,
                    0,
                    buffer.len() as i64,
                    &mut length,
                    buffer.as_mut_ptr().cast::<c_char>(),
                )
            })?;
            if length as usize <= buffer.len() {
                buffer.truncate((length as usize).saturating_sub(1));
                return String::from_utf8(buffer).map_err(|_| Error::LightGbm("the model text is not UTF-8".into()));
            }
            buffer.resize(length as usize, 0);
        }
    }

    #[cfg(test)]
    fn raw_scores(&self, rows: &Examples, columns: usize, count: usize) -> Vec<f64> {
        self.predict(rows, columns, count, sys::C_API_PREDICT_RAW_SCORE as c_int, 1)
    }

    /// Per row, what each feature adds, and the mean.
    #[cfg(test)]
    fn contributions(&self, rows: &Examples, columns: usize, count: usize) -> Vec<f64> {
        self.predict(rows, columns, count, sys::C_API_PREDICT_CONTRIB as c_int, columns + 1)
    }

    #[cfg(test)]
    fn predict(&self, rows: &Examples, columns: usize, count: usize, what: c_int, width: usize) -> Vec<f64> {
        let mut out = vec![0.0; rows.label.len() * width];
        let mut length = 0i64;
        // SAFETY: `width` values per row are written.
        call(unsafe {
            sys::LGBM_BoosterPredictForMat(
                self.handle,
                rows.features.as_ptr().cast::<c_void>(),
                sys::C_API_DTYPE_FLOAT32 as c_int,
                rows.label.len() as i32,
                columns as i32,
                1,
                what,
                0,
                count as c_int,
                c"".as_ptr(),
                &mut length,
                out.as_mut_ptr(),
            )
        })
        .unwrap();
        out
    }
}

impl Drop for Booster<'_> {
    fn drop(&mut self) {
        // SAFETY: made by LightGBM and freed once, before its data sets.
        unsafe { sys::LGBM_BoosterFree(self.handle) };
    }
}

/// Reads the trees from LightGBM's model text.
fn parse(text: &str) -> Result<Vec<Splits>> {
    let mut trees = Vec::new();
    for section in text.split("\nTree=").skip(1) {
        let section = section.split("\nend of trees").next().unwrap_or(section);
        let decisions: Vec<i32> = field(section, "decision_type")?;
        if decisions.iter().any(|d| *d & !2 != 0) {
            return Err(Error::LightGbm("a split is not plainly numerical".into()));
        }
        trees.push(Splits {
            feature: field(section, "split_feature")?,
            threshold: field(section, "threshold")?,
            left: field(section, "left_child")?,
            right: field(section, "right_child")?,
            leaf_value: field(section, "leaf_value")?,
            leaf_count: field(section, "leaf_count")?,
        });
    }
    Ok(trees)
}

fn field<T: std::str::FromStr>(section: &str, name: &str) -> Result<Vec<T>> {
    let Some(line) = section.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix('=')) else {
        // A tree of one leaf has no splits.
        return Ok(Vec::new());
    };
    let values = line.split_whitespace().map(|v| v.parse().ok());
    values.collect::<Option<_>>().ok_or_else(|| Error::LightGbm(format!("{name} of a tree is not a list of numbers")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parts::content::forest::{Forest, LANES};

    fn rows(count: usize, columns: usize) -> Examples {
        let value = |r: usize, c: usize| ((r * 2654435761 + c * 40503) % 1009) as f32 / 100.0 - 3.0;
        let features: Vec<f32> = (0..count * columns).map(|i| value(i / columns, i % columns)).collect();
        let label = (0..count).map(|r| f32::from(value(r, 0) * value(r, 1) > value(r, 2))).collect();
        Examples { features, label, weight: (0..count).map(|r| 1.0 + (r % 3) as f32).collect() }
    }

    const PARAMS: BoostParams = BoostParams { trees: 40, leaves: 16, learning_rate: 0.1, seed: 7 };

    #[test]
    fn scores_and_shapley_values_are_those_of_lightgbm() {
        let (columns, varying) = (6, 4);
        let (train, valid) = (rows(4000, columns), rows(999, columns));
        let text = parameters(&PARAMS);
        let data = LightGbmDataset::new(&train, columns, &text, None).unwrap();
        let check = LightGbmDataset::new(&valid, columns, &text, Some(&data)).unwrap();
        let booster = Booster::new(&data, &check, &text).unwrap();
        for _ in 0..PARAMS.trees {
            booster.update().unwrap();
        }
        let forest = Forest::new(&booster.trees(PARAMS.trees).unwrap(), columns, varying).unwrap();
        assert_eq!(forest.trees(), PARAMS.trees);
        let theirs = booster.raw_scores(&valid, columns, PARAMS.trees);
        let explained = booster.contributions(&valid, columns, PARAMS.trees);
        for (row, theirs) in valid.features.chunks_exact(columns).zip(explained.chunks_exact(columns + 1)) {
            let ours = &forest.shapley(&[row])[0];
            for (ours, theirs) in ours.by_feature.iter().chain([&ours.mean]).zip(theirs) {
                assert!((ours - theirs).abs() < 1e-9, "{ours} {theirs}");
            }
        }
        for (row, theirs) in valid.features.chunks_exact(columns).zip(&theirs) {
            let block: Vec<[f32; LANES]> = row[..varying].iter().map(|v| [*v; LANES]).collect();
            let mut ours = [0.0; LANES];
            forest.score(&forest.prepare(&row[varying..]), &block, &mut ours);
            assert!(ours.iter().all(|o| o.to_bits() == theirs.to_bits()), "{ours:?} {theirs}");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_trees() {
        let (train, valid) = (rows(3000, 5), rows(500, 5));
        let run = || boost(&train, &valid, 5, &PARAMS, &Control::default()).unwrap();
        let trees = run();
        assert!(!trees.is_empty());
        assert_eq!(trees, run());
    }

    #[test]
    fn bad_examples_are_refused_before_lightgbm_sees_them() {
        let good = rows(200, 3);
        let damage: [fn(&mut Examples); 5] = [
            |r| r.label[3] = 2.0,
            |r| r.weight[3] = 0.0,
            |r| r.features[3] = f32::NAN,
            |r| r.features.truncate(1),
            |r| r.label.clear(),
        ];
        for harm in damage {
            let mut bad = rows(200, 3);
            harm(&mut bad);
            assert!(boost(&bad, &good, 3, &PARAMS, &Control::default()).is_err());
        }
    }

    #[test]
    fn a_stop_ends_the_boosting() {
        let control = Control::default();
        control.stop();
        let (train, valid) = (rows(500, 3), rows(100, 3));
        assert!(matches!(boost(&train, &valid, 3, &PARAMS, &control), Err(Error::Stopped)));
    }
}

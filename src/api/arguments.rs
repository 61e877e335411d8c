//! Arguments that several functions take, checked.

use std::ffi::CStr;

use pgrx::AnyElement;
use pgrx::prelude::*;
use reco_models::room;
use serde_json::Value;

use crate::failure::{Failure, Outcome};
use crate::settings;

/// The most ids of a filter: eight megabytes. A filter is not scored, so `reco.max_candidates` says nothing of it.
const MOST_OF_A_FILTER: usize = 1_000_000;

/// The elements of an argument that is a list of ids to score.
///
/// # Errors
/// 22004 with a NULL in it, 2202E with more than one dimension, 54000 where it is too long.
pub fn ids(name: &str, array: Array<i64>) -> Outcome<Vec<i64>> {
    let (limit, hint) = (settings::max_candidates(), "Ask in several calls, or raise reco.max_candidates.");
    ids_up_to(limit, hint, name, array)
}

/// The elements of an argument that says which ids are allowed: ascending, each once.
///
/// # Errors
/// Those of [`ids`].
pub fn filter(name: &str, array: Array<i64>) -> Outcome<Vec<i64>> {
    let mut ids = ids_up_to(MOST_OF_A_FILTER, "A filter that long excludes little.", name, array)?;
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}

/// The most liked items that an argument may give. They are folded in like those of a user, of whom few have as many.
const MOST_LIKED: usize = 1000;

/// The liked items of somebody without an account.
///
/// # Errors
/// Those of [`ids`].
pub fn liked(array: Array<i64>) -> Outcome<Vec<i64>> {
    ids_up_to(MOST_LIKED, "Give the latest of them.", "item_ids", array)
}

fn ids_up_to(limit: usize, hint: &str, name: &str, array: Array<i64>) -> Outcome<Vec<i64>> {
    // Nothing is copied before the length is checked.
    let (length, nulls) = (array.len(), array.contains_nulls());
    let mut values = if nulls || length > limit { Vec::new() } else { room(length)? };
    values.extend(array.iter().take(values.capacity()).flatten());
    one_dimension(name, array)?;
    if nulls {
        let code = PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED;
        return Err(Failure::new(code, format!("{name} must not contain NULL"))
            .hint(format!("Leave it out: array_remove({name}, NULL).")));
    }
    if length > limit {
        let code = PgSqlErrorCode::ERRCODE_PROGRAM_LIMIT_EXCEEDED;
        return Err(
            Failure::new(code, format!("the length of {name} must be at most {limit}, not {length}")).hint(hint)
        );
    }
    Ok(values)
}

/// Cut-offs of one evaluation, and the longest list of one.
const MOST_CUTOFFS: usize = 20;
const LONGEST_LIST: f64 = 100.0;

/// The cut-offs that lists are evaluated at: ascending, each once. They are declared as double precision[], for the same reason
/// as `n`.
///
/// # Errors
/// 22004 where it is NULL or has a NULL in it, 2202E with more than one dimension, 22023 for anything else that is none.
pub fn cutoffs(array: Option<Array<f64>>) -> Outcome<Vec<usize>> {
    let null = || Failure::new(PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED, "k must not be or contain NULL");
    let array = array.ok_or_else(null)?;
    let (length, nulls) = (array.len(), array.contains_nulls());
    let values: Vec<f64> = array.iter().take(MOST_CUTOFFS).flatten().collect();
    one_dimension("k", array)?;
    if nulls {
        return Err(null().hint("For the default: SELECT * FROM reco_evaluate();"));
    }
    if !(1..=MOST_CUTOFFS).contains(&length) {
        return Err(Failure::invalid(format!("k must have 1 to {MOST_CUTOFFS} elements, not {length}")));
    }
    if let Some(wrong) = values.iter().find(|k| !(1.0..=LONGEST_LIST).contains(*k) || k.fract() != 0.0) {
        return Err(Failure::invalid(format!("k must be whole numbers between 1 and {LONGEST_LIST}, not {wrong}")));
    }
    let mut cutoffs: Vec<usize> = values.into_iter().map(|k| k as usize).collect();
    cutoffs.sort_unstable();
    cutoffs.dedup();
    Ok(cutoffs)
}

fn one_dimension<T: FromDatum>(name: &str, array: Array<T>) -> Outcome<()> {
    // SAFETY: the array is a valid argument of this call.
    let dimensions = unsafe { pgrx::array::RawArray::from_array(array) }.map_or(1, |raw| raw.dims().len());
    if dimensions <= 1 {
        return Ok(());
    }
    let code = PgSqlErrorCode::ERRCODE_ARRAY_ELEMENT_ERROR;
    Err(Failure::new(code, format!("{name} must have one dimension, not {dimensions}")))
}

/// An argument that is jsonb, read from its text: pgrx's own reading raises an internal error where PostgreSQL takes what
/// serde_json does not, a number like 1e400 and deep nesting.
pub fn json(name: &str, value: AnyElement) -> Outcome<Value> {
    // SAFETY: the functions that call this declare the argument as jsonb; the text is copied before it is freed.
    let text = unsafe { pgrx::direct_function_call::<&CStr>(pg_sys::jsonb_out, &[Some(value.datum())]) };
    let text = text.map(CStr::to_string_lossy).unwrap_or_default();
    serde_json::from_str(&text).map_err(|error| {
        Failure::invalid(format!("{name} cannot be read: {error}"))
            .hint("It is an object of at most 128 levels, with numbers that a double precision holds.")
    })
}

/// `n`, the number of items that a function lists; 10 where it is NULL.
pub fn count(n: Option<f64>) -> Outcome<usize> {
    count_up_to(1000.0, "For more, score the items themselves: reco_score(user_id, item_ids).", n)
}

/// `n`, up to `most`. Counts and shares are declared as double precision, the one type that PostgreSQL casts every other
/// number to unasked: drivers send integer, bigint, numeric and double precision for the same value.
pub fn count_up_to(most: f64, hint: &str, n: Option<f64>) -> Outcome<usize> {
    let n = n.unwrap_or(10.0);
    if (1.0..=most).contains(&n) && n.fract() == 0.0 {
        return Ok(n as usize);
    }
    Err(Failure::invalid(format!("n must be a whole number between 1 and {most}, not {n}")).hint(hint))
}

/// The error of an argument that must be given.
pub fn null(name: &str) -> Failure {
    Failure::new(PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED, format!("{name} must not be NULL"))
}

/// The value of an argument that must be given.
///
/// # Errors
/// 22004 where it is NULL.
pub fn given<T>(name: &str, value: Option<T>) -> Outcome<T> {
    value.ok_or_else(|| null(name))
}

/// The longest label, in bytes: as PostgreSQL's names.
const LONGEST_LABEL: usize = 63;

/// A text that groups what is logged; empty where it is NULL.
///
/// # Errors
/// 22023 where it is too long.
pub fn label(name: &str, value: Option<String>) -> Outcome<String> {
    let value = value.unwrap_or_default();
    if value.len() <= LONGEST_LABEL {
        return Ok(value);
    }
    let length = value.len();
    Err(Failure::invalid(format!("{name} must have at most {LONGEST_LABEL} bytes, not {length}: \"{value}\"")))
}

/// A share, 0 to 1; 0 where it is NULL.
pub fn share(name: &str, value: Option<f64>) -> Outcome<f32> {
    let value = value.unwrap_or(0.0);
    if (0.0..=1.0).contains(&value) {
        return Ok(value as f32);
    }
    Err(Failure::invalid(format!("{name} must be between 0 and 1, not {value}")))
}

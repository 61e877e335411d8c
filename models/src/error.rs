//! The errors of training, scoring and decoding.

use thiserror::Error;

/// Every error of this crate. The text names the value at fault; the extension maps the variant to an SQLSTATE.
#[derive(Debug, Error)]
pub enum Error {
    #[error("the run was stopped")]
    Stopped,
    #[error("option \"{name}\" must be {expected}, not {value}")]
    Option { name: String, value: String, expected: String },
    #[error("unknown option \"{name}\"")]
    UnknownOption { name: String, known: String },
    #[error("{0}")]
    TooLittleData(String),
    #[error("{column} holds {value}, outside of {range}")]
    Value { column: &'static str, value: String, range: &'static str },
    #[error("training needs at least {needed_mb} MB, and the limit is {limit_mb} MB")]
    Memory { needed_mb: u64, limit_mb: u64 },
    #[error("out of memory: {bytes} bytes could not be allocated")]
    OutOfMemory { bytes: u64 },
    #[error("{0} came out not finite")]
    NotFinite(&'static str),
    #[error("LightGBM: {0}")]
    LightGbm(String),
    #[error("the stored model is damaged: {0}")]
    Corrupt(String),
    #[error("no worker threads: {0}")]
    Threads(String),
}

pub type Result<T> = std::result::Result<T, Error>;

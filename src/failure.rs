//! Every error that a user can meet: SQLSTATE, message, detail and hint.

use pgrx::pg_sys::panic::CaughtError;
use pgrx::prelude::*;
use reco_models::Error;

/// The error of an SQL function. It is returned like any other value, and raised by the outermost function only, so
/// that everything is dropped first.
#[derive(Debug)]
pub struct Failure {
    code: PgSqlErrorCode,
    message: String,
    detail: Option<String>,
    hint: Option<String>,
}

/// Letters of a text that is handed to another process.
const LONGEST: usize = 800;
/// Letters of a message; and of a detail or hint, which may list what there is, or hold a statement to run.
const LONGEST_MESSAGE: usize = 500;
const LONGEST_HELP: usize = 4000;

/// A text of a caller as an error may show it. Of a long one the end stays too: it says what is wrong with what is left out.
pub fn shortened(text: impl Into<String>, most: usize) -> String {
    let text = text.into();
    let letters = if text.len() <= most { 0 } else { text.chars().count() };
    if letters <= most {
        return text;
    }
    let (begin, end) = (most - most / 4, most / 4);
    let begin: String = text.chars().take(begin).collect();
    format!("{begin}...{}", text.chars().skip(letters - end).collect::<String>())
}

pub type Outcome<T> = Result<T, Failure>;

impl Failure {
    pub fn new(code: PgSqlErrorCode, message: impl Into<String>) -> Self {
        // Here, whatever of a caller is in it: neither a client nor a log gets back a megabyte that was no event.
        Failure { code, message: shortened(message, LONGEST_MESSAGE), detail: None, hint: None }
    }

    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(shortened(detail, LONGEST_HELP));
        self
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(shortened(hint, LONGEST_HELP));
        self
    }

    pub fn invalid(message: impl Into<String>) -> Self {
        Failure::new(PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE, message)
    }

    /// As PostgreSQL says it of its own memory.
    pub fn out_of_memory(bytes: u64) -> Self {
        Failure::new(PgSqlErrorCode::ERRCODE_OUT_OF_MEMORY, "out of memory")
            .detail(format!("{bytes} bytes could not be allocated."))
            .hint("Ask for less at once, or give the server more memory; for a training, lower its \"factors\" or \"neighbours\".")
    }

    /// Most often its stack finds no memory: the system calls that a resource that is temporarily unavailable.
    pub fn no_thread(why: impl std::fmt::Display) -> Self {
        Failure::new(PgSqlErrorCode::ERRCODE_OUT_OF_MEMORY, format!("no thread could be started: {why}")).hint(
            "A thread needs memory for its stack, and counts for the system's limit of processes: give the server more, or \
             lower reco.max_threads.",
        )
    }

    pub fn message(&self) -> &str {
        &self.message
    }

    /// The SQLSTATE, five letters.
    pub fn state(&self) -> String {
        // Six bits for each letter, the first ones lowest.
        let code = self.code as i32;
        (0..5).map(|letter| char::from((((code >> (6 * letter)) & 0x3f) as u8) + b'0')).collect()
    }

    /// Whether it is of the transaction and not of what was tried in it: an operator or a time limit ends it, or it cannot be
    /// serialized. Nobody may go on after that.
    pub fn ends_transaction(&self) -> bool {
        ["57", "40"].contains(&&self.state()[..2])
    }

    /// Message, detail and hint in one text.
    pub fn text(&self) -> String {
        let detail = self.detail.as_ref().map(|detail| format!("\nDETAIL: {detail}"));
        let hint = self.hint.as_ref().map(|hint| format!("\nHINT: {hint}"));
        format!("{}{}{}", self.message, detail.unwrap_or_default(), hint.unwrap_or_default())
    }

    /// For another process, which reads it by [`Failure::from_json`]; each text is cut to what a log line holds.
    pub fn to_json(&self) -> String {
        let cut = |text: &String| text.chars().take(LONGEST).collect::<String>();
        serde_json::json!({
            "code": self.code as i32, "message": cut(&self.message),
            "detail": self.detail.as_ref().map(cut), "hint": self.hint.as_ref().map(cut),
        })
        .to_string()
    }

    pub fn from_json(text: &str) -> Failure {
        let value: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
        let text = |name: &str| value[name].as_str().map(str::to_owned);
        let code = value["code"]
            .as_i64()
            .map_or(PgSqlErrorCode::ERRCODE_INTERNAL_ERROR, |code| PgSqlErrorCode::from(code as i32));
        let message = text("message").unwrap_or_else(|| "the training ended without a word".into());
        Failure { code, message, detail: text("detail"), hint: text("hint") }
    }

    /// What PostgreSQL, reco or a panic raised.
    pub fn caught(error: &CaughtError) -> Failure {
        let (CaughtError::PostgresError(report)
        | CaughtError::ErrorReport(report)
        | CaughtError::RustPanic { ereport: report, .. }) = error;
        Failure {
            code: report.sql_error_code(),
            message: report.message().to_owned(),
            detail: report.detail().map(str::to_owned),
            hint: report.hint().map(str::to_owned),
        }
    }

    pub fn raise(self) -> ! {
        let mut report = pgrx::pg_sys::panic::ErrorReport::new(self.code, self.message, "reco");
        if let Some(detail) = self.detail {
            report = report.set_detail(detail);
        }
        if let Some(hint) = self.hint {
            report = report.set_hint(hint);
        }
        report.report(PgLogLevel::ERROR);
        unreachable!("an error was raised")
    }
}

/// The value, or the error raised.
pub fn or_raise<T>(outcome: Outcome<T>) -> T {
    outcome.unwrap_or_else(|failure| failure.raise())
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        use PgSqlErrorCode as Code;
        let message = error.to_string();
        match error {
            Error::UnknownOption { known, .. } => {
                Failure::invalid(message).detail(format!("The options are: {known}, model."))
            }
            Error::Option { .. } => Failure::invalid(message),
            Error::TooLittleData(_) => Failure::new(Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, message)
                .hint("SELECT * FROM reco_sources() shows what is read from where."),
            Error::Value { .. } => Failure::new(Code::ERRCODE_DATA_EXCEPTION, message)
                .hint("Configure a view that gives values in the range: reco_configure('rating', 'my_view', ...)."),
            Error::Memory { .. } => Failure::new(Code::ERRCODE_CONFIGURATION_LIMIT_EXCEEDED, message)
                .hint("Raise reco.max_train_memory, or train fewer factors."),
            Error::OutOfMemory { bytes } => Failure::out_of_memory(bytes),
            Error::Corrupt(_) => Failure::new(Code::ERRCODE_DATA_CORRUPTED, message)
                .hint("Activate another model with reco_activate(version), or train again with reco_train()."),
            Error::Stopped => Failure::new(Code::ERRCODE_QUERY_CANCELED, message),
            Error::NotFinite(_) => {
                Failure::new(Code::ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, message).hint("Try a larger \"regularization\".")
            }
            Error::Threads(why) => Failure::no_thread(why),
            Error::LightGbm(_) => Failure::new(Code::ERRCODE_INTERNAL_ERROR, message),
        }
    }
}

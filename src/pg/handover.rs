//! The settings of a session that another process takes over: what reading depends on.

use std::ffi::CStr;

use pgrx::pg_sys;
use serde_json::{Map, Value};

use crate::failure::{Failure, Outcome};
use crate::pg::spi::{Connection, arg};

/// Of PostgreSQL's own: what names, times and row security mean. A setting with a dot is reco's, or the site's own, which its
/// policies and views may ask for.
const HANDED: [&str; 3] = ["search_path", "TimeZone", "row_security"];

/// What this session has set itself, by its client or with SET, of the settings that are handed over. What belongs to the
/// database or the user the other process has anyway.
pub fn settings() -> Value {
    let set = variables().filter(|variable| {
        let sources = [pg_sys::GucSource::PGC_S_CLIENT, pg_sys::GucSource::PGC_S_SESSION];
        let contexts = [pg_sys::GucContext::PGC_USERSET, pg_sys::GucContext::PGC_SUSET];
        sources.contains(&variable.source) && contexts.contains(&variable.context)
    });
    let named = set.filter_map(|variable| {
        // SAFETY: a setting has a NUL-terminated name.
        let name = unsafe { CStr::from_ptr(variable.name) };
        let text = name.to_str().ok().filter(|text| text.contains('.') || HANDED.contains(text))?;
        // SAFETY: the name of a setting that is there; the value is copied at once.
        let value = unsafe { pg_sys::GetConfigOption(name.as_ptr(), true, false) };
        // SAFETY: NUL-terminated where there is one.
        let value = (!value.is_null()).then(|| unsafe { CStr::from_ptr(value) })?.to_str().ok()?;
        Some((text.to_owned(), Value::from(value)))
    });
    Value::Object(named.collect::<Map<_, _>>())
}

/// All settings of this process.
fn variables() -> impl Iterator<Item = &'static pg_sys::config_generic> {
    // SAFETY: an array of that length of pointers that last as long as the process, though not across a change of settings,
    // which nothing makes here.
    unsafe {
        #[cfg(feature = "pg15")]
        let (first, count) = (pg_sys::get_guc_variables(), pg_sys::GetNumConfigOptions());
        #[cfg(not(feature = "pg15"))]
        let (first, count) = {
            let mut count = 0;
            (pg_sys::get_guc_variables(&mut count), count)
        };
        std::slice::from_raw_parts(first, count as usize).iter().map(|variable| &**variable)
    }
}

/// Sets them in this process, with the rights of its session user.
///
/// # Errors
/// 42501 where that user may not set one of them.
pub fn take_over(connection: &Connection, settings: &Value) -> Outcome<()> {
    let Value::Object(settings) = settings else {
        return Err(Failure::invalid("the settings that were handed over are no object"));
    };
    for (name, value) in settings {
        let value = value.as_str().unwrap_or_default().to_owned();
        connection.write("SELECT pg_catalog.set_config($1, $2, false)", &[arg(name.clone()), arg(value)])?;
    }
    Ok(())
}

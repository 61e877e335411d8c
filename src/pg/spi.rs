//! SPI with saved plans and an explicit choice between reading and writing.
//!
//! Reading runs under the caller's snapshot, assigns no transaction id, and so works on a standby and in a read-only
//! transaction. (pgrx's own client decides that by what the transaction did before.)

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::CString;
use std::ptr;

use pgrx::pg_sys;
use pgrx::{FromDatum, IntoDatum};

use crate::failure::{Failure, Outcome};
use crate::pg::session;

/// One parameter.
pub struct Arg {
    oid: pg_sys::Oid,
    datum: Option<pg_sys::Datum>,
}

pub fn arg<T: IntoDatum>(value: T) -> Arg {
    Arg { oid: T::type_oid(), datum: value.into_datum() }
}

thread_local! {
    /// Saved plans by text. PostgreSQL itself replans them when what they depend on changes.
    static PLANS: RefCell<HashMap<String, pg_sys::SPIPlanPtr>> = RefCell::new(HashMap::new());
}

/// More than the extension has statements; a user that keeps changing the mapping does not fill the memory.
const MAX_PLANS: usize = 64;

/// Plans are made once, whatever the parameters: they are keys, and every way to a key is the same one. Left to choose,
/// PostgreSQL plans the first five calls of a connection anew, which doubles their time.
const GENERIC: i32 = pg_sys::CURSOR_OPT_GENERIC_PLAN as i32;

/// An open SPI connection.
pub struct Connection(());

/// Runs `work` with a connection. After an error that unwinds, the end of the transaction cleans up.
pub fn connect<R>(work: impl FnOnce(&Connection) -> R) -> R {
    // SAFETY: paired with SPI_finish.
    unsafe { pg_sys::SPI_connect() };
    let result = work(&Connection(()));
    // SAFETY: as above.
    unsafe { pg_sys::SPI_finish() };
    result
}

/// The rows of a result, freed with it.
pub struct Rows {
    table: *mut pg_sys::SPITupleTable,
    count: usize,
}

impl Drop for Rows {
    fn drop(&mut self) {
        if !self.table.is_null() {
            // SAFETY: made by SPI in the present connection, freed once.
            unsafe { pg_sys::SPI_freetuptable(self.table) };
        }
    }
}

impl Rows {
    /// Takes over what the last SPI call left.
    fn take() -> Rows {
        // SAFETY: plain reads of SPI's result variables.
        unsafe {
            let table = pg_sys::SPI_tuptable;
            pg_sys::SPI_tuptable = ptr::null_mut();
            let count = if table.is_null() { 0 } else { pg_sys::SPI_processed as usize };
            Rows { table, count }
        }
    }

    pub fn len(&self) -> usize {
        self.count
    }

    /// The value of a column (from 0), or None for NULL.
    pub fn get<T: FromDatum>(&self, row: usize, column: usize) -> Option<T> {
        assert!(row < self.count, "row {row} of {}", self.count);
        let mut is_null = false;
        // SAFETY: the row exists; SPI checks the column; the type is that of the statement.
        unsafe {
            let tuple = *(*self.table).vals.add(row);
            let datum = pg_sys::SPI_getbinval(tuple, (*self.table).tupdesc, column as i32 + 1, &mut is_null);
            T::from_datum(datum, is_null)
        }
    }
}

impl Connection {
    /// All rows, under the caller's snapshot.
    pub fn read(&self, sql: &str, args: &[Arg]) -> Outcome<Rows> {
        self.execute(sql, args, true)
    }

    /// Runs a statement that writes; gives its rows, if any.
    pub fn write(&self, sql: &str, args: &[Arg]) -> Outcome<Rows> {
        self.execute(sql, args, false)
    }

    fn execute(&self, sql: &str, args: &[Arg], read_only: bool) -> Outcome<Rows> {
        let plan = plan(sql, args)?;
        let (mut values, nulls) = values(args);
        // SAFETY: values and nulls are as long as the plan has parameters.
        let code = unsafe { pg_sys::SPI_execute_plan(plan, values.as_mut_ptr(), nulls.as_ptr(), read_only, 0) };
        if code < 0 {
            return Err(internal(code, sql));
        }
        Ok(Rows::take())
    }

    /// Hands all rows to `each`, some thousands at a time, under the caller's snapshot; memory stays flat.
    pub fn read_batches(&self, sql: &str, args: &[Arg], mut each: impl FnMut(&Rows) -> Outcome<()>) -> Outcome<()> {
        const BATCH: i64 = 10_000;
        let plan = plan(sql, args)?;
        let (mut values, nulls) = values(args);
        // SAFETY: as in `execute`; the portal is closed below or by the end of the transaction.
        let portal = unsafe { pg_sys::SPI_cursor_open(ptr::null(), plan, values.as_mut_ptr(), nulls.as_ptr(), true) };
        loop {
            session::pause();
            // SAFETY: an open portal.
            unsafe { pg_sys::SPI_cursor_fetch(portal, true, BATCH as _) };
            let rows = Rows::take();
            if rows.len() == 0 {
                break;
            }
            each(&rows)?;
        }
        // SAFETY: an open portal, closed once.
        unsafe { pg_sys::SPI_cursor_close(portal) };
        Ok(())
    }
}

fn values(args: &[Arg]) -> (Vec<pg_sys::Datum>, Vec<std::ffi::c_char>) {
    let values = args.iter().map(|a| a.datum.unwrap_or(pg_sys::Datum::from(0))).collect();
    let nulls = args.iter().map(|a| if a.datum.is_some() { b' ' } else { b'n' } as std::ffi::c_char).collect();
    (values, nulls)
}

fn plan(sql: &str, args: &[Arg]) -> Outcome<pg_sys::SPIPlanPtr> {
    if let Some(plan) = PLANS.with_borrow(|plans| plans.get(sql).copied()) {
        return Ok(plan);
    }
    let text = CString::new(sql).map_err(|_| Failure::invalid("a name holds a NUL character"))?;
    let mut types: Vec<pg_sys::Oid> = args.iter().map(|a| a.oid).collect();
    // SAFETY: a NUL-terminated text and as many types as said; an error in the text unwinds.
    let plan = unsafe { pg_sys::SPI_prepare_cursor(text.as_ptr(), types.len() as i32, types.as_mut_ptr(), GENERIC) };
    // SAFETY: moves the plan to a context that lasts as long as the backend.
    if plan.is_null() || unsafe { pg_sys::SPI_keepplan(plan) } != 0 {
        return Err(internal(0, sql));
    }
    PLANS.with_borrow_mut(|plans| {
        if plans.len() >= MAX_PLANS {
            for (_, old) in plans.drain() {
                // SAFETY: kept above, and no statement of this module outlives its call.
                unsafe { pg_sys::SPI_freeplan(old) };
            }
        }
        plans.insert(sql.to_owned(), plan);
    });
    Ok(plan)
}

fn internal(code: i32, sql: &str) -> Failure {
    Failure::new(pgrx::PgSqlErrorCode::ERRCODE_INTERNAL_ERROR, format!("SPI gave {code}")).detail(sql.to_owned())
}

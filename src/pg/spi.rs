//! SPI with saved plans and an explicit choice between reading and writing.
//!
//! Reading runs under the caller's snapshot, assigns no transaction id, and so works on a standby and in a read-only
//! transaction. (pgrx's own client decides that by what the transaction did before.)

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::CString;
use std::marker::PhantomData;
use std::ptr;
use std::rc::Rc;

use pgrx::pg_sys;
use pgrx::{FromDatum, IntoDatum};
use reco_models::Key;

use crate::failure::{Failure, Outcome};
use crate::pg::catalog;
use crate::pg::keys;
use crate::pg::session;

/// One parameter.
pub struct Arg {
    oid: pg_sys::Oid,
    datum: Option<pg_sys::Datum>,
}

pub fn arg<T: IntoDatum>(value: T) -> Arg {
    Arg { oid: T::type_oid(), datum: value.into_datum() }
}

/// A saved plan. It is freed when neither the cache nor a call holds it: a statement may run functions of the site, these
/// may call reco again, and that must not free what the outer call executes.
struct Plan(pg_sys::SPIPlanPtr);

impl Drop for Plan {
    fn drop(&mut self) {
        // SAFETY: kept by SPI_keepplan, and nobody else has it.
        unsafe { pg_sys::SPI_freeplan(self.0) };
    }
}

/// A plan, the types of its parameters and the number of the use that was its latest.
struct Cached {
    plan: Rc<Plan>,
    types: Vec<pg_sys::Oid>,
    used: u64,
}

/// Saved plans by text. PostgreSQL itself replans them when what they depend on changes, but for the types of the
/// parameters: an id has the type of its column, which the site may alter.
#[derive(Default)]
struct Plans {
    by_text: HashMap<String, Cached>,
    uses: u64,
}

thread_local! {
    static PLANS: RefCell<Plans> = RefCell::default();
}

/// Plans of a connection: a site that has one schema for each customer has about ten statements for each of them. With a
/// limit, because a session that changes the mapping again and again would fill the memory.
const MAX_PLANS: usize = 256;

impl Plans {
    fn get(&mut self, sql: &str, args: &[Arg]) -> Option<Rc<Plan>> {
        self.uses += 1;
        let cached = self.by_text.get_mut(sql)?;
        if !cached.types.iter().copied().eq(args.iter().map(|a| a.oid)) {
            return None;
        }
        cached.used = self.uses;
        Some(Rc::clone(&cached.plan))
    }

    /// Gives what had to leave: the plan of the same text for other types, or the one that was not used for longest. It is
    /// freed by the caller, outside of the borrow.
    fn insert(&mut self, sql: &str, types: Vec<pg_sys::Oid>, plan: Rc<Plan>) -> [Option<Cached>; 2] {
        let is_full = self.by_text.len() >= MAX_PLANS;
        let oldest = self.by_text.iter().filter(|_| is_full).min_by_key(|(_, cached)| cached.used);
        let oldest = oldest.map(|(text, _)| text.clone());
        let evicted = oldest.and_then(|text| self.by_text.remove(&text));
        let replaced = self.by_text.insert(sql.to_owned(), Cached { plan, types, used: self.uses });
        [evicted, replaced]
    }
}

/// Plans are made once, without regard to the parameters: these are keys, and all keys are found in the same way. By
/// default PostgreSQL would plan the first five calls of a connection anew, which doubles their time.
const GENERIC: i32 = pg_sys::CURSOR_OPT_GENERIC_PLAN as i32;

/// An open SPI connection. It is neither `Send` nor `Sync`, which [`connect`] needs.
pub struct Connection(PhantomData<*mut ()>);

/// Runs `work` with a connection. After an error that unwinds, the end of the transaction cleans up.
///
/// SPI reads through the innermost connection only. Within a second one, rows of the first would be freed with the second
/// while their type says that they live as long as the first. `Send` makes that impossible: what is `Send` cannot hold a
/// reference to a connection, so `connect(|outer| connect(|_| outer.read(..)))` does not compile. (Nothing is sent.)
pub fn connect<R>(work: impl FnOnce(&Connection) -> R + Send) -> R {
    // SAFETY: paired with SPI_finish.
    unsafe { pg_sys::SPI_connect() };
    let result = work(&Connection(PhantomData));
    // SAFETY: as above.
    unsafe { pg_sys::SPI_finish() };
    result
}

/// A result, freed with this value. It cannot outlive the connection, whose end frees it too.
pub struct Rows<'c> {
    table: *mut pg_sys::SPITupleTable,
    count: usize,
    /// By column.
    types: Vec<pg_sys::Oid>,
    connection: PhantomData<&'c Connection>,
}

impl Drop for Rows<'_> {
    fn drop(&mut self) {
        if !self.table.is_null() {
            // SAFETY: made by SPI in the present connection, freed once.
            unsafe { pg_sys::SPI_freetuptable(self.table) };
        }
    }
}

impl Rows<'_> {
    /// Takes over what the last SPI call of the connection left.
    fn take(_connection: &Connection) -> Rows<'_> {
        // SAFETY: plain reads of SPI's result variables; a result has a descriptor, whose columns count from 1.
        unsafe {
            let table = pg_sys::SPI_tuptable;
            pg_sys::SPI_tuptable = ptr::null_mut();
            if table.is_null() {
                return Rows { table, count: 0, types: Vec::new(), connection: PhantomData };
            }
            let descriptor = (*table).tupdesc;
            let types = (1..=(*descriptor).natts).map(|column| pg_sys::SPI_gettypeid(descriptor, column)).collect();
            Rows { table, count: pg_sys::SPI_processed as usize, types, connection: PhantomData }
        }
    }

    pub fn len(&self) -> usize {
        self.count
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub fn iter(&self) -> impl Iterator<Item = Row<'_>> {
        (0..self.count).map(|number| Row { rows: self, number, column: 0 })
    }

    pub fn first(&self) -> Option<Row<'_>> {
        self.iter().next()
    }

    /// The first column of the first row; None for NULL, and where there is no row.
    pub fn single<T: Value>(&self) -> Outcome<Option<T>> {
        self.first().map_or(Ok(None), |mut row| row.take())
    }
}

/// One row of a result, which hands out its columns in their order.
pub struct Row<'r> {
    rows: &'r Rows<'r>,
    number: usize,
    column: usize,
}

impl Row<'_> {
    /// The next column, None for NULL.
    ///
    /// # Errors
    /// XX000 where the result has no such column, or one of another type.
    pub fn take<T: Value>(&mut self) -> Outcome<Option<T>> {
        let column = self.column;
        self.column += 1;
        let found = self.rows.types.get(column).copied();
        if found != Some(T::type_oid()) {
            return Err(mismatch(column, found, T::type_oid()));
        }
        let mut is_null = false;
        // SAFETY: the row and the column exist, and the column has the type.
        unsafe {
            let tuple = *(*self.rows.table).vals.add(self.number);
            let descriptor = (*self.rows.table).tupdesc;
            let datum = pg_sys::SPI_getbinval(tuple, descriptor, column as i32 + 1, &mut is_null);
            Ok(T::from_datum(datum, is_null))
        }
    }

    /// The next column as an id: an integer, or what stands for a key, which this backend knows from then on.
    pub fn take_id(&mut self) -> Outcome<Option<i64>> {
        match self.rows.types.get(self.column) {
            Some(&(pg_sys::UUIDOID | pg_sys::TEXTOID)) => self.take_key()?.map(keys::remember).transpose(),
            _ => self.take(),
        }
    }

    /// The next column as a key that is no integer.
    pub fn take_key(&mut self) -> Outcome<Option<Key>> {
        match self.rows.types.get(self.column) {
            Some(&pg_sys::UUIDOID) => Ok(self.take::<pgrx::Uuid>()?.map(|uuid| Key::Uuid(*uuid.as_bytes()))),
            _ => Ok(self.take::<String>()?.map(|text| Key::of_text(&text))),
        }
    }
}

/// What a column is read as: a copy, which outlives the result.
pub trait Value: FromDatum + IntoDatum {}

impl Value for bool {}
impl Value for i32 {}
impl Value for i64 {}
impl Value for f32 {}
impl Value for f64 {}
impl Value for String {}
impl Value for Vec<u8> {}
impl Value for Vec<f32> {}
impl Value for Vec<i64> {}
impl Value for pgrx::Uuid {}
impl Value for Vec<Option<i64>> {}
impl Value for Vec<Option<f64>> {}
impl Value for pgrx::JsonB {}
impl Value for pgrx::datum::TimestampWithTimeZone {}

/// A statement and the code that reads its result do not agree: a bug of the extension.
fn mismatch(column: usize, found: Option<pg_sys::Oid>, wanted: pg_sys::Oid) -> Failure {
    let (found, wanted) = (found.map_or("missing".into(), catalog::type_name), catalog::type_name(wanted));
    let message = format!("column {} of a result must be {wanted}, not {found}", column + 1);
    Failure::new(pgrx::PgSqlErrorCode::ERRCODE_INTERNAL_ERROR, message)
}

impl Connection {
    /// All rows, under the caller's snapshot.
    pub fn read(&self, sql: &str, args: &[Arg]) -> Outcome<Rows<'_>> {
        self.execute(sql, args, true)
    }

    /// Runs a statement that writes; gives its rows, if any.
    pub fn write(&self, sql: &str, args: &[Arg]) -> Outcome<Rows<'_>> {
        self.execute(sql, args, false)
    }

    fn execute(&self, sql: &str, args: &[Arg], read_only: bool) -> Outcome<Rows<'_>> {
        let plan = plan(sql, args)?;
        let (mut values, nulls) = values(args);
        // SAFETY: values and nulls are as long as the plan has parameters.
        let code = keeping_context(|| unsafe {
            pg_sys::SPI_execute_plan(plan.0, values.as_mut_ptr(), nulls.as_ptr(), read_only, 0)
        });
        if code < 0 {
            return Err(internal(code, sql));
        }
        Ok(Rows::take(self))
    }

    /// Hands all rows to `each`, `batch` of them at a time, under the caller's snapshot; memory does not grow
    /// with the result.
    pub fn read_batches(
        &self,
        sql: &str,
        args: &[Arg],
        batch: i64,
        mut each: impl FnMut(&Rows<'_>) -> Outcome<()>,
    ) -> Outcome<()> {
        let plan = plan(sql, args)?;
        let (mut values, nulls) = values(args);
        // SAFETY: as in `execute`; the portal is closed below or by the end of the transaction.
        let portal = keeping_context(|| unsafe {
            pg_sys::SPI_cursor_open(ptr::null(), plan.0, values.as_mut_ptr(), nulls.as_ptr(), true)
        });
        loop {
            session::pause();
            // SAFETY: an open portal.
            keeping_context(|| unsafe { pg_sys::SPI_cursor_fetch(portal, true, batch as _) });
            let rows = Rows::take(self);
            if rows.is_empty() {
                break;
            }
            each(&rows)?;
        }
        // SAFETY: an open portal, closed once.
        unsafe { pg_sys::SPI_cursor_close(portal) };
        Ok(())
    }
}

/// SPI leaves a context of its own current, which lasts as long as the connection: the vectors that were read of 100 000
/// users, and the parameters that asked for them, added up to 200 MB.
fn keeping_context<R>(call: impl FnOnce() -> R) -> R {
    // SAFETY: what was current before is so again; it outlives the call, because its owner waits for it.
    unsafe {
        let before = pg_sys::CurrentMemoryContext;
        let result = call();
        pg_sys::CurrentMemoryContext = before;
        result
    }
}

fn values(args: &[Arg]) -> (Vec<pg_sys::Datum>, Vec<std::ffi::c_char>) {
    let values = args.iter().map(|a| a.datum.unwrap_or(pg_sys::Datum::from(0))).collect();
    let nulls = args.iter().map(|a| if a.datum.is_some() { b' ' } else { b'n' } as std::ffi::c_char).collect();
    (values, nulls)
}

fn plan(sql: &str, args: &[Arg]) -> Outcome<Rc<Plan>> {
    if let Some(plan) = PLANS.with_borrow_mut(|plans| plans.get(sql, args)) {
        return Ok(plan);
    }
    let text = CString::new(sql).map_err(|_| Failure::invalid("a name must not contain a NUL character"))?;
    let mut types: Vec<pg_sys::Oid> = args.iter().map(|a| a.oid).collect();
    // SAFETY: a NUL-terminated text and as many types as said; an error in the text unwinds.
    let plan = keeping_context(|| unsafe {
        pg_sys::SPI_prepare_cursor(text.as_ptr(), types.len() as i32, types.as_mut_ptr(), GENERIC)
    });
    // SAFETY: moves the plan to a context that lasts as long as the backend.
    if plan.is_null() || unsafe { pg_sys::SPI_keepplan(plan) } != 0 {
        return Err(internal(0, sql));
    }
    let plan = Rc::new(Plan(plan));
    let evicted = PLANS.with_borrow_mut(|plans| plans.insert(sql, types, Rc::clone(&plan)));
    drop(evicted);
    Ok(plan)
}

fn internal(code: i32, sql: &str) -> Failure {
    Failure::new(pgrx::PgSqlErrorCode::ERRCODE_INTERNAL_ERROR, format!("SPI failed with code {code}"))
        .detail(sql.to_owned())
}

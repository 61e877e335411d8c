//! A request: one page of a user, by the id that feedback refers to. Its time says in which partition it is.

use pgrx::{PgSqlErrorCode, Uuid, pg_sys};

use crate::failure::{Failure, Outcome};
use crate::pg::session;

/// Milliseconds of a period. A week: with as many partitions as below some three months are kept, and what expires is emptied
/// as a whole a week late at most.
const PERIOD: i64 = 7 * 86_400_000;
/// Partitions of the ring, as `sql/schema.sql` makes them. 16: a score locks none of them but those of the weeks it reads, and
/// the catalogue of a site does not fill with tables.
pub const SLOTS: i64 = 16;

/// Periods since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period(pub i64);

impl Period {
    /// Of a moment in seconds since 1970.
    pub fn at(seconds: f64) -> Period {
        Period(((seconds * 1000.0) as i64).div_euclid(PERIOD))
    }

    pub fn before(self) -> Period {
        Period(self.0 - 1)
    }

    pub fn after(self) -> Period {
        Period(self.0 + 1)
    }

    /// The lowest id of a request in it.
    pub fn first(self) -> RequestId {
        RequestId::of(self.0 * PERIOD, [0; 16])
    }

    /// Its partition. Periods that are a whole ring apart share one.
    pub fn slot(self) -> i16 {
        self.0.rem_euclid(SLOTS) as i16
    }
}

/// Seconds of a period.
pub fn period_seconds() -> i64 {
    PERIOD / 1000
}

/// A UUID version 7: the milliseconds since 1970, and 74 random bits, which nobody guesses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId([u8; 16]);

impl RequestId {
    /// Of the time of the transaction, as everything that it shows.
    ///
    /// # Errors
    /// XX000 where the system gives no random numbers.
    pub fn new() -> Outcome<RequestId> {
        let mut bytes = [0; 16];
        // SAFETY: as many bytes as the array has.
        if !unsafe { pg_sys::pg_strong_random(bytes.as_mut_ptr().cast(), bytes.len()) } {
            return Err(Failure::new(PgSqlErrorCode::ERRCODE_INTERNAL_ERROR, "no random numbers could be made"));
        }
        Ok(RequestId::of(session::now_milliseconds(), bytes))
    }

    /// The lowest of those of a moment, in seconds since 1970: a bound for a range.
    pub fn lowest_at(seconds: f64) -> RequestId {
        RequestId::of((seconds * 1000.0) as i64, [0; 16])
    }

    fn of(milliseconds: i64, random: [u8; 16]) -> RequestId {
        let mut bytes = random;
        bytes[..6].copy_from_slice(&milliseconds.max(0).to_be_bytes()[2..]);
        bytes[6] = 0x70 | bytes[6] & 0x0f;
        bytes[8] = 0x80 | bytes[8] & 0x3f;
        RequestId(bytes)
    }

    pub fn uuid(self) -> Uuid {
        Uuid::from_bytes(self.0)
    }

    pub fn from_uuid(uuid: Uuid) -> RequestId {
        RequestId(*uuid.as_bytes())
    }

    /// Seconds since 1970, by its first 48 bits, whatever made it.
    pub fn at(self) -> f64 {
        let mut bytes = [0; 8];
        bytes[2..].copy_from_slice(&self.0[..6]);
        i64::from_be_bytes(bytes) as f64 / 1000.0
    }

    pub fn period(self) -> Period {
        Period::at(self.at())
    }
}

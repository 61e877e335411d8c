//! Memory that is asked for before it is used. In a server process a failed allocation must be an error of one statement:
//! what grows with the data of a user is allocated here.

use std::cell::Cell;

use crate::error::{Error, Result};

thread_local! {
    static IS_ASKING: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is allocating through [`room`], and so can take a refusal. For an allocator that does not return
/// where memory is short.
pub fn is_asking() -> bool {
    IS_ASKING.get()
}

/// An empty vector with room for `n` values.
///
/// # Errors
/// [`Error::OutOfMemory`].
pub fn room<T>(n: usize) -> Result<Vec<T>> {
    let mut values = Vec::new();
    more_room(&mut values, n)?;
    Ok(values)
}

/// Room for `n` more values. It grows by half at least: vectors that are filled by batches are copied seldom, and do not
/// take twice what they hold.
///
/// # Errors
/// [`Error::OutOfMemory`]; the values are unchanged.
pub fn more_room<T>(values: &mut Vec<T>, n: usize) -> Result<()> {
    if values.capacity() - values.len() >= n {
        return Ok(());
    }
    let n = n.max(values.len() / 2);
    IS_ASKING.set(true);
    let reserved = values.try_reserve_exact(n);
    IS_ASKING.set(false);
    reserved.map_err(|_| Error::OutOfMemory { bytes: n.saturating_mul(size_of::<T>()) as u64 })
}

/// Fails where `bytes` more cannot be allocated at this moment. Nothing stays allocated: it is for work that allocates
/// piece by piece.
///
/// # Errors
/// [`Error::OutOfMemory`].
pub fn require(bytes: u64) -> Result<()> {
    let bytes_here = usize::try_from(bytes).unwrap_or(usize::MAX);
    room::<u8>(bytes_here).map(drop).map_err(|_| Error::OutOfMemory { bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_any_machine_has_is_an_error() {
        assert!(matches!(room::<u64>(usize::MAX / 8), Err(Error::OutOfMemory { .. })));
        assert!(matches!(require(u64::MAX), Err(Error::OutOfMemory { bytes: u64::MAX })));
        assert!(!is_asking());
    }

    #[test]
    fn there_is_room_for_what_was_asked() {
        let mut values = room::<u32>(100).unwrap();
        assert!(values.is_empty() && values.capacity() >= 100);
        values.extend(0..100);
        more_room(&mut values, 1).unwrap();
        assert!(values.capacity() >= 150 && values.len() == 100);
    }
}

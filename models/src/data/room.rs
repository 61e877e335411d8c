//! Memory that is asked for before it is used. In a server process a failed allocation must be an error of one statement:
//! what grows with the data of a user is allocated here.

use std::cell::Cell;
use std::collections::{HashMap, TryReserveError};
use std::hash::{BuildHasher, Hash};

use crate::error::{Error, Result};

thread_local! {
    static IS_ASKING: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is allocating through [`reserve`], as all of this module does, and so can take a refusal. For an allocator that does not return
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
    reserve(n.saturating_mul(size_of::<T>()), || values.try_reserve_exact(n))
}

/// Room for `n` more entries.
///
/// # Errors
/// [`Error::OutOfMemory`]; the entries are unchanged.
pub fn more_entries<K: Eq + Hash, V>(map: &mut HashMap<K, V, impl BuildHasher>, n: usize) -> Result<()> {
    // It doubles, when it is full.
    let bytes = map.len().saturating_add(n).saturating_mul(2 * size_of::<(K, V)>());
    reserve(bytes, || map.try_reserve(n))
}

/// Room in any other collection, which `work` asks for. `bytes` is what the error says.
///
/// # Errors
/// [`Error::OutOfMemory`].
pub fn reserve(bytes: usize, work: impl FnOnce() -> std::result::Result<(), TryReserveError>) -> Result<()> {
    IS_ASKING.set(true);
    let reserved = work();
    IS_ASKING.set(false);
    reserved.map_err(|_| Error::OutOfMemory { bytes: bytes as u64 })
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
        let mut map: HashMap<i64, i64> = HashMap::new();
        assert!(matches!(more_entries(&mut map, usize::MAX), Err(Error::OutOfMemory { .. })));
        assert!(!is_asking());
    }

    #[test]
    fn there_is_room_for_what_was_asked() {
        let mut values = room::<u32>(100).unwrap();
        assert!(values.is_empty() && values.capacity() >= 100);
        values.extend(0..100);
        more_room(&mut values, 1).unwrap();
        assert!(values.capacity() >= 150 && values.len() == 100);
        let mut map: HashMap<i64, i64> = HashMap::new();
        more_entries(&mut map, 10).unwrap();
        assert!(map.capacity() >= 10 && map.is_empty());
    }

    #[test]
    fn who_asks_is_known_while_it_asks() {
        reserve(0, || {
            assert!(is_asking());
            Ok(())
        })
        .unwrap();
        assert!(!is_asking());
    }
}

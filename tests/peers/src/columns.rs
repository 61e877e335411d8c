//! Columns of numbers as files: little-endian, nothing else.

use std::fs;
use std::path::Path;

use crate::Outcome;

/// A number as it is in a file.
pub trait Element: Copy {
    const SIZE: usize;
    fn read(bytes: &[u8]) -> Self;
    fn write(self, to: &mut Vec<u8>);
}

macro_rules! element {
    ($($number:ty),*) => {$(
        impl Element for $number {
            const SIZE: usize = size_of::<$number>();
            fn read(bytes: &[u8]) -> Self {
                let mut own = [0; size_of::<$number>()];
                own.copy_from_slice(bytes);
                <$number>::from_le_bytes(own)
            }
            fn write(self, to: &mut Vec<u8>) {
                to.extend_from_slice(&self.to_le_bytes());
            }
        }
    )*};
}
element!(i32, i64, u32, f32);

pub fn read<T: Element>(folder: &Path, name: &str) -> Outcome<Vec<T>> {
    let path = folder.join(name);
    let bytes = fs::read(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    Ok(bytes.chunks_exact(T::SIZE).map(T::read).collect())
}

pub fn write<T: Element>(folder: &Path, name: &str, values: impl IntoIterator<Item = T>) -> Outcome<()> {
    fs::create_dir_all(folder)?;
    let mut bytes = Vec::new();
    values.into_iter().for_each(|value| value.write(&mut bytes));
    Ok(fs::write(folder.join(name), bytes)?)
}

/// The length of every list: the cut-off of every metric here.
pub const K: usize = 10;
/// Fills a list that is shorter than `K`.
const NOTHING: i32 = -1;

pub fn write_lists(folder: &Path, name: &str, lists: &[Vec<u32>]) -> Outcome<()> {
    let padded = |list: &Vec<u32>| (0..K).map(|i| list.get(i).map_or(NOTHING, |item| *item as i32)).collect::<Vec<_>>();
    write(folder, name, lists.iter().flat_map(padded))
}

pub fn read_lists(path: &Path) -> Outcome<Vec<Vec<u32>>> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name().and_then(|n| n.to_str())) else {
        return Err(format!("{} is no file", path.display()).into());
    };
    let all: Vec<i32> = read(folder, name)?;
    Ok(all.chunks_exact(K).map(|list| list.iter().filter(|i| **i >= 0).map(|i| *i as u32).collect()).collect())
}

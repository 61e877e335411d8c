//! One file per model, mapped by every backend that serves it.
//!
//! It lies among the server's temporary files, which are removed when the server starts and left out of base backups.
//! It is written under another name and renamed, so that half a file is never mapped, and it can always be made again
//! from the tables. It is not used before its checksum was verified. The first backend that opens it does so, and notes
//! the state of the file (inode, size, times) that it verified; the note saves the others some ten milliseconds per
//! 100 MB.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use memmap2::Mmap;
use reco_models::Bytes;

use crate::pg::session::{self, pause};
use crate::store::ModelKey;

/// Relative to the data directory, which is a backend's working directory.
const DIRECTORY: &str = "base/pgsql_tmp";
/// The server removes files whose names begin with `pgsql_tmp`.
const PREFIX: &str = "pgsql_tmp_reco";
/// Files kept of a database: of the active model and of the one before it.
const KEPT: usize = 2;

pub struct Name {
    database: u32,
    key: ModelKey,
}

impl Name {
    pub fn of(key: ModelKey) -> Name {
        Name { database: session::database(), key }
    }

    fn with(&self, suffix: &str) -> PathBuf {
        let Name { database, key: ModelKey { version, hash } } = self;
        [DIRECTORY, &format!("{PREFIX}_{database}_{version}_{hash:016x}{suffix}")].iter().collect()
    }

    pub fn path(&self) -> PathBuf {
        self.with("")
    }

    /// Holds the state of the file whose checksum was verified.
    fn note(&self) -> PathBuf {
        self.with(".checked")
    }
}

pub struct Mapped {
    pub bytes: Bytes,
    file: File,
    size: u64,
    modified: (i64, i64),
}

impl Mapped {
    /// Whether the file is still as it was mapped. A removed one is: its content stays until
    /// the last mapping ends.
    pub fn is_intact(&self) -> bool {
        self.file.metadata().is_ok_and(|now| (now.size(), modified(&now)) == (self.size, self.modified))
    }
}

fn modified(metadata: &Metadata) -> (i64, i64) {
    (metadata.mtime(), metadata.mtime_nsec())
}

/// Differs after every change of the content of a file.
fn state(metadata: &Metadata) -> String {
    let changed = (metadata.ctime(), metadata.ctime_nsec());
    format!("{} {} {:?} {:?}\n", metadata.ino(), metadata.size(), modified(metadata), changed)
}

/// None where there is no file, or its checksum is wrong.
pub fn open(name: &Name) -> Option<Mapped> {
    let file = File::open(name.path()).ok()?;
    let metadata = file.metadata().ok().filter(|m| m.is_file() && m.size() > 0)?;
    // SAFETY: files of this name are only ever replaced as a whole; one that is changed all the same is noticed by its
    // size and times before it is read again. Pages are mapped as they are met: a connection's second score waits one
    // millisecond for them, but mapping the 190 MB of Book-Crossing at once would add seven to its first.
    let map = unsafe { Mmap::map(&file) }.ok()?;
    let mapped = Mapped { bytes: Arc::new(map), size: metadata.size(), modified: modified(&metadata), file };
    let state = state(&metadata);
    if fs::read_to_string(name.note()).is_ok_and(|noted| noted == state) {
        return Some(mapped);
    }
    if let Err(error) = reco_models::verify(&mapped.bytes) {
        reject(name, &error.to_string());
        return None;
    }
    // Without the note the next backend verifies the checksum again.
    let _ = replace(&name.note(), state.as_bytes());
    Some(mapped)
}

/// Removes a file whose content is not what its name says.
pub fn reject(name: &Name, why: &str) {
    pgrx::log!("reco: {} is made again: {why}", name.path().display());
    let _ = fs::remove_file(name.path());
}

/// Held while a file is made, so that a hundred connections that start at once make it once. None where the file
/// system cannot lock: then each makes its own, and the last one stays.
pub fn lock(name: &Name) -> Option<File> {
    let _ = fs::DirBuilder::new().mode(0o700).recursive(true).create(DIRECTORY);
    let path: PathBuf = [DIRECTORY, &format!("{PREFIX}_{}.lock", name.database)].iter().collect();
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path).ok()?;
    loop {
        match file.try_lock() {
            Ok(()) => return Some(file),
            Err(fs::TryLockError::WouldBlock) => {
                pause();
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(fs::TryLockError::Error(_)) => return None,
        }
    }
}

/// Writes the file, and removes those of older models.
pub fn write(name: &Name, image: &[u8]) -> io::Result<()> {
    replace(&name.path(), image)?;
    remove_older(name);
    Ok(())
}

/// Writes under another name and renames.
fn replace(path: &PathBuf, content: &[u8]) -> io::Result<()> {
    let mut aside = path.clone().into_os_string();
    aside.push(format!(".{}.part", std::process::id()));
    let written = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&aside)
        .and_then(|mut file| file.write_all(content))
        .and_then(|()| fs::rename(&aside, path));
    if written.is_err() {
        let _ = fs::remove_file(&aside);
    }
    written
}

/// A backend that maps a removed file keeps it; one that needs the model later makes the file again.
fn remove_older(name: &Name) {
    let Ok(entries) = fs::read_dir(DIRECTORY) else { return };
    let prefix = format!("{PREFIX}_{}_", name.database);
    let version = |file: &str| file.strip_prefix(&prefix)?.split('_').next()?.parse::<i64>().ok();
    let mut files: Vec<(i64, PathBuf)> =
        entries.flatten().filter_map(|entry| Some((version(entry.file_name().to_str()?)?, entry.path()))).collect();
    let mut versions: Vec<i64> = files.iter().map(|(version, _)| *version).collect();
    versions.sort_unstable_by(|a, b| b.cmp(a));
    versions.dedup();
    versions.truncate(KEPT);
    files.retain(|(version, _)| !versions.contains(version) && *version != name.key.version);
    for (_, path) in files {
        let _ = fs::remove_file(path);
    }
}

//! One file per model, mapped by every backend that serves it.
//!
//! It lies among the server's temporary files, which are removed when the server starts and left out of base backups.
//! It is written under another name and renamed, so that half a file is never mapped, and it can always be made again
//! from the tables. It is not used before its checksum was verified. The first backend that opens it does so, and notes
//! the state of the file (inode, size, times) that it verified; the note saves the others some ten milliseconds per
//! 100 MB.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use memmap2::Mmap;
use reco_models::{BUILD, Bytes};

use crate::pg::catalog::database_exists;
use crate::pg::session::{self, pause};
use crate::store::ModelKey;

/// Relative to the data directory, which is a backend's working directory.
const DIRECTORY: &str = "base/pgsql_tmp";
/// The server removes files whose names begin with `pgsql_tmp`.
const PREFIX: &str = "pgsql_tmp_reco";
/// Files kept of a database, those that were made last: of the active model and of the one before it.
const KEPT: usize = 2;

pub struct Name {
    database: u32,
    key: ModelKey,
}

impl Name {
    /// The name also holds the build: what is derived from a stored model may differ between two.
    pub fn of(key: ModelKey) -> Name {
        Name { database: session::database(), key }
    }

    fn with(&self, suffix: &str) -> PathBuf {
        let Name { database, key: ModelKey { version, hash } } = self;
        [DIRECTORY, &format!("{PREFIX}_{database}_{version}_{hash:016x}_{BUILD}{suffix}")].iter().collect()
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
    let file = options().read(true).open(name.path()).ok()?;
    let metadata = file.metadata().ok().filter(|m| m.is_file() && m.size() > 0)?;
    // SAFETY: files of this name are only ever replaced as a whole; one that is changed all the same is noticed by its
    // size and times before it is read again. Pages are mapped as they are met: a connection's second score waits one
    // millisecond for them, but mapping the 190 MB of Book-Crossing at once would add seven to its first.
    let map = unsafe { Mmap::map(&file) }.ok()?;
    let mapped = Mapped { bytes: Arc::new(map), size: metadata.size(), modified: modified(&metadata), file };
    let state = state(&metadata);
    if is_noted(name, &state) {
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

/// Links are not followed, and what is no file does not make a backend wait.
fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_CLOEXEC);
    options
}

fn is_noted(name: &Name, state: &str) -> bool {
    let Ok(note) = options().read(true).open(name.note()) else { return false };
    let mut noted = String::new();
    // A note is shorter than that; something else of its name may be endless.
    let read = note.take(state.len() as u64 + 1).read_to_string(&mut noted);
    read.is_ok() && noted == state
}

/// Removes the file of a training that is rolled back, as a whole or to a savepoint. (After another savepoint the file may
/// be missed; then it is made again.)
pub fn remove_after_abort(name: Name) {
    let name = Arc::new(name);
    let remove = |name: &Name| [name.path(), name.note()].map(|path| _ = fs::remove_file(path));
    let of_part = Arc::clone(&name);
    pgrx::register_subxact_callback(pgrx::PgSubXactCallbackEvent::AbortSub, move |_, _| _ = remove(&of_part));
    pgrx::register_xact_callback(pgrx::PgXactCallbackEvent::Abort, move || _ = remove(&name));
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
    let file = options().write(true).create(true).truncate(false).mode(0o600).open(path).ok()?;
    if !file.metadata().is_ok_and(|m| m.is_file()) {
        return None;
    }
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
    let written = options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&aside)
        .and_then(|file| if file.metadata()?.is_file() { Ok(file) } else { Err(io::ErrorKind::Unsupported.into()) })
        .and_then(|mut file| file.write_all(content))
        .and_then(|()| fs::rename(&aside, path));
    if written.is_err() {
        let _ = fs::remove_file(&aside);
    }
    written
}

/// Removes the files of older models, and those of databases that are gone. A backend that maps a removed file keeps it; one
/// that needs the model later makes the file again.
fn remove_older(name: &Name) {
    let Ok(entries) = fs::read_dir(DIRECTORY) else { return };
    let named = entries.flatten().filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path())));
    let files: Vec<(String, PathBuf)> = named.filter(|(file, _)| file.starts_with(PREFIX)).collect();
    let own = format!("{PREFIX}_{}_", name.database);
    let models = files.iter().filter(|(file, _)| file.starts_with(&own) && !file.contains('.'));
    let mut models: Vec<(SystemTime, &str)> = models
        .filter_map(|(file, path)| Some((path.symlink_metadata().ok()?.modified().ok()?, file.as_str())))
        .collect();
    models.sort_unstable_by(|a, b| b.cmp(a));
    models.truncate(KEPT);
    let is_kept = |file: &str| models.iter().any(|(_, model)| file.split('.').next() == Some(model));
    for (file, path) in &files {
        let is_old = match file.starts_with(&own) {
            true => !is_kept(file),
            false => database_of(file).is_some_and(|database| !database_exists(database)),
        };
        if is_old {
            let _ = fs::remove_file(path);
        }
    }
}

fn database_of(file: &str) -> Option<u32> {
    file.strip_prefix(PREFIX)?.strip_prefix('_')?.split(['_', '.']).next()?.parse().ok()
}

//! What a training tells other processes while it runs: a small segment of dynamic shared memory, which needs no preloaded
//! library on any version. It is there as long as a process is attached to it, so what a row of `reco.run` says of a process
//! is checked by it: a crash removes the segment, and its name is not used again.

use std::cell::RefCell;
use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicI32, AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use pgrx::pg_sys;

use crate::failure::{Failure, Outcome};
use crate::pg::headroom;

/// The step of a run that has not begun to read.
pub const STARTING: &str = "starting";
/// The step of a run whose model is stored, in a transaction that may be open.
pub const STORED: &str = "stored";

/// How far a run is. What follows `Ready` is final for the process that trains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum State {
    /// The other process is not there yet.
    Starting,
    Ready,
    /// It did not begin, and says why.
    Refused,
    /// The model is stored, in a transaction that may still be rolled back.
    Stored,
    Failed,
}

/// A text that one process writes and others read; `version` is odd while it is written.
#[repr(C)]
struct Text<const WORDS: usize> {
    version: AtomicU32,
    length: AtomicU32,
    words: [AtomicU64; WORDS],
}

impl<const WORDS: usize> Text<WORDS> {
    fn write(&self, text: &str) {
        let mut length = text.len().min(8 * WORDS);
        while !text.is_char_boundary(length) {
            length -= 1;
        }
        self.version.fetch_add(1, Ordering::AcqRel);
        for (word, bytes) in self.words.iter().zip(text.as_bytes()[..length].chunks(8)) {
            let mut padded = [0; 8];
            padded[..bytes.len()].copy_from_slice(bytes);
            word.store(u64::from_ne_bytes(padded), Ordering::Release);
        }
        self.length.store(length as u32, Ordering::Release);
        self.version.fetch_add(1, Ordering::AcqRel);
    }

    fn read(&self) -> String {
        let before = self.version.load(Ordering::Acquire);
        let mut bytes: Vec<u8> =
            self.words.iter().flat_map(|word| word.load(Ordering::Acquire).to_ne_bytes()).collect();
        bytes.truncate(self.length.load(Ordering::Acquire) as usize);
        match before.is_multiple_of(2) && self.version.load(Ordering::Acquire) == before {
            true => String::from_utf8_lossy(&bytes).into_owned(),
            false => String::new(),
        }
    }
}

/// Not the first bytes of any segment of PostgreSQL's own, which a stale handle could lead to.
const MAGIC: u64 = 0x7265_636f_2d72_756e;

/// The layout of the segment; the text that the starting process gives follows.
#[repr(C)]
struct Board {
    magic: AtomicU64,
    run: AtomicI64,
    given: AtomicU64,
    state: AtomicU32,
    pid: AtomicI32,
    /// The transaction that the run belongs to, as a whole and the part of it; 0: none.
    transaction: AtomicU32,
    part: AtomicU32,
    share: AtomicU32,
    memory: AtomicU64,
    peak: AtomicU64,
    wal: AtomicU64,
    version: AtomicI64,
    step: Text<8>,
    said: Text<2048>,
}

/// A segment that this process is attached to.
pub struct Segment {
    segment: *mut pg_sys::dsm_segment,
    /// False where another part of this process attached it, and will detach it.
    owned: bool,
}

impl Drop for Segment {
    fn drop(&mut self) {
        if self.owned {
            // SAFETY: attached once by this value.
            unsafe { pg_sys::dsm_detach(self.segment) };
        }
    }
}

impl Segment {
    /// A new segment for a run; `given` is what the process that attaches it next is told.
    ///
    /// # Errors
    /// 53200 where there is no segment left.
    pub fn create(run: i64, given: &str) -> Outcome<Segment> {
        let size = size_of::<Board>() + given.len();
        // SAFETY: gives a mapping of that size, or null; it is pinned, so that it ends with this value and not with a
        // portal's or a subtransaction's resources.
        let segment = unsafe { pg_sys::dsm_create(size, pg_sys::DSM_CREATE_NULL_IF_MAXSEGMENTS as _) };
        if segment.is_null() {
            return Err(Failure::out_of_memory(size as u64));
        }
        let created = Segment { segment, owned: true };
        // SAFETY: the mapping has this size and nobody else has it yet.
        unsafe {
            pg_sys::dsm_pin_mapping(segment);
            let start = pg_sys::dsm_segment_address(segment).cast::<u8>();
            start.write_bytes(0, size_of::<Board>());
            start.add(size_of::<Board>()).copy_from_nonoverlapping(given.as_ptr(), given.len());
        }
        created.set_step(STARTING, 0.0);
        let board = created.board();
        board.run.store(run, Ordering::Relaxed);
        board.given.store(given.len() as u64, Ordering::Relaxed);
        board.magic.store(MAGIC, Ordering::Release);
        Ok(created)
    }

    /// The segment of a run; None where it is gone.
    pub fn attach(handle: u32, run: Option<i64>) -> Option<Segment> {
        // SAFETY: both give a mapping or null.
        let segment = unsafe {
            let found = pg_sys::dsm_find_mapping(handle);
            match found.is_null() {
                false => Segment { segment: found, owned: false },
                true => Segment { segment: pg_sys::dsm_attach(handle), owned: true },
            }
        };
        if segment.segment.is_null() {
            std::mem::forget(segment);
            return None;
        }
        // SAFETY: an attached segment.
        let length = unsafe { pg_sys::dsm_segment_map_length(segment.segment) };
        if length < size_of::<Board>() {
            return None;
        }
        let board = segment.board();
        let is_right = board.magic.load(Ordering::Acquire) == MAGIC
            && run.is_none_or(|run| board.run.load(Ordering::Relaxed) == run);
        is_right.then_some(segment)
    }

    fn board(&self) -> &Board {
        // SAFETY: the mapping is at least that large, aligned to a page, and of atomic values only.
        unsafe { &*pg_sys::dsm_segment_address(self.segment).cast::<Board>() }
    }

    /// By which another process attaches it.
    pub fn handle(&self) -> u32 {
        // SAFETY: an attached segment.
        unsafe { pg_sys::dsm_segment_handle(self.segment) }
    }

    pub fn run(&self) -> i64 {
        self.board().run.load(Ordering::Relaxed)
    }

    pub fn set_run(&self, run: i64) {
        self.board().run.store(run, Ordering::Release);
    }

    /// What the creator gave.
    pub fn given(&self) -> String {
        // SAFETY: an attached segment.
        let length = unsafe { pg_sys::dsm_segment_map_length(self.segment) };
        let given = (self.board().given.load(Ordering::Relaxed) as usize).min(length - size_of::<Board>());
        // SAFETY: within the mapping; nobody writes there after the segment was published.
        let bytes = unsafe {
            let start = pg_sys::dsm_segment_address(self.segment).cast::<u8>().add(size_of::<Board>());
            std::slice::from_raw_parts(start, given)
        };
        String::from_utf8_lossy(bytes).into_owned()
    }

    pub fn state(&self) -> State {
        match self.board().state.load(Ordering::Acquire) {
            0 => State::Starting,
            1 => State::Ready,
            2 => State::Refused,
            3 => State::Stored,
            _ => State::Failed,
        }
    }

    pub fn set_state(&self, state: State) {
        self.board().state.store(state as u32, Ordering::Release);
    }

    /// The process that trains.
    pub fn pid(&self) -> i32 {
        self.board().pid.load(Ordering::Acquire)
    }

    pub fn set_pid(&self, pid: i32) {
        self.board().pid.store(pid, Ordering::Release);
    }

    /// The transaction that has to commit, and the part of it (a subtransaction) that did the work.
    pub fn transaction(&self) -> (u32, u32) {
        (self.board().transaction.load(Ordering::Acquire), self.board().part.load(Ordering::Acquire))
    }

    pub fn set_transaction(&self, whole: u32, part: u32) {
        self.board().part.store(part, Ordering::Release);
        self.board().transaction.store(whole, Ordering::Release);
    }

    /// The model that was stored.
    pub fn version(&self) -> i64 {
        self.board().version.load(Ordering::Acquire)
    }

    pub fn set_version(&self, version: i64) {
        self.board().version.store(version, Ordering::Release);
    }

    /// What the other process has to be told at the end, a few kilobytes.
    pub fn said(&self) -> String {
        self.board().said.read()
    }

    pub fn say(&self, text: &str) {
        self.board().said.write(text);
    }

    pub fn progress(&self) -> Progress {
        let board = self.board();
        Progress {
            step: board.step.read(),
            share: f32::from_bits(board.share.load(Ordering::Acquire)),
            memory: board.memory.load(Ordering::Acquire),
            peak: board.peak.load(Ordering::Acquire),
            wal: board.wal.load(Ordering::Acquire),
        }
    }

    pub fn set_step(&self, step: &str, share: f32) {
        let board = self.board();
        board.share.store(share.to_bits(), Ordering::Release);
        if board.step.read() != step {
            board.step.write(step);
        }
    }

    fn measure(&self, wal_before: u64) {
        let (board, memory) = (self.board(), headroom::own());
        board.memory.store(memory, Ordering::Release);
        board.peak.fetch_max(memory, Ordering::AcqRel);
        board.wal.store(wal_written().wrapping_sub(wal_before), Ordering::Release);
    }
}

/// What a run tells of itself.
pub struct Progress {
    pub step: String,
    /// 0 to 1.
    pub share: f32,
    /// Bytes of the process now, and the most so far.
    pub memory: u64,
    pub peak: u64,
    /// Bytes written by the process for this run.
    pub wal: u64,
}

/// Bytes of WAL that this process has written.
pub fn wal_written() -> u64 {
    // SAFETY: a plain read of a counter of this process.
    unsafe { (&raw const pg_sys::pgWalUsage.wal_bytes).read() }
}

/// Between two looks at the memory of the process, each of which takes about 0.05 ms.
const MEASURED: Duration = Duration::from_millis(100);

/// Nothing of it is dropped with the process: by then PostgreSQL has detached the segment.
struct Own {
    segment: ManuallyDrop<Segment>,
    wal_before: u64,
    measured: Instant,
}

thread_local! {
    /// The run of this process.
    static OWN: RefCell<Option<Own>> = const { RefCell::new(None) };
}

/// Takes the segment as that of this process's run, until [`leave`].
pub fn enter(segment: Segment) {
    segment.measure(wal_written());
    OWN.set(Some(Own { segment: ManuallyDrop::new(segment), wal_before: wal_written(), measured: Instant::now() }));
}

/// Gives the segment back; None where the run has none.
pub fn leave() -> Option<Segment> {
    OWN.take().map(|own| ManuallyDrop::into_inner(own.segment))
}

/// Tells how far the run of this process is; to be called often.
pub fn tell(step: &str, share: f32) {
    OWN.with_borrow_mut(|own| {
        let Some(own) = own else { return };
        own.segment.set_step(step, share);
        if own.measured.elapsed() >= MEASURED {
            own.segment.measure(own.wal_before);
            own.measured = Instant::now();
        }
    });
}

/// Does something with the run of this process, if it is told to others, and with its latest figures.
pub fn of_this_run<R>(work: impl FnOnce(&Segment) -> R) -> Option<R> {
    OWN.with_borrow(|own| {
        own.as_ref().map(|own| {
            own.segment.measure(own.wal_before);
            work(&own.segment)
        })
    })
}

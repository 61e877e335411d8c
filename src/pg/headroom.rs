//! What the operating system still has for this server. Beyond it Linux does not refuse memory but kills a process, and
//! PostgreSQL then restarts the whole cluster; so a training ends itself before.
//!
//! Two limits are looked at: the machine's (`MemAvailable` and free swap of /proc/meminfo) and those of the control groups that the
//! process is in, as containers and systemd set them: <https://docs.kernel.org/admin-guide/cgroup-v2.html>,
//! section "Memory", and the same of version 1. Where a file cannot be read, there is no limit of that kind.

use std::cell::Cell;
use std::fs::read_to_string;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use pgrx::PgSqlErrorCode;

use crate::failure::{Failure, Outcome};

/// What is left to the others for each thread of a training, and once more. A thread touches new memory at about 1 GB a
/// second, and the next look is 20 ms away.
const LEFT_BY_A_THREAD: u64 = 32 << 20;
/// Between two looks; each takes about 0.1 ms.
const INTERVAL: Duration = Duration::from_millis(10);

thread_local! {
    static LOOKED: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Fails where a computation with `threads` threads must end; to be called every few milliseconds.
///
/// # Errors
/// 53200.
pub fn watch(threads: usize) -> Outcome<()> {
    let is_fresh = LOOKED.get().is_some_and(|looked| looked.elapsed() < INTERVAL);
    if is_fresh {
        return Ok(());
    }
    LOOKED.set(Some(Instant::now()));
    require(LEFT_BY_A_THREAD * (1 + threads as u64))
}

/// Fails where less than `bytes` are left.
///
/// # Errors
/// 53200.
pub fn require(bytes: u64) -> Outcome<()> {
    match left() {
        Some(left) if left < bytes => Err(short(left, bytes)),
        _ => Ok(()),
    }
}

fn short(left: u64, bytes: u64) -> Failure {
    Failure::new(PgSqlErrorCode::ERRCODE_OUT_OF_MEMORY, "out of memory")
        .detail(format!(
            "The machine, or the control group of the server, has {} MB left, and {} MB are needed at this moment. \
             Beyond the limit the system would kill the process.",
            left >> 20,
            bytes.div_ceil(1 << 20)
        ))
        .hint("Give the server more memory; or train with fewer \"factors\" or \"neighbours\", or a lower reco.max_threads.")
}

/// Bytes of memory that this process has for itself, without what it shares with others; 0 where that cannot be read.
pub fn own() -> u64 {
    let status = read_to_string("/proc/self/status").unwrap_or_default();
    let kb = field(&status, "RssAnon:").and_then(|text| text.trim_end_matches(" kB").trim().parse::<u64>().ok());
    kb.unwrap_or(0) << 10
}

/// Bytes that can still be taken; None where no limit is known.
pub fn left() -> Option<u64> {
    let of_machine = read_to_string("/proc/meminfo").ok().and_then(|text| of_meminfo(&text));
    let groups = read_to_string("/proc/self/cgroup").unwrap_or_default();
    groups.lines().filter_map(of_line).chain(of_machine).min()
}

/// `MemAvailable` and `SwapFree`, in bytes.
fn of_meminfo(text: &str) -> Option<u64> {
    let kb = |name: &str| field(text, name)?.trim_end_matches(" kB").trim().parse::<u64>().ok();
    Some((kb("MemAvailable:")? + kb("SwapFree:").unwrap_or(0)) << 10)
}

/// Names of a control group's files in one version of the interface.
struct Interface {
    root: &'static str,
    limit: &'static str,
    usage: &'static str,
    /// Entries of memory.stat: file pages that the system takes back.
    reclaimable: [&'static str; 2],
}

const V1: Interface = Interface {
    root: "/sys/fs/cgroup/memory",
    limit: "memory.limit_in_bytes",
    usage: "memory.usage_in_bytes",
    reclaimable: ["total_inactive_file ", "total_active_file "],
};
const V2: Interface = Interface {
    root: "/sys/fs/cgroup",
    limit: "memory.max",
    usage: "memory.current",
    reclaimable: ["inactive_file ", "active_file "],
};

/// What the groups of a line of /proc/self/cgroup leave: `0::/path` in version 2, `4:memory:/path` in version 1.
fn of_line(line: &str) -> Option<u64> {
    let mut parts = line.splitn(3, ':').skip(1);
    let (controllers, path) = (parts.next()?, parts.next()?);
    let interface = match controllers {
        "" => V2,
        names if names.split(',').any(|name| name == "memory") => V1,
        _ => return None,
    };
    // In a container the path may be the host's, of which only the root is mounted.
    let group = PathBuf::from(format!("{}{path}", interface.root));
    group
        .ancestors()
        .take_while(|a| a.starts_with(interface.root))
        .filter_map(|group| of_group(&interface, group))
        .min()
}

fn of_group(interface: &Interface, group: &Path) -> Option<u64> {
    let number = |name: &str| read_to_string(group.join(name)).ok()?.trim().parse::<u64>().ok();
    let (limit, usage) = (number(interface.limit)?, number(interface.usage)?);
    let stat = read_to_string(group.join("memory.stat")).unwrap_or_default();
    let reclaimable: u64 =
        interface.reclaimable.iter().filter_map(|name| field(&stat, name)?.trim().parse::<u64>().ok()).sum();
    Some(limit.saturating_sub(usage.saturating_sub(reclaimable)))
}

/// What stands behind the name that begins a line.
fn field<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    text.lines().find_map(|line| line.strip_prefix(name))
}

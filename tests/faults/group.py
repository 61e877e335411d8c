"""A control group with less memory than a training takes: an error, where the system would kill the process."""

import os
from pathlib import Path

from memory import LIBRARIES, MB, SOURCES
from site_of_faults import sleep_until
from sessions import Session, check, first_error, run

# Root of the groups that have memory, and the file of a limit, in versions 1 and 2 of the interface.
INTERFACES = ((Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"), (Path("/sys/fs/cgroup"), "memory.max"))
# Of the 330 MB that the training takes, and of what a training leaves to others.
LIMIT_MB = 350


def new_group():
    """A group of its own below the one of this process, and its file of the limit; None where that is not allowed."""
    for root, limit in INTERFACES:
        group = root / f"reco-{os.getpid()}"
        try:
            group.mkdir()
        except OSError:
            continue
        if (group / limit).exists():
            return group, group / limit
        group.rmdir()
    return None


def killed(group):
    """How often the system killed a process of the group."""
    lines = [line.split() for name in ("memory.oom_control", "memory.events") if (group / name).exists()
             for line in (group / name).read_text().splitlines()]
    return sum(int(number) for name, number in lines if name == "oom_kill")


def removed(group):
    """Whether it could be removed: not before the last process has left it."""
    try:
        group.rmdir()
        return True
    except OSError:
        return False


def train_in(group, limit):
    name, readers, books, reviews, options = LIBRARIES[1]
    session = Session()
    session.query(SOURCES.format(readers=readers, books=books, reviews=reviews).replace("\n", " "))
    session.close()
    session = Session()
    session.query("SET reco.max_threads = 2;")
    limit.write_text(str(LIMIT_MB * MB))
    (group / "cgroup.procs").write_text(str(session.pid))
    sql = f"SELECT reco_train('{{\"force\": true, \"budget\": \"8s\"}}'::jsonb || '{options}');"
    error = first_error(session.finish(session.start(sql)))
    check(error is not None and error[1] == "53200" and not session.ended, f"expected 53200, got {error}")
    check(killed(group) == 0, "the system killed a process")
    check(session.query("SELECT 'here';") == ["here"], "the session is gone")
    limit.write_text(str(4096 * MB))
    error = first_error(session.finish(session.start(sql)))
    check(error is None, f"with more memory the training failed: {error}")
    session.close()
    print(f"  a control group of {LIMIT_MB} MB: 53200, and with more the next training works", flush=True)


def main():
    made = new_group()
    if made is None:
        print("  skipped: a control group, because only root can make one", flush=True)
        return
    try:
        train_in(*made)
    finally:
        sleep_until(lambda: removed(made[0]), 10, "the control group stays")


if __name__ == "__main__":
    run(main)

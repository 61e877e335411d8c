"""Each fault in each phase of a training or a scoring, one row for each, and after each of them:
the cluster is up, the old model gives the same scores, nothing stays (thread, lock, file, row), the next training works."""

import os
import signal
import sys
import time
from pathlib import Path

from site_of_faults import ROWS, TRAIN, Site, died, limit, postmaster_pid, restart, sleep_until
from sessions import Session, check, first_error, run

PHASES = ("reading", "choosing", "content", "factorising", "evaluating", "refitting", "predicting", "storing")
FEW = ("factorising", "storing")
MB = 1 << 20
# A short phase can be over, and the training committed, before the fault comes.
HAD_ENDED = "had ended"
TRIES = 4


def cancel(site, session, mark):
    site.observer.query(f"SELECT pg_cancel_backend({session.pid});")
    return expect(session, mark, "57014")


def terminate(site, session, mark):
    site.observer.query(f"SELECT pg_terminate_backend({session.pid});")
    return expect(session, mark, "57P01")


def client_gone(site, session, mark):
    session.process.kill()
    died(session.pid, 10)
    return "stored nothing" if site.observer.query(ROWS) == site.rows else HAD_ENDED


def kill_9(site, session, mark):
    os.kill(session.pid, signal.SIGKILL)
    session.finish(mark)
    site.reconnect()
    return "cluster recovered"


def immediate_shutdown(site, session, mark):
    os.kill(postmaster_pid(), signal.SIGQUIT)
    session.finish(mark)
    restart()
    site.reconnect()
    return "cluster restarted"


def memory_short(site, session, mark):
    """All that the process has not mapped yet is refused. A phase may get along with what it has."""
    limit(session.pid, "as", int(status(session.pid, "VmSize")) * 1024)
    return expect(session, mark, "53200", may_end=True)


def memory_short_without_reserve(site, session, mark):
    """Less than the process has: its reserve is of no use, and only the session may end."""
    limit(session.pid, "as", int(status(session.pid, "VmSize")) * 1024 - 80 * MB)
    return expect(session, mark, "53200", may_end=True)


def data_disk_full(site, session, mark):
    """No file of the process may grow beyond what the small tables have: PostgreSQL reports that limit as XX000."""
    limit(session.pid, "fsize", 256 * 1024)
    return expect(session, mark, "53100", may_end=True, others=("XX000",))


def another_trainer(site, session, mark):
    other = Session()
    found = first_error(other.finish(other.start(TRAIN)))
    other.close()
    if found is None:
        # Storing takes less time than connecting.
        check(first_error(session.finish(mark)) is None, "two trainings at once")
        return HAD_ENDED
    check(found[1] == "55P03", f"the second trainer got {found}")
    site.observer.query(f"SELECT pg_cancel_backend({session.pid});")
    expect(session, mark, "57014", may_end=True)
    return "55P03 for the second"


def source_dropped(site, session, mark):
    """After it was read, a source is free: dropping it waits for no training. Here it is rolled back."""
    site.observer.query("SET lock_timeout = '2s';")
    site.observer.query("BEGIN;")
    site.observer.query("DROP TABLE favorito CASCADE;")
    site.observer.query("ROLLBACK;")
    site.observer.query("RESET lock_timeout;")
    site.observer.query(f"SELECT pg_cancel_backend({session.pid});")
    expect(session, mark, "57014", may_end=True)
    return "dropped at once"


def extension_dropped(site, session, mark):
    """Waits for the training, and so gives way to it. Rolled back, in case that the training has just ended."""
    site.observer.query("SET lock_timeout = '300ms';")
    site.observer.query("BEGIN;")
    found = first_error(site.observer.finish(site.observer.start("DROP EXTENSION reco;")))
    site.observer.query("ROLLBACK;")
    site.observer.query("RESET lock_timeout;")
    if found is None:
        check(first_error(session.finish(mark)) is None, "DROP EXTENSION did not wait for a training")
        return "training had ended"
    check(found[1] == "55P03", f"DROP EXTENSION during a training: {found}")
    site.observer.query(f"SELECT pg_cancel_backend({session.pid});")
    expect(session, mark, "57014", may_end=True)
    return "waits: 55P03"


def other_database_dropped(site, session, mark):
    site.observer.query("CREATE DATABASE of_others;")
    since = time.monotonic()
    site.observer.query("DROP DATABASE of_others;")
    check(time.monotonic() - since < 5, "DROP DATABASE waits for a training")
    site.observer.query(f"SELECT pg_cancel_backend({session.pid});")
    expect(session, mark, "57014", may_end=True)
    return "dropped at once"


# What happens in the middle of a phase: name, action, whether the cluster may restart.
IN_A_PHASE = (
    ("cancel", cancel), ("terminate", terminate), ("client gone", client_gone), ("kill -9", kill_9),
    ("immediate shutdown", immediate_shutdown), ("memory short", memory_short),
    ("memory short, no reserve", memory_short_without_reserve), ("disk full", data_disk_full),
    ("another trainer", another_trainer), ("source dropped", source_dropped),
    ("DROP EXTENSION", extension_dropped), ("DROP DATABASE", other_database_dropped),
)
# A source is locked while it is read, the tables of reco from when they are written.
NOT_IN = {("source dropped", "reading"), ("DROP EXTENSION", "reading")}


def status(pid, field):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return line.split()[1]
    return "0"


def expect(session, mark, state, may_end=False, others=()):
    lines = session.finish(mark, 120)
    found = first_error(lines)
    if found is None and may_end and not session.ended:
        return "went on"
    check(found is not None, f"no error came: {lines[-3:]}")
    check(found[1] == state or found[1] in others, f"expected {state}, got {found[2]}")
    return found[1] + (", session ended" if session.ended else "")


def statement_timeout(site, session):
    session.query("SET statement_timeout = '400ms';")
    return expect(session, session.start(TRAIN), "57014")


def lock_timeout(site, session):
    site.observer.query("BEGIN;")
    site.observer.query("LOCK TABLE resena;")
    session.query("SET lock_timeout = '200ms';")
    outcome = expect(session, session.start(TRAIN), "55P03")
    site.observer.query("ROLLBACK;")
    return outcome


def rolled_back(site, session):
    session.query("BEGIN;")
    train(session)
    session.query("ROLLBACK;")
    return "rolled back"


def rolled_back_to_a_savepoint(site, session):
    session.query("BEGIN;")
    session.query("SAVEPOINT before;")
    train(session)
    session.query("ROLLBACK TO before;")
    session.query("COMMIT;")
    return "rolled back"


def prepared_and_rolled_back(site, session):
    session.query("BEGIN;")
    train(session)
    lines = session.finish(session.start("PREPARE TRANSACTION 'training';"))
    found = first_error(lines)
    if found:
        # A transaction that has notified cannot be prepared.
        check(found[1] == "0A000", f"PREPARE TRANSACTION: {found[2]}")
        return found[1]
    session.query("ROLLBACK PREPARED 'training';")
    return "rolled back"


def read_only(site, session):
    session.query("SET default_transaction_read_only = on;")
    return expect(session, session.start(TRAIN), "25006")


def promotion_under(level):
    def fault(site, session):
        other = Session()
        other.query(f"BEGIN ISOLATION LEVEL {level};")
        check(site.scores(other) == site.before, f"{level}: other scores")
        session.query(f"BEGIN ISOLATION LEVEL {level};")
        train(session)
        check(site.scores(session) != site.before, f"{level}: the trainer does not see its own promotion")
        check(site.scores(other) == site.before, f"{level}: an uncommitted promotion was seen")
        session.query("COMMIT;")
        check(site.scores(other) == site.before, f"{level}: the snapshot was left")
        other.query("COMMIT;")
        check(site.scores(other) != site.before, f"{level}: the promotion is not seen")
        other.query("SELECT reco_rollback();")
        other.query("SELECT reco_drop_model(max(version)) FROM reco_models();")
        other.close()
        return "each sees its snapshot"
    return fault


def train_without_memory(margin):
    def fault(site, session):
        session.query("SELECT reco_scores(1, '{1}');")
        limit(session.pid, "as", int(status(session.pid, "VmSize")) * 1024 + margin * MB)
        return expect(session, session.start(TRAIN), "53200")
    return fault


def score_without_memory(site, session):
    session.query("SELECT reco_scores(1, '{1}');")
    limit(session.pid, "as", int(status(session.pid, "VmSize")) * 1024 + 12 * MB)
    sql = "SELECT count(*) FROM reco_score(1, ARRAY(SELECT generate_series(1, 300000)::bigint));"
    return expect(session, session.start(sql), "53200")


def score_cancelled(site, session):
    mark = session.start("SELECT count(*) FROM generate_series(1, 100000) u, reco_score(u, ARRAY(SELECT id FROM libro));")
    time.sleep(0.3)
    site.observer.query(f"SELECT pg_cancel_backend({session.pid});")
    return expect(session, mark, "57014")


def score_killed(site, session):
    mark = session.start("SELECT count(*) FROM generate_series(1, 100000) u, reco_score(u, ARRAY(SELECT id FROM libro));")
    time.sleep(0.3)
    return kill_9(site, session, mark)


def file_replaced(make):
    def fault(site, session):
        path = site.model_file()
        path.unlink()
        make(path)
        session.query("SET statement_timeout = '10s';")
        check(site.scores(session) == site.before, "other scores")
        if path.is_symlink() or not path.is_file():
            path.unlink()
        return "the same scores"
    return fault


def file_cut(site, session):
    """Cut while sessions map it: they must not read what is no longer there."""
    check(site.scores(session) == site.before, "other scores")
    os.truncate(site.model_file(), 4096)
    check(site.scores(session) == site.before, "other scores")
    return "the same scores"


WHOLE = (
    ("statement_timeout", "training", statement_timeout), ("lock_timeout", "reading", lock_timeout),
    ("ROLLBACK", "training", rolled_back), ("ROLLBACK TO", "training", rolled_back_to_a_savepoint),
    ("PREPARE TRANSACTION", "training", prepared_and_rolled_back), ("read only", "training", read_only),
    ("REPEATABLE READ", "promotion", promotion_under("REPEATABLE READ")),
    ("SERIALIZABLE", "promotion", promotion_under("SERIALIZABLE")),
    ("8 MB left", "training", train_without_memory(8)), ("70 MB left", "training", train_without_memory(70)),
    ("200 MB left", "training", train_without_memory(200)), ("12 MB left", "scoring", score_without_memory), ("cancel", "scoring", score_cancelled),
    ("kill -9", "scoring", score_killed),
    ("file deleted", "scoring", file_replaced(lambda path: None)),
    ("file torn", "scoring", file_replaced(lambda path: path.write_bytes(b"recomodl" * 100))),
    ("file foreign", "scoring", file_replaced(lambda path: path.write_bytes(b"GIF89a" * 1000))),
    ("file cut while mapped", "scoring", file_cut),
    ("file is a pipe", "scoring", file_replaced(os.mkfifo)),
    ("file is a link", "scoring", file_replaced(lambda path: path.symlink_to("/dev/zero"))),
)


# What happens to the process of a training in the background: name, action, what the journal may say of it.
IN_BACKGROUND = (
    ("cancel", lambda pid: os.kill(pid, signal.SIGINT), ("cancelled",)),
    ("terminate", lambda pid: os.kill(pid, signal.SIGTERM), ("killed",)),
    ("kill -9", lambda pid: os.kill(pid, signal.SIGKILL), ("killed",)),
    ("immediate shutdown", lambda pid: os.kill(postmaster_pid(), signal.SIGQUIT), ("killed",)),
    # A phase may get along with what it has.
    ("memory short", lambda pid: limit(pid, "as", int(status(pid, "VmSize")) * 1024), ("failed", "killed", "trained", "kept")),
    ("memory short, no reserve", lambda pid: limit(pid, "as", int(status(pid, "VmSize")) * 1024 - 80 * MB),
     ("failed", "killed", "trained", "kept")),
)
# No limit of a file's size: this process notes its phases, so it writes WAL itself, and the limit there is a PANIC, as a full
# disk for WAL is. A full disk is in disk.py.


def in_background(site, name, fault, expected, phase):
    """Gives the outcome, or None where the phase was over before the fault came."""
    session = Session()
    run_id = session.query("SELECT reco_train_async();")[0]
    session.close()
    step = f"SELECT split_part(phase, ' ', 1), pid FROM reco_progress() WHERE run_id = {run_id};"
    found = None
    while found is None or found[0] != phase:
        lines = site.observer.query(step)
        if not lines:
            break
        found = lines[0].split("|")
    if lines:
        try:
            fault(int(found[1]))
        except (ProcessLookupError, FileNotFoundError):
            lines = []
    if name == "immediate shutdown" and lines:
        restart()
    if name in ("immediate shutdown", "kill -9") and lines:
        site.reconnect()
    ended = f"SELECT outcome, coalesce(sqlstate, '') FROM reco_runs() WHERE id = {run_id} AND outcome <> 'running';"
    sleep_until(lambda: site.observer.query(ended), 120, f"{name} while {phase}: the run does not end")
    outcome, state = site.observer.query(ended)[0].split("|")
    site.assert_as_before(f"{name} while {phase} in the background", session)
    if not lines or outcome in ("trained", "kept") and not set(expected) & {"trained", "kept"}:
        return None
    check(outcome in expected, f"{name} while {phase} in the background: {outcome} {state}")
    return f"{outcome} {state}"


def train(session):
    lines = session.finish(session.start("SELECT * FROM reco_train('{\"force\": true}');"))
    check(first_error(lines) is None, f"the training failed: {lines}")


def row(fault, phase, outcome, begun):
    print(f"  {fault:<36} {phase:<12} {outcome:<28} {time.monotonic() - begun:5.1f} s", flush=True)


def in_a_phase(site, name, fault, phase):
    session = Session()
    if fault is client_gone:
        # Nothing may be sent that would tell the server.
        mark = site.start_silently(session, phase)
    else:
        mark = session.start(TRAIN)
        session.wait_for_phase(phase)
    outcome = fault(site, session, mark)
    site.assert_as_before(f"{name} while {phase}", session)
    return outcome


def main():
    phases = PHASES if sys.argv[1:] == ["long"] else FEW
    site = Site()
    print(f"  {'fault':<36} {'phase':<12} {'outcome':<28}    time", flush=True)
    for name, fault in IN_A_PHASE:
        for phase in phases:
            if (name, phase) in NOT_IN:
                continue
            begun = time.monotonic()
            for _ in range(TRIES):
                outcome = in_a_phase(site, name, fault, phase)
                if outcome != HAD_ENDED:
                    break
            check(outcome != HAD_ENDED or phase == "storing", f"{name} while {phase}: it was stored all the same")
            row(name, phase, outcome, begun)
    for name, fault, expected in IN_BACKGROUND:
        for phase in phases:
            begun = time.monotonic()
            outcomes = (in_background(site, name, fault, expected, phase) for _ in range(TRIES))
            row(f"background: {name}", phase, next((outcome for outcome in outcomes if outcome), HAD_ENDED), begun)
    for name, phase, fault in WHOLE:
        begun = time.monotonic()
        session = Session()
        outcome = fault(site, session)
        site.assert_as_before(f"{name} while {phase}", session)
        row(name, phase, outcome, begun)
    site.close()


if __name__ == "__main__":
    run(main)

"""What backends that share one model file may rely on. Each check compares scores by their digest."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from sessions import TRAINING_TIMEOUT, Failure, Session, check, first_error

# Version and digest of many readers' scores; through the rules, the version is empty.
SCORES = """SELECT string_agg(DISTINCT coalesce(model_version::text, 'rules'), ','),
    md5(string_agg(score::text, ' ' ORDER BY u, item_id))
    FROM generate_series(1, 40) u, reco_score(u, ARRAY(SELECT id FROM libro));"""
DATA = Path(os.environ["PGDATA"])
DIRECTORY = DATA / "base" / "pgsql_tmp"
CROWD = 20


def scores(session):
    """(version, digest) as a session has them."""
    version, digest = session.query(SCORES)[0].split("|")
    return version, digest


def fresh():
    """The same of a new connection."""
    session = Session()
    try:
        return scores(session)
    finally:
        session.close()


def same(found, expected, what):
    check(found == expected, f"{what}: expected {expected}, got {found}")
    print(f"  {what}", flush=True)


def train(session, seed):
    lines = session.finish(session.start(f"SELECT * FROM reco_train('{{\"force\": true, \"seed\": {seed}}}');"))
    check(first_error(lines) is None, f"the training failed: {lines}")


def model_file(session):
    return DATA / session.query("SELECT reco_health()->'cache'->>'path';")[0]


def place(session):
    return session.query("SELECT reco_health()->'cache'->>'place';")[0]


def promotions(first, second):
    """Who sees which model: a matter of snapshots alone."""
    one, two, reader = Session(), Session(), Session()
    reader.query("BEGIN ISOLATION LEVEL REPEATABLE READ;")
    same(scores(reader), second, "a REPEATABLE READ transaction begins with the active model")
    one.query("BEGIN;")
    one.query("SELECT reco_activate(1);")
    same(scores(one), first, "who activates a model is served by it at once")
    same(scores(two), second, "others are not, before the commit")
    same(fresh(), second, "nor is a new connection")
    one.query("ROLLBACK;")
    same(scores(one), second, "after the roll-back nothing has happened")
    same(scores(two), second, "and nobody else noticed")
    one.query("BEGIN;")
    one.query("SELECT reco_rollback();")
    same(scores(one), first, "a reco_rollback() counts at once for its own transaction")
    one.query("COMMIT;")
    same(scores(two), first, "and for others from the commit on")
    same(scores(reader), second, "the REPEATABLE READ transaction keeps its model")
    reader.query("COMMIT;")
    same(scores(reader), first, "until it ends")
    two.query("SELECT reco_activate(2);")
    same(scores(one), second, "an activation reaches the other sessions")
    for session in (one, two, reader):
        session.close()


def discarded_training(second):
    """A version of a model that was rolled back is never met again."""
    trainer, other = Session(), Session()
    trainer.query("BEGIN;")
    train(trainer, 3)
    check(scores(trainer)[0] == "3", "the trainer is not served by its own promotion")
    same(scores(other), second, "an uncommitted training is invisible")
    trainer.query("ROLLBACK;")
    same(scores(trainer), second, "a training that is rolled back leaves nothing behind")
    trainer.close()
    other.close()


def broken_files(expected):
    """Whatever lies under the name of the file, sessions old and new answer right, and the file is whole again."""
    old = Session()
    same(scores(old), expected, "a session has mapped the file")
    path = model_file(old)
    whole = path.read_bytes()
    old.query("BEGIN;")
    old.query("SELECT reco_activate(1);")
    other = model_file(old).read_bytes()
    old.query("ROLLBACK;")
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1

    def in_place(content):
        return lambda: path.write_bytes(content)

    def aside(content):
        def replace():
            part = path.with_suffix(".test")
            part.write_bytes(content)
            shutil.copystat(path, part)
            os.chown(part, path.stat().st_uid, path.stat().st_gid)
            part.replace(path)
        return replace

    def to_directory():
        path.unlink()
        path.mkdir()

    cases = [
        ("a file that is cut while it is mapped", in_place(whole[: len(whole) // 3])),
        ("an emptied file", in_place(b"")),
        ("a flipped bit", in_place(bytes(flipped))),
        ("a torn file with the times of the whole one", aside(whole[: len(whole) // 2])),
        ("a flipped bit in a file with the times of the whole one", aside(bytes(flipped))),
        ("a foreign file", aside(b"GIF89a" * 1000)),
        ("the file of another model", aside(other)),
        ("a deleted file", path.unlink),
        ("a deleted directory", lambda: shutil.rmtree(DIRECTORY)),
    ]
    for what, damage in cases:
        damage()
        same(fresh(), expected, f"{what}: a new session")
        same(scores(old), expected, f"{what}: the session from before")
        check(path.read_bytes() == whole, f"{what}: the file was not made again")
    to_directory()
    same(fresh(), expected, "a directory of that name: a new session")
    same(scores(old), expected, "a directory of that name: the session from before")
    path.rmdir()
    old.close()


def full_disk(expected):
    """What is written next to the file goes to a device that is always full."""
    session = Session()
    path = model_file(session)
    session.close()
    session = Session()
    path.unlink()
    part = Path(f"{path}.{session.pid}.part")
    part.symlink_to("/dev/full")
    same(scores(session), expected, "no space for the file: the answer")
    check(place(session) == "private memory", "no space for the file: a copy in the backend's own memory")
    check("not shared" in session.query("SELECT reco_health()->>'attention';")[0], "reco_health() does not tell")
    check(not part.exists() and not path.exists(), "no space for the file: something was left behind")
    other = Session()
    same(scores(other), expected, "with space again: another session")
    check(place(other) == "shared file", "with space again the model is not shared")
    session.close()
    other.close()


def stampede(expected):
    """Many connections at once, and no file."""
    sessions = [Session() for _ in range(CROWD)]
    model_file(sessions[0]).unlink()
    found = [None] * CROWD
    # A session that has mapped the file keeps it; the first one has.
    def ask(number):
        found[number] = scores(sessions[number])
    threads = [threading.Thread(target=ask, args=(number,)) for number in range(CROWD)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    check(found == [expected] * CROWD, f"{CROWD} sessions at once: {set(found)}")
    left = [p.name for p in DIRECTORY.iterdir() if p.suffix == ".part"]
    check(not left, f"{CROWD} sessions at once left {left}")
    print(f"  {CROWD} sessions that start at once, without a file", flush=True)
    for session in sessions:
        session.close()


def killed_backend(expected, training):
    """The server restarts by itself."""
    victim = Session()
    if training:
        mark = victim.start("SELECT * FROM reco_train('{\"force\": true}');")
        victim.wait_for_phase("factorising")
    else:
        mark = victim.start(f"DO $$ BEGIN LOOP PERFORM reco_scores(1, ARRAY(SELECT id FROM libro)); END LOOP; END $$;")
        time.sleep(0.3)
    os.kill(victim.pid, signal.SIGKILL)
    victim.finish(mark)
    wait_for_server()
    what = "that trained" if training else "that scored"
    same(fresh(), expected, f"kill -9 of a backend {what}")


def killed_postmaster(expected):
    scoring = Session()
    mark = scoring.start(f"DO $$ BEGIN LOOP PERFORM reco_scores(1, ARRAY(SELECT id FROM libro)); END LOOP; END $$;")
    time.sleep(0.3)
    postmaster = int((DATA / "postmaster.pid").read_text().split()[0])
    os.kill(postmaster, signal.SIGKILL)
    # Its backend goes on until it looks for the postmaster, or until somebody ends it.
    os.kill(scoring.pid, signal.SIGKILL)
    scoring.finish(mark)
    deadline = time.monotonic() + 30
    while subprocess.run([os.environ["RECO_START"]], capture_output=True).returncode != 0:
        check(time.monotonic() < deadline, "the server does not start again")
        time.sleep(0.5)
    wait_for_server()
    same(fresh(), expected, "kill -9 of the postmaster")


def wait_for_server():
    deadline = time.monotonic() + 30
    while subprocess.run(["psql", "-X", "-q", "-c", "SELECT 1"], capture_output=True).returncode != 0:
        check(time.monotonic() < deadline, "the server does not come back")
        time.sleep(0.1)


def main():
    session = Session()
    session.query("CREATE EXTENSION reco;")
    same(fresh()[0], "rules", "without a model the rules answer")
    train(session, 1)
    check(list(DIRECTORY.glob("pgsql_tmp_reco_*_1_*")), "readers would have to make the file of the model that was promoted")
    first = scores(session)
    train(session, 2)
    second = scores(session)
    check((first[0], second[0]) == ("1", "2") and first[1] != second[1], f"two models: {first}, {second}")
    session.close()
    promotions(first, second)
    discarded_training(second)
    broken_files(second)
    full_disk(second)
    stampede(second)
    killed_backend(second, training=False)
    killed_backend(second, training=True)
    killed_postmaster(second)
    session = Session()
    train(session, 2)
    print("  the next training works", flush=True)
    session.close()


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"FAILED: {failure}")

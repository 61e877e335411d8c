"""Backends that share one model file give the right scores, compared by their digest."""

import os
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

from sessions import Session, check, first_error, run

# The version of the model, or "rules", and a digest of the scores of 40 users.
SCORES = """SELECT string_agg(DISTINCT coalesce(model_version::text, 'rules'), ','),
    md5(string_agg(score::text, ' ' ORDER BY u, item_id))
    FROM generate_series(1, 40) u, reco_score(u, ARRAY(SELECT id FROM libro));"""
DATA = Path(os.environ["PGDATA"])
DIRECTORY = DATA / "base" / "pgsql_tmp"
CROWD = 20


def scores(session):
    """(version, digest) in a session."""
    version, digest = session.query(SCORES)[0].split("|")
    return version, digest


def fresh():
    """The same in a new connection."""
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


def each_session_sees_the_model_of_its_snapshot(first, second):
    one, two, repeatable = Session(), Session(), Session()
    repeatable.query("BEGIN ISOLATION LEVEL REPEATABLE READ;")
    same(scores(repeatable), second, "a REPEATABLE READ transaction begins with the active model")
    one.query("BEGIN;")
    one.query("SELECT reco_activate(1);")
    same(scores(one), first, "a session that activates a model is served by it at once")
    same(scores(two), second, "others are not, before the commit")
    same(fresh(), second, "nor is a new connection")
    one.query("ROLLBACK;")
    same(scores(one), second, "after the roll-back nothing has changed")
    same(scores(two), second, "nor for another session")
    one.query("BEGIN;")
    one.query("SELECT reco_rollback();")
    same(scores(one), first, "a reco_rollback() counts at once for its own transaction")
    one.query("COMMIT;")
    same(scores(two), first, "and for others from the commit on")
    same(scores(repeatable), second, "the REPEATABLE READ transaction keeps its model")
    repeatable.query("COMMIT;")
    same(scores(repeatable), first, "until it ends")
    two.query("SELECT reco_activate(2);")
    same(scores(one), second, "an activation reaches the other sessions")
    for session in (one, two, repeatable):
        session.close()


def a_training_that_is_rolled_back_is_never_served(second):
    trainer, other = Session(), Session()
    trainer.query("BEGIN;")
    train(trainer, 3)
    check(scores(trainer)[0] == "3", "the trainer is not served by its own promotion")
    same(scores(other), second, "an uncommitted training is invisible")
    trainer.query("ROLLBACK;")
    same(scores(trainer), second, "a training that is rolled back leaves nothing behind")
    trainer.close()
    other.close()


def a_damaged_file_is_rebuilt(expected):
    """Old and new sessions give the right scores, whatever has the name of the file, and the file is whole again."""
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


def a_full_disk_means_private_memory(expected):
    """The file is first written under another name, which is here a link to a device that is always full."""
    session = Session()
    path = model_file(session)
    session.close()
    session = Session()
    path.unlink()
    part = Path(f"{path}.{session.pid}.part")
    part.symlink_to("/dev/full")
    same(scores(session), expected, "no space for the file: the answer")
    check(place(session) == "private memory", "no space for the file: a copy in the backend's own memory")
    check("not shared" in session.query("SELECT reco_health()->>'attention';")[0], "reco_health() does not report it")
    check(not part.exists() and not path.exists(), "no space for the file: something was left behind")
    other = Session()
    same(scores(other), expected, "with space again: another session")
    check(place(other) == "shared file", "with space again the model is not shared")
    session.close()
    other.close()


def many_sessions_at_once_need_one_file(expected):
    sessions = [Session() for _ in range(CROWD)]
    model_file(sessions[0]).unlink()
    found = [None] * CROWD
    # The first session has mapped the file and keeps it.
    def ask(number):
        found[number] = scores(sessions[number])
    threads = [threading.Thread(target=ask, args=(number,)) for number in range(CROWD)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check(found == [expected] * CROWD, f"{CROWD} sessions at once: {set(found)}")
    left = [p.name for p in DIRECTORY.iterdir() if p.suffix == ".part"]
    check(not left, f"{CROWD} sessions at once left {left}")
    print(f"  {CROWD} sessions that start at once, without a file", flush=True)
    for session in sessions:
        session.close()


def the_server_survives_a_killed_backend(expected, training):
    victim = Session()
    if training:
        mark = victim.start("SELECT * FROM reco_train('{\"force\": true}');")
        victim.wait_for_phase("factorising")
    else:
        mark = victim.start("DO $$ BEGIN LOOP PERFORM reco_scores(1, ARRAY(SELECT id FROM libro)); END LOOP; END $$;")
        time.sleep(0.3)
    os.kill(victim.pid, signal.SIGKILL)
    victim.finish(mark)
    wait_for_server()
    what = "that trained" if training else "that scored"
    same(fresh(), expected, f"kill -9 of a backend {what}")


def the_server_starts_after_a_killed_postmaster(expected):
    scoring = Session()
    mark = scoring.start("DO $$ BEGIN LOOP PERFORM reco_scores(1, ARRAY(SELECT id FROM libro)); END LOOP; END $$;")
    time.sleep(0.3)
    postmaster = int((DATA / "postmaster.pid").read_text().split()[0])
    os.kill(postmaster, signal.SIGKILL)
    # A busy backend notices late that the postmaster is gone.
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
    check(list(DIRECTORY.glob("pgsql_tmp_reco_*_1_*")), "the training did not write the file of the model that it promoted")
    first = scores(session)
    train(session, 2)
    second = scores(session)
    check((first[0], second[0]) == ("1", "2") and first[1] != second[1], f"two models: {first}, {second}")
    session.close()
    each_session_sees_the_model_of_its_snapshot(first, second)
    a_training_that_is_rolled_back_is_never_served(second)
    a_damaged_file_is_rebuilt(second)
    a_full_disk_means_private_memory(second)
    many_sessions_at_once_need_one_file(second)
    the_server_survives_a_killed_backend(second, training=False)
    the_server_survives_a_killed_backend(second, training=True)
    the_server_starts_after_a_killed_postmaster(second)
    session = Session()
    train(session, 2)
    print("  the next training works", flush=True)
    session.close()


if __name__ == "__main__":
    run(main)

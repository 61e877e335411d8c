"""Memory and open files of a backend after each of several equal rounds of work. The first rounds fill caches; after
them nothing may grow."""

import os
import re
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from sessions import Session, check, first_error, run

# Scores, recommendations and trainings of a round, and rounds.
SIZES = {"short": (1000, 100, 2, 6), "long": (10_000, 1000, 10, 10)}
WARM = 2
# glibc gives memory back in steps, and a training takes and returns tens of MB.
ALLOWED_MB = 8.0
CONNECTIONS = 200
OF_A_CONNECTION_MB = 6.0
SCORES = """DO $$ BEGIN FOR n IN 1..{} LOOP
    PERFORM * FROM reco_score(n % 1600, ARRAY[n % 700, n % 601, n % 13]); END LOOP; END $$;"""
RECOMMENDATIONS = """DO $$ BEGIN FOR n IN 1..{} LOOP
    PERFORM * FROM reco_recommend(n % 1600, 10, diversity => (n % 2) * 0.3, explore => (n % 3) * 0.1); END LOOP; END $$;"""
TRAIN = """SELECT promoted FROM reco_train('{{"force": true, "trees": 20, "factors": 8, "neighbours": 20, "seed": {}}}');"""


def status_mb(pid, name):
    return int(re.search(rf"^{name}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.M)[1]) / 1024


def private_mb(pid):
    """What only this process has. Private pages of smaps would count those shared buffers that nobody else has touched."""
    return status_mb(pid, "RssAnon")


def mapped_mb(pid):
    return status_mb(pid, "VmSize")


def files(pid):
    """Without those of relations: the server keeps them open up to a limit of its own."""
    folder = Path(f"/proc/{pid}/fd")
    return sum(not re.search(r"/(base/\d+|global)/", os.readlink(fd)) for fd in folder.iterdir())


def model_files():
    return len(list((Path(os.environ["PGDATA"]) / "base" / "pgsql_tmp").glob("pgsql_tmp_reco_*")))


def work(session, sql):
    lines = session.finish(session.start(sql), 3600)
    error = first_error(lines)
    check(error is None and not session.ended, f"{sql} failed: {lines[-5:]}")


def one_backend(scores, recommendations, trainings, rounds):
    session = Session()
    session.query("SET client_min_messages = warning;")
    found, seed = [], 0
    for number in range(rounds):
        begun = time.monotonic()
        for _ in range(trainings):
            seed += 1
            work(session, TRAIN.format(seed))
        work(session, SCORES.format(scores))
        work(session, RECOMMENDATIONS.format(recommendations))
        found.append((private_mb(session.pid), mapped_mb(session.pid), files(session.pid), model_files()))
        print(f"endurance: round {number + 1} ({scores} scores, {recommendations} recommendations, {trainings} trainings): "
              "{:.1f} MB private, {:.0f} MB mapped, {} open files, {} files of models".format(*found[-1]),
              f"{time.monotonic() - begun:.0f} s", flush=True)
    warm, later = found[:WARM], found[WARM:]
    for place, (name, allowed) in enumerate((("MB private", ALLOWED_MB), ("MB mapped", 4 * ALLOWED_MB),
                                             ("open files", 0), ("files of models", 0))):
        before, after = max(row[place] for row in warm), later[-1][place]
        check(after <= before + allowed, f"{name} grew from {before:.1f} to {after:.1f} in {len(later)} rounds")
    check(session.threads() == 1, f"{session.threads()} threads stay")
    session.close()


def many_connections():
    """All connected at once, each of which has scored and recommended."""
    with ExitStack() as stack:
        sessions = []
        for _ in range(CONNECTIONS):
            sessions.append(Session())
            stack.callback(sessions[-1].close)
        # What an ordinary connection has, of the catalogue above all.
        for session in sessions:
            session.query("SELECT count(*) FROM resena r JOIN libro l ON l.id = r.libro_id WHERE r.usuario_id = 7;")
        plain = sorted(private_mb(session.pid) for session in sessions)[CONNECTIONS // 2]
        for sql in (SCORES.format(20), RECOMMENDATIONS.format(5)):
            marks = [session.start(sql) for session in sessions]
            for session, mark in zip(sessions, marks):
                check(first_error(session.finish(mark)) is None and not session.ended, "a call failed")
        own = sorted(private_mb(session.pid) for session in sessions)
        most_files = max(files(session.pid) for session in sessions)
        print(f"endurance: {CONNECTIONS} connections: {plain:.1f} MB private before, {own[CONNECTIONS // 2]:.1f} MB after a "
              f"page's calls (most {own[-1]:.1f}), at most {most_files} open files, {model_files()} files of models")
        check(own[-1] <= plain + OF_A_CONNECTION_MB, "a connection costs too much memory")


def main():
    one_backend(*SIZES[sys.argv[1]])
    many_connections()


run(main)

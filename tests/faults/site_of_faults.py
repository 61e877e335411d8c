"""The site that faults happen to, and what must be there after each of them."""

import os
import subprocess
import time
from pathlib import Path

from sessions import Session, check, first_error

DATA = Path(os.environ["PGDATA"])
FILES = DATA / "base" / "pgsql_tmp"
TRAIN = "SELECT * FROM reco_train();"
SCORES = """SELECT md5(string_agg(score::text, ' ' ORDER BY u, item_id)) || coalesce(min(model_version)::text, 'rules')
    FROM generate_series(1, 20) u, reco_score(u, ARRAY(SELECT id FROM libro));"""
ROWS = """SELECT c.relname || '=' || (xpath('/row/n/text()',
        query_to_xml(format('SELECT count(*) AS n FROM reco.%I', c.relname), false, true, '')))[1]::text
    FROM pg_class c WHERE c.relnamespace = 'reco'::regnamespace AND c.relkind = 'r' AND c.relname NOT IN ('activation', 'run', 'alert')
    ORDER BY 1;"""
# Autovacuum locks tables too.
LOCKS = """SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid AND a.backend_type = 'client backend'
    LEFT JOIN pg_class c ON c.oid = l.relation
    WHERE l.pid <> pg_backend_pid() AND (l.locktype = 'advisory' OR c.relnamespace = 'reco'::regnamespace
        OR c.relname IN ('resena', 'favorito', 'libro', 'usuario'));"""


def sleep_until(condition, seconds, what):
    deadline = time.monotonic() + seconds
    while not condition():
        check(time.monotonic() < deadline, what)
        time.sleep(0.02)


def died(pid, seconds):
    sleep_until(lambda: not os.path.exists(f"/proc/{pid}"), seconds, f"process {pid} lives on after {seconds} s")


def limit(pid, what, value):
    """Of the soft kind, which the process's user may set."""
    done = subprocess.run([os.environ["RECO_LIMIT"], str(pid), f"--{what}={value}:"])
    if done.returncode and not os.path.exists(f"/proc/{pid}"):
        raise ProcessLookupError(pid)
    done.check_returncode()


def postmaster_pid():
    return int((DATA / "postmaster.pid").read_text().split()[0])


def restart():
    sleep_until(lambda: not (DATA / "postmaster.pid").exists(), 30, "the server does not stop")
    sleep_until(lambda: subprocess.run([os.environ["RECO_START"]], capture_output=True).returncode == 0, 30,
                "the server does not start again")


class Site:
    def __init__(self):
        self.observer = Session()
        for seed in (1, 2):
            lines = self.observer.finish(
                self.observer.start(f"SELECT * FROM reco_train('{{\"force\": true, \"seed\": {seed}}}');"))
            check(first_error(lines) is None, f"the training failed: {lines}")
        self.before = self.scores(self.observer)
        self.rows = self.observer.query(ROWS)

    def scores(self, session):
        return session.query(SCORES)

    def reconnect(self):
        """After a crash, for which the server closes all sessions once it has noticed; until then it takes new ones."""
        self.observer.finish(self.observer.start("SELECT pg_sleep(60);"), 90)
        sleep_until(lambda: subprocess.run(["psql", "-X", "-q", "-c", "SELECT 1"], capture_output=True).returncode == 0,
                    30, "the server does not come back")
        self.observer = Session()

    def model_file(self):
        return DATA / self.observer.query("SELECT reco_health()->'cache'->>'path';")[0]

    def start_silently(self, session, phase):
        """A training that sends nothing; gives its mark when others see it in that phase, or past it."""
        session.query("SET client_min_messages = warning;")
        mark = session.start(TRAIN)
        step = f"SELECT split_part(phase, ' ', 1) FROM reco_progress() WHERE pid = {session.pid};"
        begun = False
        while True:
            found = self.observer.query(step)
            if found == [phase] or begun and not found:
                return mark
            begun = begun or bool(found)

    def assert_as_before(self, what, session):
        check(self.observer.query("SELECT 'up';") == ["up"], f"{what}: the cluster is not up")
        if not session.ended and session.process.poll() is None:
            sleep_until(lambda: session.threads() == 1, 2, f"{what}: {session.threads()} threads stay")
            session.close()
        died(session.pid, 5)
        check(self.scores(self.observer) == self.before, f"{what}: the old model gives other scores")
        found = self.observer.query(LOCKS)
        check(found == ["0"], f"{what}: {found[0]} locks stay")
        found = self.observer.query(ROWS)
        if found != self.rows:
            # The training went on to its end.
            self.observer.query("SELECT reco_rollback() WHERE (SELECT max(version) FROM reco_models() WHERE active) > 2;")
            self.observer.query("SELECT reco_drop_model(version) FROM reco_models() WHERE version > 2 AND NOT active;")
            found = self.observer.query(ROWS)
        check(found == self.rows, f"{what}: the rows were {self.rows} and are {found}")
        left = [path.name for path in FILES.iterdir() if path.name.endswith(".part")]
        check(not left, f"{what}: files stay: {left}")
        self.next_training_works(what)

    def next_training_works(self, what):
        """Rolled back, so that the model stays."""
        files = {path.name for path in FILES.iterdir()}
        self.observer.query("BEGIN;")
        lines = self.observer.finish(self.observer.start("SELECT * FROM reco_train('{\"force\": true, \"trees\": 10, \"factors\": 4}');"))
        check(first_error(lines) is None, f"{what}: the next training failed: {lines[-3:]}")
        self.observer.query("ROLLBACK;")
        made = {path.name for path in FILES.iterdir()} - files
        check(not made, f"{what}: the file of a training that was rolled back stays: {made}")

    def close(self):
        self.observer.close()

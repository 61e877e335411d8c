"""Interrupts reco_train() in every phase and at random moments, and checks that nothing is left behind."""

import os
import random
import time

from sessions import ERROR, NOTICE, TRAINING_TIMEOUT, Session, check, first_error, run

PROMPT = 1.0  # seconds within which an interrupt has to be answered
EVALUATION_PROMPT = 0.2  # seconds, the look at what is left behind included
TRAIN = "SELECT * FROM reco_train();"
PHASES = ("reading", "factorising", "content", "evaluating", "storing")
RANDOM_CANCELS = 8
TRIES = 3

# Counts the rows of every table of the extension, later ones included, but the journal, which keeps what is rolled back.
TABLE_SIZES = """
SELECT c.relname || '=' || (xpath('/row/n/text()',
         query_to_xml(format('SELECT count(*) AS n FROM reco.%I', c.relname), false, true, '')))[1]::text
FROM pg_class c WHERE c.relnamespace = 'reco'::regnamespace AND c.relkind = 'r'
    AND c.relname NOT IN ('run', 'alert') ORDER BY 1;
"""


class Bench:
    """A session that trains and is interrupted, and one that checks; the second is cut off if the cluster crashes."""

    def __init__(self):
        self.observer = Session()
        self.trainer = Session()
        self.threads_at_rest = self.trainer.threads()
        self.sizes = self.table_sizes()

    def table_sizes(self):
        return self.observer.query(TABLE_SIZES)

    def assert_clean(self, what):
        """Checks that nothing is stored, no thread and no lock is left, and both sessions still answer."""
        sizes = self.table_sizes()
        check(sizes == self.sizes, f"{what}: the tables were {self.sizes} and are {sizes}")
        deadline = time.monotonic() + PROMPT
        while self.trainer.threads() != self.threads_at_rest and time.monotonic() < deadline:
            time.sleep(0.02)
        check(self.trainer.threads() == self.threads_at_rest,
              f"{what}: the backend has {self.trainer.threads()} threads, before the training {self.threads_at_rest}")
        locks = self.observer.query("SELECT count(*) FROM pg_locks WHERE relation = 'reco.model_version_seq'::regclass;")
        check(locks == ["0"], f"{what}: the trainer's lock is still held")
        check(self.trainer.query("SELECT 'alive';") == ["alive"], f"{what}: the session does not answer")

    def expect_error(self, lines, since, state, what):
        error = first_error(lines)
        check(error is not None, f"{what}: no error came")
        moment, found, text = error
        check(found == state, f"{what}: expected SQLSTATE {state}, got {text}")
        check(moment - since <= PROMPT, f"{what}: the error came after {moment - since:.2f} s, allowed {PROMPT} s")
        print(f"  {what}: {found} after {(moment - since) * 1000:.0f} ms", flush=True)

    def cancel(self, mark, what, may_be_late):
        """Cancels the running training. With `may_be_late` the training may end before the cancel."""
        since = time.monotonic()
        self.observer.query(f"SELECT pg_cancel_backend({self.trainer.pid});")
        lines = self.trainer.finish(mark)
        hit = first_error(lines) is not None
        if hit:
            self.expect_error(lines, since, "57014", what)
        else:
            check(may_be_late, f"{what}: the training ended before the cancel; take a larger library")
            print(f"  {what}: the training had ended", flush=True)
            self.sizes = self.table_sizes()
        self.assert_clean(what)
        return hit

    def replace_trainer(self):
        self.trainer.close()
        self.trainer = Session()


def a_whole_training(bench):
    """Rolls back a whole training; gives its seconds and its phases in order."""
    trainer = bench.trainer
    trainer.query("BEGIN;")
    started = time.monotonic()
    mark = trainer.start(TRAIN)
    most_threads, phases = 1, []
    while True:
        item = trainer.next_line(0.02)
        most_threads = max(most_threads, trainer.threads())
        check(time.monotonic() - started < TRAINING_TIMEOUT, f"the training takes longer than {TRAINING_TIMEOUT} s")
        if item is None:
            continue
        line = item[1]
        check(line is not None and not ERROR.search(line), f"the training failed: {line}")
        if line == mark:
            break
        found = NOTICE.search(line)
        if found and found.group(1) not in phases:
            phases.append(found.group(1))
    seconds = time.monotonic() - started
    trainer.query("ROLLBACK;")
    bench.assert_clean("a training that is rolled back")
    missing = [phase for phase in PHASES if phase not in phases]
    check(not missing, f"no notice of the phases {missing}; seen: {phases}")
    print(f"  a training takes {seconds:.1f} s in up to {most_threads} threads, phases: {', '.join(phases)}", flush=True)
    return seconds, phases


def second_trainer_is_refused(bench):
    mark = bench.trainer.start(TRAIN)
    bench.trainer.wait_for_phase("factorising")
    other = Session()
    since = time.monotonic()
    lines = other.finish(other.start(TRAIN))
    bench.expect_error(lines, since, "55P03", "a second trainer")
    text = first_error(lines)[2]
    check(str(bench.trainer.pid) in text, f"the refusal does not name the process that trains: {text}")
    other.close()
    bench.cancel(mark, "the first trainer, cancelled", may_be_late=False)


def cancel_in_every_phase(bench, phases):
    for phase in phases:
        mark = bench.trainer.start(TRAIN)
        bench.trainer.wait_for_phase(phase)
        # The last phase is short: the training may end before the cancel.
        bench.cancel(mark, f"cancel while {phase}", may_be_late=phase == phases[-1])


def cancel_at_random(bench, seconds):
    moments = random.Random(7)
    hits = 0
    for _ in range(RANDOM_CANCELS):
        delay = moments.uniform(0.01, 0.9) * seconds
        mark = bench.trainer.start(TRAIN)
        time.sleep(delay)
        hits += bench.cancel(mark, f"cancel after {delay:.2f} s", may_be_late=True)
    check(hits >= RANDOM_CANCELS // 2, f"only {hits} of {RANDOM_CANCELS} cancels met a training; take a larger library")


def statement_timeout_cancels(bench, seconds):
    for share in (0.2, 0.6):
        for _ in range(TRIES):
            timeout = share * seconds
            bench.trainer.query(f"SET statement_timeout = {int(timeout * 1000)};")
            started = time.monotonic()
            lines = bench.trainer.finish(bench.trainer.start(TRAIN))
            seconds_now = time.monotonic() - started
            bench.trainer.query("RESET statement_timeout;")
            if first_error(lines) is not None or seconds_now > timeout:
                break
            # The machine has less to do than when the whole training was measured.
            seconds, bench.sizes = seconds_now, bench.table_sizes()
        bench.expect_error(lines, started + timeout, "57014", f"statement_timeout = {timeout:.2f} s")
        bench.assert_clean("statement_timeout")


def drop_database_does_not_wait(bench):
    """DROP DATABASE waits until every backend has absorbed a barrier, the training one too."""
    bench.observer.query("CREATE DATABASE reco_dropped;")
    mark = bench.trainer.start(TRAIN)
    bench.trainer.wait_for_phase("factorising")
    since = time.monotonic()
    bench.observer.query("DROP DATABASE reco_dropped;")
    print(f"  DROP DATABASE during a training: {time.monotonic() - since:.2f} s", flush=True)
    bench.cancel(mark, "the training after DROP DATABASE", may_be_late=False)


def terminate_in_every_phase(bench, phases):
    for phase in phases[:-1]:
        mark = bench.trainer.start(TRAIN)
        bench.trainer.wait_for_phase(phase)
        pid = bench.trainer.pid
        since = time.monotonic()
        bench.observer.query(f"SELECT pg_terminate_backend({pid});")
        bench.expect_error(bench.trainer.finish(mark), since, "57P01", f"terminate while {phase}")
        while os.path.exists(f"/proc/{pid}"):
            check(time.monotonic() - since < 2 * PROMPT, f"terminate while {phase}: the backend is still there")
            time.sleep(0.02)
        bench.replace_trainer()
        bench.assert_clean(f"terminate while {phase}")


def cancel_an_evaluation(bench):
    """In each of its phases; the best of some tries, because the machine may be busy, is prompt."""
    for phase in ("reading", "preparing", "evaluating"):
        took = []
        for _ in range(TRIES):
            mark = bench.trainer.start("SELECT * FROM reco_evaluate('{5,10,20}', '{\"segments\": true}');")
            bench.trainer.wait_for_phase(phase)
            since = time.monotonic()
            bench.cancel(mark, f"cancel of an evaluation while {phase}", may_be_late=False)
            took.append(time.monotonic() - since)
        check(min(took) < EVALUATION_PROMPT, f"cancels of an evaluation while {phase} took {took} s")


def next_training_works(bench):
    lines = bench.trainer.finish(bench.trainer.start("SELECT * FROM reco_train('{\"force\": true}');"))
    check(first_error(lines) is None, f"the next training failed: {lines[-3:]}")
    check(bench.observer.query("SELECT count(*) FROM reco_models() WHERE active;") == ["1"], "no model is active")
    source = bench.trainer.query(
        "SELECT DISTINCT source FROM reco_score("
        "(SELECT usuario_id FROM resena WHERE estrellas >= 4 GROUP BY 1 ORDER BY count(*) DESC LIMIT 1),"
        " ARRAY(SELECT libro_id FROM resena WHERE estrellas >= 4 GROUP BY 1 ORDER BY count(*) DESC LIMIT 50));")
    check(source == ["hybrid"], f"after the training the sources are {source}")
    bench.sizes = bench.table_sizes()
    bench.assert_clean("a training that ends")
    print("  the next training works", flush=True)


def main():
    bench = Bench()
    print("=== interrupted trainings", flush=True)
    seconds, phases = a_whole_training(bench)
    second_trainer_is_refused(bench)
    # How an interrupt comes may change with the version of PostgreSQL; in which phase it comes, is tried on one.
    every_moment = os.environ.get("RECO_PG", "15") == "15"
    if every_moment:
        cancel_in_every_phase(bench, phases)
        next_training_works(bench)
        cancel_an_evaluation(bench)
        cancel_at_random(bench, seconds)
    statement_timeout_cancels(bench, seconds)
    drop_database_does_not_wait(bench)
    terminate_in_every_phase(bench, phases if every_moment else ["factorising", "storing"])
    next_training_works(bench)
    bench.trainer.close()
    bench.observer.close()


if __name__ == "__main__":
    run(main)

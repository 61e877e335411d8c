"""Every pair of train, score, activate, roll back, drop, configure and forget, in two real sessions.

In each pair the first session writes and does not commit, the second starts, and the first then commits or rolls back.
Whatever the order, the registry must be sound afterwards: the active version, if there is one, has its model, and every
session is served by it.
"""

import itertools
import time

from sessions import Session, check, first_error, run

TRAIN = "SELECT model_version FROM reco_train('{\"force\": true, \"trees\": 0}');"
COMPARED = "SELECT promoted, reason FROM reco_train('{\"trees\": 0}');"
SCORE = "SELECT DISTINCT model_version FROM reco_score(1, '{1,2,3}');"
CONFIGURE = "SELECT reco_configure('favorite', 'favorito', '{\"user\": \"usuario_id\", \"item\": \"libro_id\"}');"
LEVELS = ("READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE")

# What may be wrong in a registry, as a sentence for each.
FAULTS = """
WITH active AS (SELECT version FROM reco.activation WHERE rolled_back_at IS NULL ORDER BY id DESC LIMIT 1)
SELECT 'the active version ' || version || ' has no row' FROM active WHERE version NOT IN (SELECT version FROM reco.model)
UNION ALL SELECT 'the active version ' || version || ' has no content' FROM active
  WHERE version NOT IN (SELECT version FROM reco.model_blob WHERE kind = 'served')
UNION ALL SELECT 'rows of the dropped version ' || version FROM (
  SELECT version FROM reco.model_blob UNION SELECT model_version FROM reco.user_factor
  UNION SELECT model_version FROM reco.metric) r WHERE version NOT IN (SELECT version FROM reco.model)
UNION ALL SELECT source || ' is configured twice' FROM reco.source GROUP BY source HAVING count(*) > 1;
"""


class Bench:
    def __init__(self):
        self.one, self.two, self.observer = Session(), Session(), Session()
        for session in (self.one, self.two, self.observer):
            session.query("SET client_min_messages = warning;")

    def reset(self):
        """Versions a < b < c, of which c is active and b is what a roll-back leads to."""
        for session in (self.one, self.two):
            session.finish(session.start("ROLLBACK;"))
        self.observer.query("SET client_min_messages = error; SELECT reco_configure('favorite', NULL, NULL);")
        versions = [int(line) for line in self.observer.query("SELECT version FROM reco.model ORDER BY version;")]
        while len(versions) < 3:
            versions.append(int(self.observer.query(TRAIN)[0]))
        versions = versions[-3:]
        for version in versions:
            self.observer.query(f"SELECT reco_activate({version});")
        return versions

    def active(self):
        lines = self.observer.query("SELECT version FROM reco_models() WHERE active;")
        return int(lines[0]) if lines else None

    def waits_for_a_lock(self, session):
        waits = f"SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = {session.pid};"
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if self.observer.query(waits) == ["t"]:
                return True
            time.sleep(0.01)
        return False

    def check_sound(self, what):
        faults = self.observer.query(FAULTS)
        check(not faults, f"{what}: {faults}")
        active = self.active()
        served = self.observer.query(SCORE)
        check(served == [str(active) if active else ""], f"{what}: {active} is active, and {served} scored")


def actions(versions):
    a, b, _ = versions
    return {
        "train": TRAIN,
        "score": SCORE,
        "activate": f"SELECT reco_activate({a});",
        "roll back": "SELECT reco_rollback();",
        "drop": f"SELECT reco_drop_model({a});",
        "configure": CONFIGURE,
        "forget": "SELECT reco_forget(1);",
    }


# An action may find that the other one made it impossible, and says so.
EXPECTED = {
    "train": {"55P03", "40001"},
    "score": set(),
    "activate": {"42704", "40001"},
    "roll back": {"55000", "40001"},
    "drop": {"42704", "55006", "40001"},
    "configure": {"40001"},
    "forget": {"55P03", "40001"},
}


def a_pair(bench, first, second, end, level):
    what = f"{first}, then {second}, then {end} ({level.lower()})"
    todo = actions(bench.reset())
    bench.one.query("BEGIN;")
    done = bench.one.finish(bench.one.start(todo[first]))
    check(first_error(done) is None, f"{what}: {done}")
    # A snapshot that is older than the end of the first transaction.
    bench.two.query(f"BEGIN ISOLATION LEVEL {level}; SELECT count(*) FROM reco.model;")
    mark = bench.two.start(todo[second])
    # Beside a training nothing is forgotten: that would be stored again.
    refused = "train" == second or (first, second) == ("train", "forget")
    if "score" not in (first, second) and not refused:
        check(bench.waits_for_a_lock(bench.two), f"{what}: the second session does not wait for the first")
    elif second == "score":
        bench.two.finish(mark, 10)
        mark = None
    bench.one.query(f"{end};")
    if mark:
        error = first_error(bench.two.finish(mark))
        allowed = EXPECTED[second] if end == "COMMIT" else EXPECTED[second] & {"55P03"}
        if level == "READ COMMITTED":
            allowed = allowed - {"40001"}
        check(error is None or error[1] in allowed, f"{what}: {error}")
    bench.two.finish(bench.two.start("COMMIT;"))
    bench.check_sound(what)


def two_rollbacks_go_back_twice(bench):
    a, b, c = bench.reset()
    bench.one.query(f"BEGIN; SELECT reco_rollback();")
    mark = bench.two.start("SELECT reco_rollback();")
    bench.one.query("COMMIT;")
    lines = [line for _, line in bench.two.finish(mark)]
    check(lines == [str(a)] and bench.active() == a, f"the second roll-back gave {lines}, and {a} was expected")


def a_roll_back_during_a_training_stays(bench):
    _, b, c = bench.reset()
    # The training meets the roll-back at its end, and has compared itself with the version that was active before.
    bench.two.query("BEGIN; SELECT reco_rollback();")
    mark = bench.one.start(COMPARED)
    check(bench.waits_for_a_lock(bench.one), "the training does not wait for the roll-back")
    bench.two.query("COMMIT;")
    lines = [line for _, line in bench.one.finish(mark)]
    check(any(line.startswith("f|") and f"changed from {c} to {b}" in line for line in lines), f"{lines}")
    check(bench.active() == b, f"{b} was rolled back to, and {bench.active()} is active")


def nobody_else_can_take_the_trainers_lock(bench):
    """With rights on nothing: advisory locks and what LOCK TABLE takes do not stop a training."""
    bench.observer.query("CREATE ROLE nobody;")
    bench.two.query("SET ROLE nobody; BEGIN; SELECT pg_advisory_xact_lock(1919249263, 0);")
    for statement in ("LOCK TABLE reco.activation IN SHARE MODE", "LOCK TABLE reco.registry IN ACCESS SHARE MODE",
                      "SELECT * FROM reco.registry FOR UPDATE", "LOCK TABLE reco.model_version_seq IN SHARE MODE",
                      "SELECT reco_forget(3)"):
        error = first_error(bench.two.finish(bench.two.start(f"SAVEPOINT s; {statement};")))
        check(error is not None, f"anybody can run {statement}")
        bench.two.query("ROLLBACK TO s;")
    bench.one.query(TRAIN)
    bench.two.query("ROLLBACK; RESET ROLE;")


def the_unprivileged_are_told_who_trains(bench):
    bench.observer.query("CREATE ROLE trainer; GRANT EXECUTE ON FUNCTION reco_train(jsonb) TO trainer;")
    bench.one.query("BEGIN;")
    bench.one.query(TRAIN)
    bench.two.query("SET ROLE trainer;")
    error = first_error(bench.two.finish(bench.two.start(TRAIN)))
    bench.two.query("RESET ROLE;")
    bench.one.query("ROLLBACK;")
    check(error is not None and error[1] == "55P03", f"{error}")
    check(f"Process {bench.one.pid} trains, in a transaction since 2" in error[2], error[2])


def a_forgotten_user_is_gone_from_the_commit_on(bench):
    bench.reset()
    score = "SELECT DISTINCT source FROM reco_score(3, '{1,2,3}');"
    others = """SELECT md5(string_agg(concat(u, item_id, score, source), ' ' ORDER BY u, item_id))
        FROM generate_series(4, 60) u, reco_score(u, ARRAY(SELECT id FROM libro));"""
    before = bench.observer.query(others)
    check(bench.two.query(score) == ["hybrid"], "reader 3 has no vector")
    bench.one.query("BEGIN;")
    removed = int(bench.one.query("SELECT reco_forget(3);")[0])
    check(removed >= 6, f"{removed} rows of three models")
    check(bench.two.query(score) == ["hybrid"], "what is not committed is visible")
    error = first_error(bench.two.finish(bench.two.start(TRAIN)))
    check(error is not None and error[1] == "55P03", f"a training beside it: {error}")
    check(f"Process {bench.one.pid} forgets a user, in a transaction since 2" in error[2], error[2])
    bench.one.query("COMMIT;")
    check(bench.two.query(score) == ["fold_in"], "the vector of a forgotten user is used")
    check(bench.observer.query(others) == before, "the scores of others are not what they were")


def main():
    bench = Bench()
    bench.observer.query("SET client_min_messages = error;")
    names = list(EXPECTED)
    pairs = list(itertools.product(names, names, ("COMMIT", "ROLLBACK")))
    for first, second, end in pairs:
        a_pair(bench, first, second, end, "READ COMMITTED")
    for first, second, level in itertools.product(names[2:], names, LEVELS[1:]):
        a_pair(bench, first, second, "COMMIT", level)
    print(f"isolation: {len(pairs)} pairs, and {len(names[2:]) * len(names) * 2} under stricter levels", flush=True)
    for test in (two_rollbacks_go_back_twice, a_roll_back_during_a_training_stays,
                 nobody_else_can_take_the_trainers_lock, the_unprivileged_are_told_who_trains,
                 a_forgotten_user_is_gone_from_the_commit_on):
        test(bench)
        print(f"isolation: {test.__name__.replace('_', ' ')}", flush=True)


run(main)

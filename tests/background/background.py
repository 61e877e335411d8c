"""Trainings in the background: what they hold, who sees and stops them, and what the journal says of each."""

import os
import re
import signal
import subprocess
import time
from pathlib import Path

from sessions import Session, check, first_error, run

DATA = Path(os.environ["PGDATA"])
PROMPT = 2.0  # seconds within which a process has to end
COMPUTING = ("choosing", "content", "factorising", "evaluating", "refitting", "predicting")
OPEN_ROWS = "SELECT count(*) FROM reco.run WHERE outcome = 'running';"


def until(condition, what, seconds=120):
    deadline = time.monotonic() + seconds
    while not condition():
        check(time.monotonic() < deadline, what)
        time.sleep(0.05)


class Site:
    def __init__(self):
        self.psql = Session()
        self.psql.query("SET client_min_messages = warning;")

    def one(self, sql):
        lines = self.psql.query(sql)
        return lines[0] if lines else None

    def start(self, options="{}"):
        return int(self.one(f"SELECT reco_train_async('{options}');"))

    def column(self, run_id, name):
        return self.one(f"SELECT {name} FROM reco_runs() WHERE id = {run_id};")

    def wait_until_computing(self, run_id):
        phase = f"SELECT split_part(phase, ' ', 1), pid FROM reco_progress() WHERE run_id = {run_id};"
        until(lambda: (self.one(phase) or "").split("|")[0] in COMPUTING, f"run {run_id} does not compute")
        return int(self.one(phase).split("|")[1])

    def wait(self, run_id, outcome):
        until(lambda: self.column(run_id, "outcome") != "running", f"run {run_id} does not end")
        found = self.one(f"SELECT outcome, coalesce(sqlstate, ''), error FROM reco_runs() WHERE id = {run_id};")
        check(found.startswith(outcome), f"run {run_id} should be {outcome}: {found}")

    def last_run(self):
        return int(self.one("SELECT max(id) FROM reco_runs();"))

    def reconnect(self):
        until(lambda: subprocess.run(["psql", "-X", "-q", "-c", "SELECT 1"], capture_output=True).returncode == 0,
              "the server does not come back")
        self.__init__()

    def restart(self):
        os.kill(int((DATA / "postmaster.pid").read_text().split()[0]), signal.SIGINT)
        until(lambda: not (DATA / "postmaster.pid").exists(), "the server does not stop")
        until(lambda: subprocess.run([os.environ["RECO_START"]], capture_output=True).returncode == 0,
              "the server does not start again")
        self.reconnect()


def the_client_may_leave(site):
    client = Session()
    run_id = int(client.query("SELECT reco_train_async();")[0])
    client.close()
    site.wait(run_id, "trained")
    row = site.one(f"""SELECT background, kind, started_by, role, phase, ended_at > begun_at, seconds > 0, memory > 1e6, wal > 1e5,
        model_version = (SELECT version FROM reco_models() WHERE active) FROM reco_runs() WHERE id = {run_id};""")
    check(row == "t|train|postgres|postgres|stored|t|t|t|t|t", f"the row of a training: {row}")


def timers(pid):
    """The threads of a process that are interrupted in turn."""
    return re.findall(r"notify: signal/tid\.(\d+)", Path(f"/proc/{pid}/timers").read_text())


def its_threads_give_way(site):
    run_id = site.start('{"force": true}')
    pid = site.wait_until_computing(run_id)
    until(lambda: timers(pid), "no computing thread is interrupted", 10)
    check(str(pid) not in timers(pid), "the main thread is interrupted")
    site.wait(run_id, "trained")
    own = int(site.one("SELECT pg_backend_pid();"))
    site.psql.query("""SELECT * FROM reco_train('{"force": true}');""")
    check(not timers(own), "a session is interrupted after its training")


def it_computes_without_a_snapshot(site):
    run_id = site.start('{"force": true}')
    pid = site.wait_until_computing(run_id)
    held = site.one(f"""SELECT backend_xmin IS NULL, backend_xid IS NULL, xact_start IS NULL, query LIKE 'training {run_id}: %'
        FROM pg_stat_activity WHERE pid = {pid} AND backend_type = 'reco training';""")
    check(held == "t|t|t|t", f"while it computes, it holds {held}")
    locks = site.psql.query(f"SELECT relation::regclass FROM pg_locks WHERE pid = {pid} AND locktype = 'relation';")
    check(locks == ["reco.model_version_seq"], f"while it computes, it locks {locks}")
    since = time.monotonic()
    site.psql.query("SET lock_timeout = '1s'; ALTER TABLE resena ADD nota text; RESET lock_timeout;")
    check(time.monotonic() - since < PROMPT, "ALTER TABLE waits for a training")
    watched = site.one("SELECT count(*) = 1 AND min(share) BETWEEN 0.05 AND 0.9 AND min(memory) > 1e6 AND min(seconds) > 0 FROM reco_progress();")
    check(watched == "t", "reco_progress() does not show it")
    site.wait(run_id, "trained")
    check(site.one("SELECT count(*) FROM reco_progress();") == "0", "reco_progress() shows a training that has ended")


def it_starts_with_the_commit(site):
    site.psql.query("BEGIN;")
    run_id = site.start()
    time.sleep(0.5)
    check(site.one("SELECT phase FROM reco_progress();") == "waiting for the commit of its caller", "it does not wait")
    pid = site.one("SELECT pid FROM reco_progress();")
    site.psql.query("ROLLBACK;")
    until(lambda: not os.path.exists(f"/proc/{pid}"), "the process of a call that was rolled back stays", PROMPT)
    check(site.column(run_id, "outcome") is None, "a call that was rolled back trains")
    site.psql.query("BEGIN; SAVEPOINT before;")
    run_id = site.start()
    site.psql.query("ROLLBACK TO before; COMMIT;")
    until(lambda: site.one("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'reco training';") == "0",
          "the process of a call that was rolled back to a savepoint stays", PROMPT)
    check(site.column(run_id, "outcome") is None, "a call that was rolled back to a savepoint trains")
    site.psql.query("BEGIN;")
    run_id = site.start('{"force": true, "trees": 0}')
    site.psql.query("ALTER TABLE resena DROP CONSTRAINT resena_estrellas_check;")
    site.psql.query("INSERT INTO resena (usuario_id, libro_id, estrellas) SELECT 1400, 1, 0;")
    site.psql.query("COMMIT;")
    site.wait(run_id, "trained")
    check(site.one("SELECT skipped -> 'skipped' FROM reco_models() ORDER BY version DESC LIMIT 1;") == "1",
          "it did not read what its caller wrote")
    site.psql.query("DELETE FROM resena WHERE estrellas = 0;")


def one_training_at_a_time(site):
    run_id = site.start()
    site.wait_until_computing(run_id)
    other = Session()
    for sql in ("SELECT reco_train_async();", "SELECT * FROM reco_train();"):
        found = first_error(other.finish(other.start(sql)))
        check(found and found[1] == "55P03" and "Process" in found[2], f"{sql} beside a training: {found}")
        refused = site.last_run()
        until(lambda: site.column(refused, "outcome") == "refused", f"the refusal of {sql} is not in the journal", PROMPT)
        check(site.column(refused, "sqlstate") == "55P03", "the refusal has no SQLSTATE")
    other.close()
    check(site.one(f"SELECT reco_cancel_training({run_id + 1});") == "f", "what has ended was cancelled")
    since = time.monotonic()
    check(site.one("SELECT reco_cancel_training();") == "t", "a training was not cancelled")
    site.wait(run_id, "cancelled|57014")
    check(time.monotonic() - since < PROMPT, "a cancelled training went on")
    check(site.one("SELECT reco_cancel_training();") == "f", "nothing runs, and something was cancelled")


def a_role_trains_with_its_rights(site):
    site.psql.query("""CREATE ROLE trainer NOLOGIN; CREATE ROLE stranger LOGIN; GRANT EXECUTE ON FUNCTION reco_train_async(jsonb) TO trainer;
        GRANT EXECUTE ON FUNCTION reco_cancel_training(bigint) TO trainer, stranger;
        GRANT SELECT ON resena, favorito, libro TO trainer; CREATE SCHEMA espejo; GRANT USAGE ON SCHEMA espejo TO trainer;
        CREATE TABLE espejo.usuario AS SELECT * FROM public.usuario;
        ALTER TABLE resena ENABLE ROW LEVEL SECURITY;
        CREATE POLICY de_uno ON resena TO trainer USING (usuario_id <= current_setting('app.hasta')::int);""")
    site.psql.query("SET ROLE trainer; SET search_path = espejo, public; SET app.hasta = 700;")
    run_id = site.start('{"force": true}')
    site.psql.query("RESET ROLE; RESET search_path;")
    # No right on espejo.usuario, which its search_path leads to.
    site.wait(run_id, "failed|42501")
    site.psql.query("GRANT SELECT ON espejo.usuario TO trainer;")
    site.psql.query("SET ROLE trainer; SET search_path = espejo, public;")
    run_id = site.start('{"force": true, "trees": 0}')
    site.psql.query("RESET ROLE; RESET search_path;")
    site.wait(run_id, "trained")
    learned = site.one("""SELECT users, sources ->> 'user', created_by, (SELECT role FROM reco_runs() ORDER BY id DESC LIMIT 1)
        FROM reco_models() ORDER BY version DESC LIMIT 1;""")
    readers = site.one("""SELECT count(*) FROM (SELECT usuario_id FROM resena WHERE usuario_id <= 700
        UNION SELECT usuario_id FROM favorito) r;""")
    check(learned == f"{readers}|espejo.usuario|postgres|trainer", f"a role's training: {learned}, and {readers} readers are visible")
    run_id = site.start()
    site.wait_until_computing(run_id)
    site.psql.query("SET ROLE stranger;")
    found = first_error(site.psql.finish(site.psql.start("SELECT reco_cancel_training();")))
    check(found and found[1] == "42501", f"a stranger's cancel: {found}")
    hidden = site.one(f"SELECT count(options), count(error), count(outcome) >= 1, count(*) = max(id) FROM reco_runs();")
    check(hidden.startswith("0|0|t"), f"a stranger sees {hidden}")
    check(site.one("SELECT count(*) FROM reco_progress();") == "1", "a stranger does not see that a training runs")
    site.psql.query("RESET ROLE;")
    site.one("SELECT reco_cancel_training();")
    site.wait(run_id, "cancelled")
    site.psql.query("""DROP POLICY de_uno ON resena; ALTER TABLE resena DISABLE ROW LEVEL SECURITY; DROP SCHEMA espejo CASCADE;
        DROP OWNED BY trainer, stranger; DROP ROLE trainer; DROP ROLE stranger;""")


def a_decision_in_between_stands(site):
    run_id = site.start()
    site.wait_until_computing(run_id)
    site.psql.query("SELECT reco_rollback();")
    site.wait(run_id, "kept")
    reason = site.one("SELECT reason FROM reco_models() ORDER BY version DESC LIMIT 1;")
    check("changed" in reason and "during the training" in reason, f"after a roll-back: {reason}")
    run_id = site.start()
    site.wait_until_computing(run_id)
    site.psql.query("""SELECT reco_configure('favorite', 'favorito', '{"user": "usuario_id", "item": "libro_id"}');""")
    site.wait(run_id, "kept")
    reason = site.one("SELECT reason FROM reco_models() ORDER BY version DESC LIMIT 1;")
    check("reco_configure() changed the sources" in reason, f"after a new mapping: {reason}")
    site.psql.query("SELECT reco_configure('favorite', NULL, NULL);")


def the_journal_has_killed_ones(site):
    run_id = site.start()
    pid = site.wait_until_computing(run_id)
    site.one(f"SELECT pg_terminate_backend({pid});")
    until(lambda: not os.path.exists(f"/proc/{pid}"), "a terminated training lives on", PROMPT)
    site.wait(run_id, "killed")
    check(site.column(run_id, "phase").split()[0] in COMPUTING, "the phase that a killed training reached is not known")
    run_id = site.start()
    os.kill(site.wait_until_computing(run_id), signal.SIGKILL)
    # The server closes all sessions once it has noticed.
    site.psql.finish(site.psql.start("SELECT pg_sleep(60);"), 90)
    site.reconnect()
    site.wait(run_id, "killed")
    run_id = site.start()
    site.wait_until_computing(run_id)
    site.restart()
    site.wait(run_id, "killed")
    check(site.one(OPEN_ROWS) == "1", "the row of a killed training is not open, or those before it are not closed")
    run_id = site.start('{"force": true, "trees": 0}')
    site.wait(run_id, "trained")
    check(site.one(OPEN_ROWS) == "0", "the next training does not close the row of a killed one")


def the_journal_has_trainings_of_sessions(site):
    def of_session(act, outcome):
        before = site.last_run()
        session = Session()
        mark = session.start("SELECT * FROM reco_train();")
        session.wait_for_phase("factorising")
        running = site.one("SELECT run_id, background, phase FROM reco_progress();")
        check(running is not None and running.split("|")[1] == "f", f"reco_progress() of a session's training: {running}")
        act(session)
        session.finish(mark)
        session.close()
        now = site.one("SELECT outcome FROM reco_runs() ORDER BY id DESC LIMIT 1;")
        check(now in ("running", outcome.split("|")[0]), f"before the journal ends a training that was {outcome}, it is {now}")
        until(lambda: site.last_run() > before, "a session's training is not in the journal", PROMPT)
        until(lambda: site.one(OPEN_ROWS) == "0", "the journal does not end a session's training", PROMPT)
        site.wait(before + 1, outcome)

    of_session(lambda _: site.one("SELECT reco_cancel_training();"), "cancelled|57014")
    of_session(lambda session: site.one(f"SELECT pg_terminate_backend({session.pid});"), "killed")
    site.psql.query("BEGIN;")
    site.psql.query("SELECT reco_train('{\"force\": true, \"trees\": 0}');")
    run_id = site.last_run()
    check(site.column(run_id, "phase") == "stored" and site.column(run_id, "outcome") == "running",
          "a training before its commit")
    check(site.one("SELECT reco_cancel_training();") == "f", "a training that has ended was cancelled")
    site.psql.query("ROLLBACK;")
    site.wait(run_id, "rolled back")
    site.psql.query("SELECT reco_train('{\"force\": true, \"trees\": 0}');")
    site.wait(run_id + 1, "trained")
    found = first_error(site.psql.finish(site.psql.start("SET reco.max_train_memory = '64MB'; SELECT * FROM reco_train();")))
    check(found and found[1] == "53400", f"too much memory: {found}")
    site.wait(run_id + 2, "refused|53400")
    run_id = site.start()
    site.wait(run_id, "refused|53400")
    site.psql.query("RESET reco.max_train_memory;")


def a_named_model_is_trained(site):
    run_id = site.start('{"model": "noche", "trees": 0}')
    site.wait(run_id, "trained")
    site.psql.query("SET reco.model = 'noche';")
    again = site.start('{"trees": 0, "force": true}')
    site.wait(again, "trained")
    site.psql.query("RESET reco.model;")
    found = site.one(f"""SELECT string_agg(r.model_name || ' ' || m.name || ' ' || m.active, ', ' ORDER BY r.id)
        FROM reco_runs() r JOIN reco_models() m ON m.version = r.model_version WHERE r.id IN ({run_id}, {again});""")
    check(found == "noche noche false, noche noche true", f"named trainings: {found}")


def without_a_free_worker(site):
    """The one of the replication launcher is all there is."""
    site.psql.query("ALTER SYSTEM SET max_worker_processes = 1;")
    site.restart()
    found = first_error(site.psql.finish(site.psql.start("SELECT reco_train_async();")))
    check(found and found[1] == "53400" and "max_worker_processes" in found[2], f"without a free worker: {found}")
    site.psql.query("RESET client_min_messages;")
    lines = site.psql.query("SELECT model_version > 0 FROM reco_train('{\"trees\": 0}');")
    check(lines[-1] == "t", f"reco_train() without a free worker: {lines}")
    check(any("will not be in reco_runs()" in line for line in lines), f"nothing says that it is not recorded: {lines}")
    site.psql.query("ALTER SYSTEM RESET max_worker_processes;")
    site.restart()


def main():
    site = Site()
    for test in (the_client_may_leave, it_computes_without_a_snapshot, its_threads_give_way, it_starts_with_the_commit, one_training_at_a_time,
                 a_role_trains_with_its_rights, a_decision_in_between_stands, the_journal_has_killed_ones,
                 the_journal_has_trainings_of_sessions, a_named_model_is_trained,
                 without_a_free_worker):
        begun = time.monotonic()
        test(site)
        print(f"  {test.__name__.replace('_', ' ')} ({time.monotonic() - begun:.1f} s)", flush=True)
    site.psql.close()


if __name__ == "__main__":
    run(main)

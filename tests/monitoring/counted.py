"""Every call of every session is counted, wherever it ran: in short sessions, a read-only transaction, a parallel worker, another
database, and across a crash from zero."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from sessions import Session

from asked import expect, metric, sql

PLACE = sys.argv[1]
LOG = Path(os.environ["PGDATA"]).parent / "log"


def calls(source, outcome="ok", function="reco_scores", database="postgres"):
    labels = json.dumps({"function": function, "source": source, "outcome": outcome})
    return metric("reco_requests_total", labels, database)


def events():
    """The lines of JSON in the server's log, in their order."""
    lines = re.findall(r"LOG:  reco: (\{.*)", LOG.read_text())
    return [json.loads(line) for line in lines]


def counts():
    expect(sql("SELECT labels ->> 'place' FROM reco_metrics() WHERE name = 'reco_counters_start_time_seconds'"), PLACE, "place")
    expect(calls("rules"), 0.0, "calls before the first")
    for _ in range(3):
        sql("SELECT reco_scores(1, '{1,2,3}')", "SELECT reco_scores(2, '{1,2}')")
    expect(calls("rules"), 6.0, "calls by the rules, of three sessions that have ended")
    expect(metric("reco_rows_total", '{"function": "reco_scores", "source": "rules"}'), 15.0, "rows")
    sql("SELECT reco_scores(1, '{1,NULL}')", fails=True)
    # By the rules this takes 100 ms and more.
    sql("SELECT * FROM reco_version()", "SET statement_timeout = '30ms'", "SELECT * FROM reco_audience(1)", fails=True)
    expect(calls("none", "error"), 1.0, "an argument that is refused")
    expect(calls("none", "error", "reco_audience"), 1.0, "a call that is cancelled")

    sql("SELECT reco_train()")
    readers = "ARRAY(SELECT DISTINCT usuario_id FROM resena WHERE estrellas >= 4 ORDER BY 1 LIMIT 20)"
    sql(f"SELECT reco_scores(u, '{{1,2,3}}') FROM unnest({readers}) u")
    expect(calls("hybrid"), 20.0, "calls by the model")

    # Reading assigns no transaction id, whether the counters were there already or not.
    out = sql(
        "BEGIN READ ONLY; SELECT reco_scores(1, '{1}') IS NOT NULL; SELECT count(*) > 20 FROM reco_metrics();"
        " SELECT pg_current_xact_id_if_assigned() IS NULL; COMMIT"
    )
    expect(out.split("\n"), ["t", "t", "t"], "a read-only transaction")
    out = sql("BEGIN READ ONLY", "SELECT length(reco_metrics_text()) > 1000", "COMMIT", user="monitor")
    expect(out, "t", "a role without rights")

    # In a worker alone, which no session has shown the counters.
    before = calls("hybrid") + calls("fold_in")
    parallel = "SET debug_parallel_query" if int(sql("SHOW server_version_num")) >= 160000 else "SET force_parallel_mode"
    sql(f"{parallel} = on; SELECT sum(s) FROM resena, unnest(reco_scores(usuario_id, '{{1}}')) s WHERE id <= 10")
    expect(calls("hybrid") + calls("fold_in") - before, 10.0, "calls in a parallel worker")

    sql("CREATE DATABASE other")
    sql("CREATE EXTENSION reco", database="other")
    sql("SELECT reco_scores(1, '{1}')", database="other", fails=True)
    expect(calls("none", "error", database="other"), 1.0, "calls of another database")
    expect(calls("none", "error"), 1.0, "calls of this database meanwhile")
    sql("DROP DATABASE other")


def tells():
    listener = Session()
    listener.query("LISTEN reco;")
    told = len(events())
    second = sql("SELECT model_version FROM reco_train('{\"force\": true}')")
    sql("SELECT reco_rollback()")
    sql(f"BEGIN; SELECT reco_activate({second}); ROLLBACK")
    sql(f"BEGIN; SAVEPOINT a; SELECT reco_activate({second}); ROLLBACK TO a; COMMIT")
    sql(f"SELECT reco_activate({second})")
    sql("SET reco.log_min_duration = 0", "SELECT reco_scores(1, '{1,2}')")
    sql("SELECT reco_scores(1, '{1,2}')")
    lines = events()[told:]
    expect([line["event"] for line in lines], ["train", "rollback", "activate", "slow"], "lines in the log")
    expect([lines[0]["promoted"], lines[2]["model_version"]], [True, int(second)], "what the lines say")
    expect({k: lines[3][k] for k in ("function", "rows")}, {"function": "reco_scores", "rows": 2}, "the slow call")
    expect(lines[3]["milliseconds"] > 0, True, "how slow it was")

    # Too little to train on, then trained: an alert is raised and closed, by whoever finishes the row of the run.
    sql("CREATE TABLE pocas AS SELECT * FROM resena LIMIT 0")
    sql("ALTER TABLE resena RENAME TO todas; ALTER TABLE pocas RENAME TO resena; ALTER TABLE favorito RENAME TO ninguno")
    sql("SELECT reco_train()", fails=True)
    alert = "SELECT kind || ' ' || (detail ->> 'outcome') FROM reco.alert WHERE closed_at IS NULL"
    expect(waited(lambda: sql(alert), "training refused"), True, "the alert of a refused training")
    expect("training" in sql("SELECT reco_health() ->> 'alerts'"), True, "the alert in reco_health()")
    sql("ALTER TABLE resena RENAME TO pocas; ALTER TABLE todas RENAME TO resena; ALTER TABLE ninguno RENAME TO favorito")
    sql("SELECT reco_train()")
    expect(waited(lambda: sql(alert), ""), True, "the alert is closed")
    sql("BEGIN; SELECT reco_train(); ROLLBACK")
    undone = waited(lambda: events()[-1]["event"], "rolled back")
    expect(undone and events()[-1]["outcome"], "rolled back", "a training that its caller took back is no failure")
    out = "\n".join(listener.query("SELECT 1;"))
    heard = [json.loads(text) for text in re.findall(r'with payload "(\{.*\})" received', out)]
    expect(
        [event["event"] + event.get("state", "") for event in heard],
        ["train", "rollback", "activate", "alertraised", "failure", "train", "alertclosed", "rolled back"],
        "notifications",
    )


def waited(look, wanted):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if look() == wanted:
            return True
        time.sleep(0.2)
    return False


def falls_back():
    sql("SELECT reco_check()")
    expect(sql("SELECT count(*) FROM reco.alert WHERE kind = 'fallback_rate'"), "0", "few calls say nothing")
    sql("SET reco.enabled = off", "SELECT reco_scores(1, '{1}') FROM generate_series(1, 200)")
    row = sql("SELECT message FROM reco_check() WHERE kind = 'fallback_rate'")
    expect(bool(re.fullmatch(r"the rules answered 20\d of the 2\d\d calls of the last 24 hours", row)), True, row)
    sql("SELECT reco_scores(1, '{1}') FROM generate_series(1, 5000)")
    expect(sql("SELECT count(*) FROM reco_check() WHERE kind = 'fallback_rate'"), "0", "the rate has fallen")
    # Rules that an experiment asks for, or that were promoted, are what the site wants.
    sql("""SELECT reco_experiment_start('reglas', '[{"name": "modelo"}, {"name": "reglas", "rules": true}]')""")
    sql("SELECT reco_experiment_promote('reglas', 'reglas')")
    sql("SELECT count(*) FROM generate_series(1, 1000) u, reco_serve(u, 2)")
    expect(calls("rules_variant", function="reco_serve"), 1000.0, "pages by the rules of a variant")
    expect(sql("SELECT count(*) FROM reco_check() WHERE kind = 'fallback_rate'"), "0", "the rules were asked for")
    sql("SELECT reco_experiment_promote('reglas', 'modelo')")


def after_a_crash():
    os.kill(Session().pid, signal.SIGKILL)
    ready = ["psql", "-X", "-q", "-A", "-t", "-c", "SELECT pg_is_in_recovery()"]
    up = waited(lambda: subprocess.run(ready, capture_output=True, text=True).stdout.strip(), "f")
    expect(up, True, "the server is back")
    expect(calls("rules"), 0.0, "calls after a crash")
    sql("SELECT reco_scores(1, '{1}')")
    expect(calls("hybrid") + calls("fold_in"), 1.0, "calls are counted again")


counts()
tells()
falls_back()
after_a_crash()
print(f"monitoring: every call is counted ({PLACE}), failures and alerts are told")

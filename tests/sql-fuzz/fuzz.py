"""Sessions of random statements, two at once; after them the server's log must be free of crashes and internal errors.

Every function of the extension is called, because the list is PostgreSQL's own. The seed gives the same statements again;
what two sessions do at the same time, it cannot give again."""

import argparse
import collections
import concurrent.futures
import json
import random
import re
import subprocess
import time
from pathlib import Path

from sessions import check, run
from statements import Statements

CALLS_OF_A_SESSION = 500
REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference.md"
FUNCTIONS = """SELECT coalesce(json_agg(json_build_object('schema', n.nspname, 'name', p.proname,
        'types', ARRAY(SELECT format_type(t, NULL) FROM unnest(p.proargtypes) t), 'defaults', p.pronargdefaults,
        'names', p.proargnames[1:p.pronargs]) ORDER BY p.proname), '[]')
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
    JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND e.oid = d.refobjid AND e.extname = 'reco';"""
SETTINGS = """SELECT json_agg(json_build_object('name', name, 'type', vartype, 'low', min_val, 'high', max_val,
        'values', enumvals)) FROM pg_settings WHERE name LIKE 'reco.%';"""


def query(sql):
    # The settings are known once the library is loaded.
    done = subprocess.run(["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", "LOAD 'reco'", "-c", sql],
                          capture_output=True, text=True)
    check(done.returncode == 0, done.stderr)
    return json.loads(done.stdout)


def options():
    """The names of the options of a training, from the reference."""
    section = REFERENCE.read_text(encoding="utf-8").split("## Options of a training")[1].split("\n## ")[0]
    return re.findall(r"^\| `(\w+)`", section, re.M)


def execute(lines):
    """Runs a session; gives the lines that say which property does not hold."""
    done = subprocess.run(["psql", "-X", "-q", "-A", "-t"], input="\n".join(lines), capture_output=True, text=True,
                          encoding="utf-8", errors="replace")
    violations = [line for line in done.stdout.split("\n") if line.startswith("VIOLATION")]
    # psql ends with 2 where the connection was lost.
    check(done.returncode != 2, f"a session was closed: {done.stderr[-2000:]}")
    return violations


def read_log(path):
    """Errors by SQLSTATE, and the entries that must not be there, each with its statement. What took twice as long as
    statement_timeout allows is among them."""
    states, wrong = collections.Counter(), []
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    for number, line in enumerate(lines):
        found = re.match(r"(\w{5}) (\d+) (ERROR|FATAL|PANIC|LOG|WARNING):  ", line)
        if not found:
            continue
        if found[3] in ("ERROR", "FATAL", "PANIC"):
            states[found[1]] += 1
        if found[1].startswith("XX") or found[3] == "PANIC" or "was terminated" in line \
                or "LOG:  duration:" in line:
            wrong.append("\n".join(text[:2000] for text in lines[number:number + 5]))
    return states, wrong


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--calls", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--log", type=Path, required=True)
    arguments = parser.parse_args()
    print(f"sql-fuzz: seed {arguments.seed}, {arguments.calls} calls", flush=True)
    functions, settings = query(FUNCTIONS), query(SETTINGS)
    check(len(functions) >= 13 and settings and len(options()) >= 10, "functions, settings or options are not found")
    statements = Statements(random.Random(arguments.seed), functions, options(), settings)
    sessions = [statements.session(CALLS_OF_A_SESSION) for _ in range(-(-arguments.calls // CALLS_OF_A_SESSION))]
    called = sum((collections.Counter(counts) for _, counts in sessions), collections.Counter())
    not_called = {function["name"] for function in functions} - set(called)
    check(not not_called, f"never called: {not_called}")

    begun, violations = time.monotonic(), []
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for found in pool.map(execute, [lines for lines, _ in sessions]):
            violations.extend(found)
    states, wrong = read_log(arguments.log)
    print(f"sql-fuzz: {sum(called.values())} calls in {time.monotonic() - begun:.0f} s:",
          ", ".join(f"{name} {count}" for name, count in called.most_common()))
    print("sql-fuzz: errors:", ", ".join(f"{state} {count}" for state, count in states.most_common()))
    check(not wrong, f"{len(wrong)} internal errors, crashes or statements deaf to a timeout (seed {arguments.seed}):\n" + "\n".join(wrong[:10]))
    check(not violations, f"{len(violations)} answers are wrong (seed {arguments.seed}):\n" + "\n".join(violations[:10]))
    print("sql-fuzz: no crash, no internal error, every property holds")


run(main)

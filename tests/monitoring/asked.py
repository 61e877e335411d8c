"""psql as the tests of this folder use it."""

import os
import subprocess
import sys

PSQL = ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"]


def sql(*statements, user="postgres", database="postgres", fails=False):
    """One session; gives what it prints."""
    commands = [part for statement in statements for part in ("-c", statement)]
    done = subprocess.run(
        [*PSQL, "-U", user, "-d", database, *commands], capture_output=True, text=True, env={**os.environ, "PGOPTIONS": ""}
    )
    if (done.returncode != 0) != fails:
        sys.exit(f"monitoring: {statements}\n{done.stdout}{done.stderr}")
    return done.stdout.strip()


def expect(found, expected, what):
    if found != expected:
        sys.exit(f"monitoring: {what}: {found!r}, and {expected!r} was expected")


def metric(name, labels="{}", database="postgres"):
    """The sum of the samples whose labels contain these; None without one."""
    value = sql(f"SELECT sum(value) FROM reco_metrics() WHERE name = '{name}' AND labels @> '{labels}'", database=database)
    return float(value) if value else None

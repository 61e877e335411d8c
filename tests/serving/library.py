"""The two data sets, loaded and trained on."""

import os
import subprocess
import sys
import time
from pathlib import Path

import cluster
import report

HERE = Path(__file__).parent
GENERATOR = Path(os.environ["CARGO_TARGET_DIR"]) / "release" / "generate-library"
SIZES = {"books": 300_000, "users": 60_000, "interactions": 1_500_000}
QUICK_SIZES = {"books": 30_000, "users": 6_000, "interactions": 150_000}

# Random readers are chosen by number.
READERS = """
CREATE SCHEMA serving;
CREATE TABLE serving.reader (n int PRIMARY KEY, id bigint);
INSERT INTO serving.reader
SELECT row_number() OVER (ORDER BY md5(id::text)), id
FROM (SELECT usuario_id AS id FROM resena UNION SELECT usuario_id FROM favorito) AS readers;
VACUUM ANALYZE;
"""


def bookcrossing(_quick):
    return [sys.executable, str(HERE.parent / "bookcrossing" / "load")]


def generated(quick):
    sizes = QUICK_SIZES if quick else SIZES
    return [str(GENERATOR), *(text for name, size in sizes.items() for text in (f"--{name}", str(size)))]


def prepare(data_set, quick):
    report.progress("loading")
    psql = ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1"]
    loader = subprocess.Popen(data_set(quick), stdout=subprocess.PIPE)
    subprocess.run(psql, stdin=loader.stdout, stdout=subprocess.DEVNULL, check=True)
    if loader.wait():
        sys.exit("compare: the data could not be loaded")
    subprocess.run(psql, input=READERS, text=True, check=True)
    report.progress("training")
    options = '{"weights": "auto", "budget": "10s"}' if quick else '{"weights": "auto"}'
    begun = time.perf_counter()
    with cluster.connect() as connection:
        connection.execute("CREATE EXTENSION reco")
        version, promoted, reason, readers, books, interactions = connection.execute(
            "SELECT model_version, promoted, reason, users, items, interactions FROM reco_train(%s)", (options,)
        ).fetchone()
        size = connection.execute("SELECT bytes FROM reco_models() WHERE version = %s", (version,)).fetchone()[0]
    if not promoted:
        sys.exit(f"compare: the first model is not served: {reason}")
    report.say(f"{readers} readers, {books} books, {interactions} interactions")
    report.say(f"trained in {time.perf_counter() - begun:.0f} s, {size / 1e6:.0f} MB: {reason}")

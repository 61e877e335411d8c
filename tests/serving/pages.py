"""The response times of a page: 300 candidates scored, or the ten best of all books."""

import statistics
import time

import numpy as np

import cluster
import report
from cluster import READER

ROUNDS = 3
FRESH = 30
BASELINE = "SELECT 1"
UNSCORED = f"SELECT {READER}, cardinality(:list::bigint[])"
SCORES = f"SELECT reco_scores({READER}, :list)"
ROWS = f"SELECT * FROM reco_score({READER}, :list)"
BEST = f"SELECT * FROM reco_recommend({READER}, 10)"


def measure(requests, quick):
    report.heading("A page: one connection, warm")
    bench = cluster.Bench(requests)
    calls = {BASELINE: 2000, UNSCORED: 2000, SCORES: 2000, ROWS: 2000}
    if cluster.has("reco_recommend"):
        calls[BEST] = 300
    rounds = 1 if quick else ROUNDS
    times = {statement: [] for statement in calls}
    for _ in range(rounds):
        for statement, number in calls.items():
            times[statement].append(bench.run({statement: 1}, transactions=number).times)
    times = {statement: np.concatenate(parts) for statement, parts in times.items()}
    labels = {
        BASELINE: "SELECT 1",
        UNSCORED: "the next, without scoring",
        SCORES: f"reco_scores(reader, {cluster.CANDIDATES} books)",
        ROWS: f"reco_score(reader, {cluster.CANDIDATES} books): rows",
        BEST: f"reco_recommend(reader, 10) of {len(requests.books)} books",
    }
    report.table(
        ["milliseconds", "median", "p95", "p99"],
        [[labels[statement], *(f"{np.percentile(found, p):.3f}" for p in (50, 95, 99))] for statement, found in times.items()],
    )
    median, p95 = (float(np.percentile(times[SCORES], p)) for p in (50, 95))
    report.goal(f"reco_scores: median {median:.3f} ms, goal under 0.5", median < 0.5)
    report.goal(f"reco_scores: p95 {p95:.3f} ms, goal under 1", p95 < 1)
    ratio = float(np.median(times[ROWS])) / median
    report.goal(f"reco_score takes {ratio:.2f} times as long, goal under 1.5", ratio < 1.5)
    if BEST in times:
        best = float(np.median(times[BEST]))
        report.goal(f"reco_recommend: median {best:.2f} ms, goal under 10", best < 10)
    else:
        report.say("  skipped  reco_recommend: this version of reco does not have it")
    fresh(requests)


def fresh(requests):
    """The first calls of a connection load the extension, make the plans, map the model and read its pages."""
    calls = [[] for _ in range(3)]
    for _ in range(FRESH):
        with cluster.connect() as connection:
            for times in calls:
                arguments = requests.reader(), cluster.array(requests.candidates())
                begun = time.perf_counter()
                connection.execute("SELECT reco_scores(%s, %s)", arguments).fetchone()
                times.append((time.perf_counter() - begun) * 1000)
    first, second, third = (statistics.median(times) for times in calls)
    report.say(f"\nA fresh connection, median of {FRESH}: {first:.1f} ms, then {second:.1f} ms, then {third:.1f} ms")
    report.goal(f"a fresh connection's first reco_scores: {first:.1f} ms, goal under 10", first < 10)

"""A mail job: the ten best books for every reader."""

import time
from concurrent.futures import ThreadPoolExecutor

import cluster
import report

READERS = 5000
QUICK_READERS = 200
JOB = """
SELECT count(*) FROM serving.reader AS u, LATERAL reco_recommend(u.id, 10) AS best
WHERE u.n <= %s AND u.n %% %s = %s
"""


def measure(requests, quick):
    report.heading("A mail job: the ten best books for every reader")
    if not cluster.has("reco_recommend"):
        report.say("  skipped  reco_recommend: this version of reco does not have it")
        return
    readers = min(QUICK_READERS if quick else READERS, len(requests.readers))
    report.say(f"{readers} of {len(requests.readers)} readers, drawn at random, {len(requests.books)} books\n")
    run(readers // 10, 1)
    seconds = {parts: run(readers, parts) for parts in (1, 2)}
    hours = {parts: seconds[parts] * len(requests.readers) / readers / 3600 for parts in seconds}
    report.table(
        ["connections", "readers a second", "hours for all readers"],
        [[parts, f"{readers / seconds[parts]:.0f}", f"{hours[parts]:.2f}"] for parts in seconds],
    )
    report.say(f"  Two connections do {seconds[1] / seconds[2]:.2f} times as much as one")


def run(readers, parts):
    """Seconds until all connections are done; each does one part of the readers."""
    with ThreadPoolExecutor(parts) as pool:
        begun = time.perf_counter()
        rows = sum(pool.map(lambda part: cluster.value(JOB, readers, parts, part), range(parts)))
        seconds = time.perf_counter() - begun
    if rows != 10 * readers:
        raise RuntimeError(f"{rows} recommendations for {readers} readers")
    return seconds

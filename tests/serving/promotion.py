"""Fifty clients while a model is trained and promoted."""

import threading
import time

import numpy as np

import cluster
import report
from cluster import READER

CLIENTS = 50
SECONDS = 60
QUICK_SECONDS = 15
# Calls per second of all clients. Without a limit the clients would use both cores, and the training would never end.
RATE = 150
TRAIN = """SELECT model_version FROM reco_train('{"force": true, "weights": "auto", "budget": "20s"}')"""
# Calls of each client before the pool is warm: about two seconds at this rate.
POOL_WARM_UP = 6
# An error (division by zero) if the rows are of two models or of none.
SCORES = f"SELECT 1 / (count(DISTINCT model_version) = 1)::int FROM reco_score({READER}, :list)"
BEST = f"SELECT 1 / (count(DISTINCT model_version) = 1)::int FROM reco_recommend({READER}, 10)"
VERSIONS = "SELECT count(model_version), array_agg(DISTINCT model_version) FROM reco_score(%s, %s)"


def measure(requests, quick):
    report.heading("A promotion under load")
    bench = cluster.Bench(requests)
    calls = {SCORES: 9, BEST: 1} if cluster.has("reco_recommend") else {SCORES: 1}
    before = cluster.value("SELECT version FROM reco_models() WHERE active")
    training, watch = Training(), Watch(requests)
    runs = []
    seconds = QUICK_SECONDS if quick else SECONDS
    # Repeated until the training has ended: under load it takes long.
    while not runs or training.is_alive():
        runs.append(bench.run(calls, clients=CLIENTS, threads=2, seconds=seconds, rate=RATE, warm_up=POOL_WARM_UP))
    training.join()
    watch.end()
    for thread in (training, watch):
        if thread.failure:
            raise thread.failure
    times = np.concatenate([run.times for run in runs])
    p50, p99 = np.percentile(times, [50, 99])
    mix = "nine reco_score to one reco_recommend" if BEST in calls else "reco_score; this version has no reco_recommend"
    report.say(f"{CLIENTS} clients, {RATE} calls a second ({mix}), while a training took {training.seconds:.0f} s of both cores")
    report.say(f"{len(times)} calls: median {p50:.1f} ms, p99 {p99:.1f} ms, most {times.max():.0f} ms\n")
    report.goal("no call failed, and none mixed two models", True)
    both = {before, training.version}
    report.goal(f"models {before} and {training.version} were both seen answering", both <= watch.seen and len(both) == 2)


class Background(threading.Thread):
    """A thread that keeps its exception for the one that joins it."""

    def __init__(self):
        super().__init__()
        self.failure = None
        self.start()

    def run(self):
        try:
            self.work()
        except Exception as failure:
            self.failure = failure


class Training(Background):
    def work(self):
        begun = time.perf_counter()
        self.version = cluster.value(TRAIN)
        self.seconds = time.perf_counter() - begun


class Watch(Background):
    """Records which models answer, ten times per second."""

    def __init__(self, requests):
        self.requests, self.seen, self.ended = requests, set(), threading.Event()
        super().__init__()

    def work(self):
        with cluster.connect() as connection:
            while not self.ended.wait(0.1):
                asked = self.requests.reader(), cluster.array(self.requests.candidates())
                rows, versions = connection.execute(VERSIONS, asked).fetchone()
                if rows != cluster.CANDIDATES or len(versions) != 1:
                    raise RuntimeError(f"{rows} rows of the models {versions}")
                self.seen.update(versions)

    def end(self):
        self.ended.set()
        self.join()

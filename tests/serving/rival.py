"""reco beside the service that it replaces, in turn and on the same machine."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import orjson

import client
import cluster
import learn
import pages
import report
from hybrid import Hybrid

HERE = Path(__file__).parent
ROUNDS = 3
CALLS = 1000
WARM_UP = 200
CLIENTS = 8
SECONDS = 10
TIMES = 20


def measure(requests, quick):
    report.heading("Beside the service that it replaces: FastAPI, uvicorn, implicit, LightGBM")
    with tempfile.TemporaryDirectory() as folder:
        learn.learn(Path(folder))
        rounds, seconds = (1, 3) if quick else (ROUNDS, SECONDS)
        bench = cluster.Bench(requests)
        asked = [(requests.reader(), requests.candidates()) for _ in range(CALLS)]
        threads = faster(folder, asked)
        latency(folder, bench, asked, threads, rounds)
        throughput(folder, bench, asked, rounds, seconds)


def plain(hybrid, asked):
    """Milliseconds of the same as a function call."""
    times = []
    for reader, books in asked:
        begun = time.perf_counter()
        hybrid.score(reader, books)
        times.append((time.perf_counter() - begun) * 1000)
    return times[WARM_UP:]


def faster(folder, asked):
    """How many threads LightGBM is given: those that are faster on so few rows."""
    medians = {threads: np.median(plain(Hybrid(folder, threads), asked)) for threads in (1, 2)}
    best = min(medians, key=medians.get)
    tried = ", ".join(f"{threads}: {median:.2f} ms" for threads, median in medians.items())
    report.say(f"Threads of LightGBM's predict ({tried}): {best} for the service with one worker\n")
    return best


@contextmanager
def service(folder, workers, threads):
    """Its port."""
    with socket.socket() as free:
        free.bind((client.HOST, 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "service:app", "--host", client.HOST, "--port", str(port)]
    command += ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"]
    environment = {**os.environ, "HYBRID": folder, "HYBRID_THREADS": str(threads)}
    process = subprocess.Popen([*command, "--workers", str(workers)], cwd=HERE, env=environment)
    try:
        wait_for(process, port)
        yield port
    finally:
        process.terminate()
        process.wait(30)


def wait_for(process, port):
    for _ in range(600):
        if process.poll() is not None:
            raise RuntimeError("the service ended")
        try:
            client.Client(port).call(client.NOTHING)
            return
        except (OSError, RuntimeError):
            time.sleep(0.1)
    raise RuntimeError("the service does not answer")


def latency(folder, bench, asked, threads, rounds):
    names = ["SELECT 1", "reco_scores", "service: nothing", "service: scores", "Python call, no service"]
    times = {name: [] for name in names}
    messages = [client.request(*one) for one in asked]
    hybrid = Hybrid(folder, threads)
    with service(folder, 1, threads) as port:
        check(hybrid, port, asked[0], messages[0])
        for _ in range(rounds):
            times["SELECT 1"] += list(bench.run({pages.FLOOR: 1}, transactions=CALLS).times)
            times["reco_scores"] += list(bench.run({pages.SCORES: 1}, transactions=CALLS).times)
            times["service: nothing"] += client.latencies(port, [client.NOTHING] * CALLS)[WARM_UP:]
            times["service: scores"] += client.latencies(port, messages)[WARM_UP:]
            times["Python call, no service"] += plain(hybrid, asked)
    found = {name: [float(np.percentile(times[name], p)) for p in (50, 95)] for name in names}
    own = found["reco_scores"]
    report.table(
        ["one connection, milliseconds", "median", "p95", "of reco's median"],
        [[name, *(f"{v:.3f}" for v in found[name]), f"{found[name][0] / own[0]:.1f}"] for name in names],
    )
    for place, label in enumerate(["median", "p95"]):
        ratio = found["service: scores"][place] / own[place]
        report.goal(f"{label}: the service takes {ratio:.1f} times as long, goal {TIMES}", ratio >= TIMES)
    bare = found["Python call, no service"][0] / own[0]
    report.say(f"  Of any Python service, at the least: {bare:.1f} times as long as reco with its server\n")


def check(hybrid, port, asked, message):
    answer = orjson.loads(client.Client(port).call(message))
    if len(answer) != cluster.CANDIDATES or answer != hybrid.score(*asked):
        raise RuntimeError("the service answers otherwise than its model")


def throughput(folder, bench, asked, rounds, seconds):
    messages = [client.request(*one) for one in asked]
    reco, python = [], []
    # A thread for each worker: there are no more cores.
    with service(folder, 2, 1) as port:
        for _ in range(rounds):
            reco.append(bench.run({pages.SCORES: 1}, clients=CLIENTS, threads=2, seconds=seconds).per_second)
            client.throughput(port, messages, CLIENTS, 1)
            python.append(client.throughput(port, messages, CLIENTS, seconds))
    reco, python = float(np.median(reco)), float(np.median(python))
    report.table(
        [f"{CLIENTS} connections, two cores", "calls a second", "candidates a second"],
        [
            [name, f"{rate:.0f}", f"{rate * cluster.CANDIDATES:.0f}"]
            for name, rate in [("reco_scores", reco), ("service, two workers", python)]
        ],
    )
    report.goal(f"throughput: {reco / python:.1f} times the service's, goal {TIMES}", reco / python >= TIMES)

"""reco compared with the service that it replaces, in turn on the same machine."""

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

RECO = "reco_scores"
KNOWN = "service, readers as trained"
NOW = "service, current readers"
PLAIN = "Python call, no service, readers as trained"


def measure(requests, quick):
    report.heading("Compared with the service that it replaces: FastAPI, uvicorn, implicit, LightGBM")
    with tempfile.TemporaryDirectory() as folder:
        learn.learn(Path(folder))
        rounds, seconds = (1, 3) if quick else (ROUNDS, SECONDS)
        bench = cluster.Bench(requests)
        asked = [(requests.reader(), requests.candidates()) for _ in range(CALLS)]
        threads = faster(folder, asked)
        latency(folder, bench, asked, threads, rounds)
        throughput(folder, bench, asked, rounds, seconds)


def plain(hybrid, asked):
    """Milliseconds of the same scores as a function call, without the service."""
    times = []
    for reader, books in asked:
        begun = time.perf_counter()
        hybrid.score(hybrid.known(reader), books)
        times.append((time.perf_counter() - begun) * 1000)
    return times[WARM_UP:]


def faster(folder, asked):
    """The number of threads for LightGBM: the one that is faster on this number of rows."""
    medians = {threads: np.median(plain(Hybrid(folder, threads), asked)) for threads in (1, 2)}
    best = min(medians, key=medians.get)
    tried = ", ".join(f"{threads}: {median:.2f} ms" for threads, median in medians.items())
    report.say(f"Threads of LightGBM's predict ({tried}): {best} for the service with one worker\n")
    return best


@contextmanager
def service(folder, workers, threads):
    """Runs the service and gives its port."""
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
    names = ["SELECT 1", RECO, "service: nothing", KNOWN, NOW, PLAIN]
    times = {name: [] for name in names}
    known, now = ([client.request(path, *one) for one in asked] for path in ("/known", "/now"))
    hybrid = Hybrid(folder, threads)
    with service(folder, 1, threads) as port:
        check(hybrid, port, asked)
        for _ in range(rounds):
            times["SELECT 1"] += list(bench.run({pages.BASELINE: 1}, transactions=CALLS).times)
            times[RECO] += list(bench.run({pages.SCORES: 1}, transactions=CALLS).times)
            times["service: nothing"] += client.latencies(port, [client.NOTHING] * CALLS)[WARM_UP:]
            times[KNOWN] += client.latencies(port, known)[WARM_UP:]
            times[NOW] += client.latencies(port, now)[WARM_UP:]
            times[PLAIN] += plain(hybrid, asked)
    found = {name: [float(np.percentile(times[name], p)) for p in (50, 95)] for name in names}
    own = found[RECO]
    report.table(
        ["one connection, milliseconds", "median", "p95", "of reco's median", "of reco's p95"],
        [[name, *(f"{v:.3f}" for v in both), *(f"{v / o:.1f}" for v, o in zip(both, own))] for name, both in found.items()],
    )
    for name in (KNOWN, NOW):
        ratio = found[name][0] / own[0]
        report.goal(f"{name}: {ratio:.1f} times reco's median, goal {TIMES}", ratio >= TIMES)


def check(hybrid, port, asked):
    """The service answers as its model does. With current features of the reader it is the same, except for rounding."""
    for reader, books in asked[:20]:
        expected = hybrid.score(hybrid.known(reader), books)
        known, now = (
            orjson.loads(client.Client(port).call(client.request(path, reader, books))) for path in ("/known", "/now")
        )
        if known != expected or len(known) != cluster.CANDIDATES or not np.allclose(known, now, atol=0.01):
            raise RuntimeError("the service and its model give different scores")


def throughput(folder, bench, asked, rounds, seconds):
    messages = {path: [client.request(path, *one) for one in asked] for path in ("/known", "/now")}
    rates = {RECO: [], KNOWN: [], NOW: []}
    # One thread for each worker: there are two cores.
    with service(folder, 2, 1) as port:
        for _ in range(rounds):
            rates[RECO].append(bench.run({pages.SCORES: 1}, clients=CLIENTS, threads=2, seconds=seconds).per_second)
            for name, path in [(KNOWN, "/known"), (NOW, "/now")]:
                client.throughput(port, messages[path], CLIENTS, 1)
                rates[name].append(client.throughput(port, messages[path], CLIENTS, seconds))
    found = {name: float(np.median(values)) for name, values in rates.items()}
    report.table(
        [f"{CLIENTS} connections, two cores, two workers", "calls a second", "candidates a second", "of reco's"],
        [
            [name, f"{rate:.0f}", f"{rate * cluster.CANDIDATES:.0f}", f"1/{found[RECO] / rate:.1f}"]
            for name, rate in found.items()
        ],
    )
    for name in (KNOWN, NOW):
        ratio = found[RECO] / found[name]
        report.goal(f"throughput: {ratio:.1f} times that of {name}, goal {TIMES}", ratio >= TIMES)

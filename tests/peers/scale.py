"""Generated libraries of 1 to 10 million interactions: how time and memory grow, and ALS compared with a plain GEMM."""

import os
import shutil
import statistics
import subprocess
import sys
import time

import reco
import peers
from cut import Cut
from report import goal, say, seconds, table

MILLION = 1_000_000
# A book that was read gives 1.143 rows (some have a review and are favourites); the table counts pairs of reader and book.
ROWS_PER_PAIR = 1.143
FACTORS = 50
# The time does not depend on these.
PARAMETERS = {"regularization": 0.01, "alpha0": 0.1}
RIDGE = 30
# reco_train's default.
BUDGET = 300
MOST_EPOCHS = 8


def compare(folder, quick):
    sizes = [100_000, MILLION] if quick else [MILLION, 2 * MILLION, 5 * MILLION, 10 * MILLION]
    bar = gemm()
    rows = [measure(generate(folder, size), bar) for size in sizes]
    say(f"One epoch of ALS (k = {FACTORS}, both sides, 2 threads) and neighbours (reco: regressions on 50; implicit: counts of BM25, 100) by the number of "
        f"interactions; {bar / 1e9:.0f} GFLOP/s is what sgemm reaches here (numpy, OpenBLAS, 2048³, 2 threads)")
    table(["interactions", "readers", "books", "reco epoch s", "ns each", "implicit epoch s", "implicit ÷ reco",
           "reco neighbours s", "implicit neighbours s", "implicit ÷ reco", "bytes each and orientation",
           "GFLOP/s", "of sgemm"], [row["cells"] for row in rows])
    say("Bytes: the peak of the whole process without the factors, by interactions and orientation (there are two). "
        "GFLOP/s: the operations of the cheaper exact way of each row, Gram matrices and rotations included.")
    last, first = rows[-1], rows[0]
    growth = (last["epoch"] / last["interactions"]) / (first["epoch"] / first["interactions"])
    goal(f"{last['interactions']} interactions: one epoch under 4 s: {last['epoch']:.2f} s", last["epoch"] < 4)
    goal(f"peak memory under 12 bytes per interaction and orientation, beside the factors: {last['bytes']:.1f}",
         last["bytes"] < 12)
    goal(f"growth is linear: one interaction takes {growth:.2f} times as long in the largest as in the smallest "
         f"(at most 1.25)", growth <= 1.25)
    say("")
    whole([folder / str(size) for size in (sizes[0], sizes[-1])])
    quality(folder / str(sizes[0]), folder / str(sizes[-1]), quick)


def generate(folder, size):
    data = folder / str(size)
    reco.run("generate", data, users=size // 10, books=3 * size // 100, interactions=int(size * ROWS_PER_PAIR))
    reco.run("all", data)
    return data


def measure(data, bar):
    """reco and implicit in turn, three times."""
    cut = Cut(data / "all")
    theirs, ours, their_counts, our_counts = [], [], [], []
    for _ in range(3):
        stamps = []
        begun = time.perf_counter()
        peers.implicit_als(cut, factors=FACTORS, iterations=2, callback=lambda _: stamps.append(time.perf_counter()))
        theirs.append(stamps[1] - stamps[0])
        # Epoch 3 alone: the first also waits until the system has cleared the memory, which takes half an epoch.
        done = reco.run("als", cut.folder, factors=FACTORS, **{"from": 1}, to=3, **PARAMETERS)
        ours.append(done["seconds"][2] - done["seconds"][1])
    for _ in range(2):
        begun = time.perf_counter()
        peers.implicit_bm25(cut, K=100)
        their_counts.append(time.perf_counter() - begun)
        our_counts.append(reco.run("neighbours", cut.folder, ridge=RIDGE)["seconds"])
    n, epoch, median = done["interactions"], statistics.median(ours), statistics.median
    factors = 4 * FACTORS * (done["users"] + done["items"])
    bytes_each = (done["peak_memory"] - factors) / (2 * n)
    rate = done["flops_per_epoch"] / epoch
    return {"interactions": n, "epoch": epoch, "bytes": bytes_each, "cells": [
        n, done["users"], done["items"], f"{epoch:.2f}", f"{1e9 * epoch / n:.0f}", f"{median(theirs):.2f}",
        f"{median(theirs) / epoch:.1f}", seconds(median(our_counts)), seconds(median(their_counts)),
        f"{median(their_counts) / median(our_counts):.2f}", f"{bytes_each:.1f}",
        f"{rate / 1e9:.1f}", f"{100 * rate / bar:.0f} %",
    ]}


GEMM = """
import numpy, time
a = numpy.random.default_rng(1).random((2048, 2048), dtype=numpy.float32)
def once():
    begun = time.perf_counter()
    a @ a
    return time.perf_counter() - begun
print(2 * 2048**3 / min(once() for _ in range(10)))
"""


def gemm():
    """Operations per second of a plain single-precision product, on as many threads as the others have."""
    threads = {"OPENBLAS_NUM_THREADS": str(peers.THREADS)}
    done = subprocess.run([sys.executable, "-c", GEMM], env=os.environ | threads, stdout=subprocess.PIPE, check=True)
    return float(done.stdout)


def whole(libraries):
    """One reco_train by default options, from rows in memory to the model, on the smallest and on the largest."""
    rows = []
    for data in libraries:
        done = reco.run("train", data, options=f'{{"budget": "{BUDGET}s"}}')
        rows.append((data.name, done["seconds"], done["peak_memory"], done["phases"]))
    say(f"A whole training: search, content model, evaluation and refit; the budget is {BUDGET} s")
    table(["interactions", "s", "MB", *rows[0][3]], [
        [name, seconds(taken), f"{bytes / 1e6:.0f}", *map(seconds, phases.values())] for name, taken, bytes, phases in rows
    ])
    goal(f"{rows[-1][0]} interactions within the budget: {rows[-1][1]:.0f} s", rows[-1][1] <= BUDGET)
    say("")


def quality(small, large, quick):
    sizes = {data: reco.run("split", data) for data in (small, large)}
    theirs, counting, ours = parameters(small, sizes[large]["items"] / sizes[small]["items"], quick)
    cut = Cut(large / "outer")
    rows, paths = [], []

    def line(name, taken, path):
        rows.append([name, taken])
        paths.append(path)

    def peer(name, fit, **chosen):
        begun = time.perf_counter()
        lists = fit(cut, **chosen)
        taken = time.perf_counter() - begun
        line(name, taken, cut.write(f"peer.{len(paths)}", lists()))

    peer("implicit ALS, its defaults, 20 iterations", peers.implicit_als)
    peer("implicit ALS, tuned, 20 iterations", peers.implicit_als, **theirs)
    peer("implicit BM25, tuned", peers.implicit_bm25, **counting)
    done = reco.run("als", cut.folder, to=MOST_EPOCHS, lists="als", **ours["als"])
    for epochs, taken in enumerate(done["seconds"], start=1):
        line(f"reco ALS, {epochs} epochs", taken, cut.folder / f"als.{epochs}")
    done = reco.run("neighbours", cut.folder, ridge=ours["ridge"], lists="neighbours")
    line("reco neighbours", done["seconds"], cut.folder / "neighbours")
    ndcg = reco.ndcg(cut, paths)
    say(f"The library of {large.name} interactions by its likes ({sizes[large]['train']} of {sizes[large]['users']} readers "
        f"and {sizes[large]['items']} books to learn from). Parameters chosen on the library of {small.name}, and those "
        f"of ALS scaled: implicit {theirs} and {counting}, reco {ours}")
    table(["system", "fit s", "NDCG@10"], [[name, seconds(t), f"{value:.4f}"] for (name, t), value in zip(rows, ndcg)])
    for index, name in [(0, "its defaults"), (1, "tuned")]:
        sooner = [rows[index][1] / row[1] for row, value in zip(rows[3:-1], ndcg[3:-1]) if value >= ndcg[index]]
        goal(f"implicit with {name}: its final NDCG@10 at least 5 times sooner: "
             + (f"{sooner[0]:.1f} times" if sooner else f"not reached in {MOST_EPOCHS} epochs"),
             bool(sooner) and sooner[0] >= 5)


def parameters(small, growth, quick):
    """Chosen on validation of the small library: on the large one implicit's search would take an hour. Readers and
    books grow alike, so the terms over all pairs grow by `growth` relative to those over the liked pairs. Dividing
    alpha0 by it, or multiplying implicit's alpha and regularization, keeps the balance exactly."""
    own = reco.run("train", small, options='{"trees": 0, "evaluation_users": 1000}')
    inner = Cut(small / "inner", 1000)
    als = peers.tune(inner, peers.implicit_als, {"regularization": [1, 10, 30, 100], "alpha": [1, 5, 20]}, quick)[0]
    counting = peers.tune(inner, peers.implicit_bm25, {"K": [100], "B": [0.1, 0.2, 0.4, 0.75]}, quick)[0]
    scaled = {"regularization": own["regularization"], "alpha0": own["alpha0"] / growth}
    return {k: v * growth for k, v in als.items()}, counting, {"als": scaled, "ridge": own["ridge"]}


def clean(folder):
    shutil.rmtree(folder, ignore_errors=True)

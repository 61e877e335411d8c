"""Time to quality: implicit and reco fitted in turn, on the same cut, with the same number of threads."""

import statistics
import time

import reco
import peers
from cut import Cut
from report import goal, say, table

# implicit's default, and the most epochs that reco may take.
ITERATIONS = 20
MOST_EPOCHS = 12
# Iterations after which implicit's lists are evaluated: making the lists takes longer than the iteration.
MARKS = [1, 2, 3, 4, 5, 7, 10, 15, ITERATIONS]


def compare(folder, chosen, quick):
    inner, outer = Cut(folder / "inner", 2000), Cut(folder / "outer")
    for factors in [50, 128]:
        own = recipe(folder, chosen, factors)
        tuned = chosen["implicit ALS"] if factors == 50 else tune(inner, factors, chosen["implicit ALS"])
        for name, parameters in [("its defaults", {}), ("tuned", {k: tuned[k] for k in peers.ALS})]:
            time_to_quality(outer, factors, own, name, parameters, repetitions=1 if quick else 3)
    neighbours(outer, chosen, repetitions=1 if quick else 5)


def tune(inner, factors, chosen):
    """Only the regularization depends on k; the whole grid again would take minutes."""
    fit = lambda cut, **parameters: peers.implicit_als(cut, factors=factors, **parameters)
    return peers.tune(inner, fit, peers.ALS | {"alpha": [chosen["alpha"]]})[0]


def recipe(folder, chosen, factors):
    """What reco's own validation chooses for ALS."""
    if factors != 50:
        options = f'{{"factors": {factors}, "neighbours": 0, "trees": 0, "evaluation_users": 10}}'
        chosen = {"reco": reco.run("train", folder, options=options)}
    return {name: chosen["reco"][name] for name in ["regularization", "alpha0"]}


def time_to_quality(cut, factors, own, name, parameters, repetitions):
    warm_up(cut, factors, own)
    theirs, ours = [], []
    for _ in range(repetitions):
        theirs.append(implicit_curve(cut, factors, parameters, with_lists=not theirs))
        ours.append(reco_curve(cut, factors, own, with_lists=not ours))
    seconds = lambda curves: [statistics.median(times) for times in zip(*(c[0] for c in curves))]
    their_seconds, our_seconds = seconds(theirs), seconds(ours)
    their_ndcg, our_ndcg = theirs[0][1], ours[0][1]
    aim = their_ndcg[-1]
    reached = next((index for index, value in enumerate(our_ndcg) if value >= aim), None)
    say(f"ALS, k = {factors}; implicit with {name} {parameters or ''}, reco with {own}; "
        f"median of {repetitions}, evaluation not counted")
    table(
        ["epoch", "implicit s", "implicit NDCG@10", "reco s", "reco NDCG@10"],
        [[epoch, f"{their_seconds[epoch - 1]:.3f}", f"{ndcg:.4f}", *our_cells(epoch, our_seconds, our_ndcg)]
         for epoch, ndcg in zip(MARKS, their_ndcg)],
    )
    if reached is None:
        goal(f"k = {factors}, implicit with {name}: its final NDCG@10 ({aim:.4f}) was not reached in {MOST_EPOCHS} "
             f"epochs (best {max(our_ndcg):.4f})", False)
    else:
        ratios = [t[0][-1] / o[0][reached] for t, o in zip(theirs, ours)]
        ratio = statistics.median(ratios)
        goal(f"k = {factors}, implicit with {name}: its final NDCG@10 ({aim:.4f}) at least 5 times sooner: {ratio:.1f} times "
             f"({min(ratios):.1f} to {max(ratios):.1f}), after {reached + 1} epochs", ratio >= 5)
    say("")


def our_cells(epoch, seconds, ndcg):
    return [f"{seconds[epoch - 1]:.3f}", f"{ndcg[epoch - 1]:.4f}"] if epoch <= MOST_EPOCHS else ["", ""]


def warm_up(cut, factors, own):
    peers.implicit_als(cut, factors=factors, iterations=1)
    reco.run("als", cut.folder, factors=factors, to=1, **own)


def implicit_curve(cut, factors, parameters, with_lists):
    """Seconds and NDCG@10 after each iteration; the time to make lists is not counted."""
    seconds, paths, begun, paused = [], [], time.perf_counter(), 0.0

    def after_iteration(model):
        nonlocal paused
        now = time.perf_counter()
        seconds.append(now - begun - paused)
        if with_lists and len(seconds) in MARKS:
            lists = cut.by_factors(model.user_factors, model.item_factors)
            paths.append(cut.write(f"implicit.{len(seconds)}", lists))
        paused += time.perf_counter() - now

    peers.implicit_als(cut, factors=factors, iterations=ITERATIONS, callback=after_iteration, **parameters)
    return seconds, reco.ndcg(cut, paths) if with_lists else None


def reco_curve(cut, factors, own, with_lists):
    """The same for reco; each number of epochs is a fit from the start."""
    extra = {"lists": "als"} if with_lists else {}
    seconds = reco.run("als", cut.folder, factors=factors, to=MOST_EPOCHS, **own, **extra)["seconds"]
    paths = [cut.folder / f"als.{epoch + 1}" for epoch in range(MOST_EPOCHS)]
    return seconds, reco.ndcg(cut, paths) if with_lists else None


def neighbours(cut, chosen, repetitions):
    """Each with the parameters that it chose on validation."""
    counting, ridge = chosen["implicit BM25"], chosen["reco"]["ridge"]
    theirs, ours = [], []
    for _ in range(repetitions):
        begun = time.perf_counter()
        lists = peers.implicit_bm25(cut, **counting)
        theirs.append(time.perf_counter() - begun)
        ours.append(reco.run("neighbours", cut.folder, ridge=ridge, lists="neighbours")["seconds"])
    path = cut.write("implicit.neighbours", lists())
    their_ndcg, our_ndcg = reco.ndcg(cut, [path, cut.folder / "neighbours"])
    ratio = statistics.median(t / o for t, o in zip(theirs, ours))
    say(f"Neighbours: implicit's BM25 {counting}, reco's regressions on 50 with ridge {ridge:.3g}; median of {repetitions}")
    table(["", "fit s", "NDCG@10"], [
        ["implicit", f"{statistics.median(theirs):.3f}", f"{their_ndcg:.4f}"],
        ["reco", f"{statistics.median(ours):.3f}", f"{our_ndcg:.4f}"],
    ])
    goal(f"neighbours no slower than implicit's: {ratio:.2f} times as fast", ratio >= 1)

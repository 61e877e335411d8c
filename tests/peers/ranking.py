"""Top 10: every system tuned on validation, then evaluated once on the test part."""

import time

import agreement
import reco
import peers
import two_stage
from cut import Cut
from report import goal, progress, say, seconds, table

# Validation users that the grids are tried on; as many as reco takes.
VALIDATION_USERS = 2000


def compare(folder, quick, goals, with_catalogue):
    """Gives the tuned parameters by system, reco's among them."""
    sizes = reco.run("split", folder)
    say(f"{sizes['users']} readers and {sizes['items']} items with 5 likes or more; {sizes['train']} likes to learn "
        f"from, {sizes['test']} held out (a fifth of each reader's); {sizes['evaluated']} readers evaluated, all items ranked\n")
    inner, outer = Cut(folder / "inner", VALIDATION_USERS), Cut(folder / "outer")
    own = reco.run("train", folder, options="{}")
    progress(f"reco trained in {own['seconds']:.0f} s")
    paths = {f"reco, {part}": outer.folder / f"reco.{part}" for part in ["ensemble", "collaborative"]}
    spent = {name: (own["seconds"], None) for name in paths}
    chosen = {"reco": own}
    for name, (fit, grid) in peers.GRIDS.items():
        chosen[name], _, tuning = peers.tune(inner, fit, grid, quick)
        progress(f"{name} tuned in {tuning:.0f} s")
        begun = time.perf_counter()
        lists = fit(outer, **chosen[name])
        spent[name] = tuning, time.perf_counter() - begun
        paths[name] = outer.write(f"peer.{name.replace(' ', '.')}", lists())
    paths["implicit ALS, its defaults"] = outer.write("peer.default", peers.implicit_als(outer)())
    spent["implicit ALS, its defaults"] = None, None
    if with_catalogue:
        name = "implicit + LightGBM"
        begun = time.perf_counter()
        lists = two_stage.lists(
            two_stage.Catalogue(folder), Cut(folder / "inner"), outer, chosen["implicit ALS"], chosen["implicit BM25"]
        )
        spent[name] = spent["implicit ALS"][0] + spent["implicit BM25"][0] + time.perf_counter() - begun, None
        paths[name] = outer.write("peer.lightgbm", lists)
    evaluated = reco.evaluate(outer, paths)
    show(evaluated, spent, chosen, own)
    goals({name: values["mean"]["ndcg"] for name, values in evaluated.items()})
    agreement.check(outer, paths, evaluated)
    return chosen


def show(evaluated, spent, chosen, own):
    first = next(iter(evaluated.values()))["mean"]["ndcg"]
    rows = []
    for name, values in sorted(evaluated.items(), key=lambda pair: -pair[1]["mean"]["ndcg"]):
        mean, (low, high) = values["mean"], values["first_is_better_by"]
        tuning, fit = spent[name]
        rows.append([
            name, *(f"{mean[metric]:.4f}" for metric in ["ndcg", "precision", "recall", "map", "mrr", "hit_rate"]),
            f"{first / mean['ndcg']:.2f}", f"{low:+.4f} to {high:+.4f}",
            "" if tuning is None else seconds(tuning), "" if fit is None else seconds(fit),
            "" if tuning is None else f"{tuning / own['seconds']:.2f}",
        ])
    table(["system", "NDCG@10", "P", "R", "MAP", "MRR", "hit", "ensemble ÷ it", "ensemble − it, 95 %",
           "tuning s", "last fit s", "tuning ÷ reco's"], rows)
    say(f"reco's seconds are one reco_train, from rows to the model: search, LightGBM, evaluation and refit "
        f"(regularization {own['regularization']:.4g}, alpha0 {own['alpha0']:.4g}, ridge {own['ridge']:.3g}, "
        f"share of neighbours {own['share']:.1f}, weights {[round(w, 2) for w in own['weights']]}).")
    for name, parameters in chosen.items():
        if name != "reco" and parameters:
            say(f"  {name}: {', '.join(f'{k} {v}' for k, v in parameters.items())}")
    say("")


def book_crossing_goals(ndcg):
    goal("Book-Crossing, collaborative part: NDCG@10 at least 0.076", ndcg["reco, collaborative"] >= 0.076)
    goal("Book-Crossing, ensemble with learned weights: NDCG@10 at least 0.080", ndcg["reco, ensemble"] >= 0.080)


def movielens_goals(ndcg):
    best = max((value, name) for name, value in ndcg.items() if name.startswith(("implicit", "LensKit", "EASE")))
    own = max((value, name) for name, value in ndcg.items() if name.startswith("reco"))
    goal(f"MovieLens 100k: ahead of the best of implicit, LensKit and EASE "
         f"({own[1]} {own[0]:.4f}, {best[1]} {best[0]:.4f}: {own[0] / best[0]:.3f} times)", own[0] > best[0])

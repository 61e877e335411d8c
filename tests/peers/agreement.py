"""Holds reco's metrics to those of RecTools and LensKit, on the same lists."""

import lenskit.metrics.topn as lenskit
import numpy as np
import pandas as pd
from rectools import metrics as rectools

from cut import K, NOTHING
from report import say, table

TOLERANCE = 1e-9
NAMES = ["precision", "recall", "ndcg", "map", "mrr", "hit_rate"]


def check(cut, paths, evaluated):
    """Compares user by user, and exits where one differs."""
    worst = {}
    for name, path in paths.items():
        own = np.array(evaluated[name]["users"])
        lists = cut.read(path)
        for library, values in [("RecTools", of_rectools(cut, lists)), ("LensKit", of_lenskit(cut, lists))]:
            for metric, (theirs, comparable) in values.items():
                difference = np.abs(own[:, NAMES.index(metric)] - theirs)[comparable].max()
                users, before = worst.get((metric, library), (0, 0.0))
                worst[metric, library] = users + int(comparable.sum()), max(before, difference)
    rows = [[metric, library, users, f"{d:.1e}"] for (metric, library), (users, d) in sorted(worst.items())]
    say(f"Our metrics compared with theirs, on the same {len(paths)} sets of lists (goal: to {TOLERANCE:.0e}, user by user):")
    table(["metric at 10", "library", "lists compared", "largest difference"], rows)
    wrong = [key for key, (users, difference) in worst.items() if users == 0 or not difference <= TOLERANCE]
    if wrong:
        raise SystemExit(f"compare: metrics differ by more than {TOLERANCE}: {wrong}")


def of_rectools(cut, lists):
    users = np.arange(len(lists))
    shown = lists != NOTHING
    reco = pd.DataFrame({
        "user_id": np.repeat(users, shown.sum(axis=1)),
        "item_id": lists[shown],
        "rank": np.broadcast_to(np.arange(1, K + 1), lists.shape)[shown],
    })
    relevant = pd.DataFrame({
        "user_id": np.repeat(users, [len(r) for r in cut.relevant]),
        "item_id": np.concatenate(cut.relevant),
    })
    of = {
        "precision": rectools.Precision(K),
        "recall": rectools.Recall(K),
        # By default it divides by the value of K relevant items, even if there are fewer.
        "ndcg": rectools.NDCG(K, divide_by_achievable=True),
        "map": rectools.MAP(K),
        "mrr": rectools.MRR(K),
        "hit_rate": rectools.HitRate(K),
    }
    values = {name: metric.calc_per_user(reco, relevant).reindex(users, fill_value=0.0) for name, metric in of.items()}
    everybody = np.ones(len(users), dtype=bool)
    # RecTools divides by all relevant items, or always by K; ours by min(K, relevant): the same up to K of them.
    at_most_k = np.array([len(r) <= K for r in cut.relevant])
    return {name: (v.to_numpy(), at_most_k if name == "map" else everybody) for name, v in values.items()}


def of_lenskit(cut, lists):
    """Without MAP, which LensKit 0.14 lacks. NDCG with the usual discount: its own gives rank 2 as much as rank 1. Recall
    without a cut-off: with one it divides by min(K, relevant)."""
    everybody = np.ones(len(lists), dtype=bool)
    values = {name: [] for name in ["precision", "recall", "ndcg", "mrr", "hit_rate"]}
    for ranked, relevant in zip(lists, cut.relevant):
        recs = pd.DataFrame({"item": ranked[ranked != NOTHING]})
        truth = pd.DataFrame(index=pd.Index(relevant, name="item"))
        values["precision"].append(lenskit.precision(recs, truth, k=K) or 0.0)
        values["recall"].append(lenskit.recall(recs, truth))
        values["ndcg"].append(lenskit.ndcg(recs, truth, discount=lambda rank: np.log2(rank + 1), k=K))
        values["mrr"].append(lenskit.recip_rank(recs, truth))
        values["hit_rate"].append(lenskit.hit(recs, truth))
    # LensKit divides by the length of a list, we divide by K: the same where the list is full.
    full = (lists != NOTHING).all(axis=1)
    return {name: (np.array(v, dtype=float), full if name == "precision" else everybody) for name, v in values.items()}

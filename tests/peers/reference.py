"""Writes small lists with the values that RecTools gives to them, which the unit tests of models/ hold reco's metrics to.

  python tests/peers/reference.py > models/src/learn/reevaluate/rectools.json
"""

import json
from importlib.metadata import version

import numpy as np
import pandas as pd
from rectools import metrics
from rectools.metrics.distances import PairwiseHammingDistanceCalculator

USERS, ITEMS, LONGEST = 25, 40, 10
CUTOFFS = [1, 3, 5, 10]


def frame(rows, *columns):
    return pd.DataFrame(rows, columns=["user_id", "item_id", *columns])


def main():
    random = np.random.default_rng(12)
    lists, relevant, before = [], [], []
    for user in range(USERS):
        likes = random.permutation(ITEMS)
        held_out, known = likes[:random.integers(1, 13)], likes[13:13 + random.integers(1, 9)]
        # Some of what is recommended is relevant; some lists are short.
        pool = np.concatenate([random.permutation(held_out)[:4], random.permutation(np.setdiff1d(np.arange(ITEMS), likes[:21]))])
        length = LONGEST if user % 5 else random.integers(1, LONGEST)
        lists.append(random.permutation(pool[:LONGEST + 4])[:length].tolist())
        relevant.append(sorted(held_out.tolist()))
        before.append(sorted(known.tolist()))
    category = random.integers(0, 4, ITEMS).tolist()
    author = random.integers(0, 12, ITEMS).tolist()

    reco = frame([(u, i, r) for u, items in enumerate(lists) for r, i in enumerate(items, 1)], "rank")
    truth = frame([(u, i) for u, items in enumerate(relevant) for i in items])
    earlier = frame([(u, i) for u, items in enumerate(before) for i in items])
    features = pd.DataFrame({"category": category, "author": author}, index=pd.Index(range(ITEMS), name="item_id"))
    apart = PairwiseHammingDistanceCalculator(features.astype(float))

    values = {}
    for k in CUTOFFS:
        of_users = {
            "precision": metrics.Precision(k).calc_per_user(reco, truth),
            "recall": metrics.Recall(k).calc_per_user(reco, truth),
            "ndcg": metrics.NDCG(k, divide_by_achievable=True).calc_per_user(reco, truth),
            # It divides by all relevant items; reco by at most k of them.
            "map": metrics.MAP(k).calc_per_user(reco, truth) * [len(r) / min(k, len(r)) for r in relevant],
            "mrr": metrics.MRR(k).calc_per_user(reco, truth),
            "hit_rate": metrics.HitRate(k).calc_per_user(reco, truth),
            "novelty": metrics.MeanInvUserFreq(k).calc_per_user(reco, earlier),
            # It counts the features that differ; reco takes their share.
            "diversity": metrics.IntraListDiversity(k, apart).calc_per_user(reco) / features.shape[1],
        }
        values[k] = {name: of.reindex(range(USERS)).tolist() for name, of in of_users.items()}
        values[k]["coverage"] = metrics.CatalogCoverage(k, normalize=True).calc(reco, range(ITEMS))
    print(json.dumps({
        "rectools": version("rectools"), "lists": lists, "relevant": relevant, "before": before, "category": category,
        "author": author, "values": values,
    }))


main()

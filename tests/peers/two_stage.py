"""What a Python service would do with the same peers: LightGBM ranks candidates of implicit's ALS and BM25, with author,
category and date of a book as features. It learns on validation, as reco does."""

import lightgbm
import numpy as np

from cut import K, NOTHING
from peers import SEED, THREADS, implicit_als, implicit_bm25

CANDIDATES = 100
NONE = np.iinfo(np.int64).min


class Catalogue:
    def __init__(self, folder):
        read = lambda name: np.fromfile(folder / f"item.{name}", dtype="<i8")
        self.category, self.author, self.published = read("category"), read("author"), read("published")


def lists(catalogue, inner, outer, als, bm25):
    """Learns on the inner cut, which should have all of its users, and gives the lists of the outer cut."""
    rows, labels = rows_of(inner, catalogue, als, bm25), []
    for (candidates, _), relevant in zip(rows, inner.relevant):
        labels.append(np.isin(candidates, relevant))
    with_hit = [user for user, label in enumerate(labels) if label.any()]
    held_out = [user for i, user in enumerate(with_hit) if i % 4 == 3]
    learned = [user for i, user in enumerate(with_hit) if i % 4 != 3]
    data = lambda users: lightgbm.Dataset(
        np.concatenate([rows[u][1] for u in users]),
        np.concatenate([labels[u] for u in users]).astype(int),
        group=[len(labels[u]) for u in users],
    )
    options = {
        "objective": "lambdarank", "metric": "ndcg", "eval_at": [K], "learning_rate": 0.05, "num_leaves": 31,
        "num_threads": THREADS, "seed": SEED, "verbosity": -1,
    }
    stop = lightgbm.early_stopping(30, verbose=False)
    forest = lightgbm.train(options, data(learned), 300, valid_sets=[data(held_out)], callbacks=[stop])
    shown = rows_of(outer, catalogue, als, bm25)
    scores = forest.predict(np.concatenate([features for _, features in shown]), num_threads=THREADS)
    ends = np.cumsum([len(candidates) for candidates, _ in shown])
    return np.array([best(c, s) for (c, _), s in zip(shown, np.split(scores, ends[:-1]))])


def best(candidates, scores):
    order = np.argsort(-scores, kind="stable")[:K]
    return np.pad(candidates[order], (0, K - len(order)), constant_values=NOTHING)


def rows_of(cut, catalogue, als, bm25):
    """The candidates of each evaluated user, and their features."""
    lists_of = [implicit_als(cut, **als, n=CANDIDATES)(), implicit_bm25(cut, **bm25, n=CANDIDATES)()]
    counts = np.bincount(cut.train.indices, minlength=cut.train.shape[1])
    return [features(cut.train[user].indices, [ranked[i] for ranked in lists_of], counts, catalogue) for i, user in enumerate(cut.users)]


def features(liked, ranked, counts, catalogue):
    """Ranks as features: scores of a model cannot be compared between users."""
    candidates = np.unique(np.concatenate(ranked))
    candidates = candidates[candidates != NOTHING]
    columns = [rank_of(candidates, one) for one in ranked]
    columns.append(counts[candidates])
    columns.append(np.full(len(candidates), len(liked)))
    for values in (catalogue.category, catalogue.author):
        own, known = values[candidates], values[candidates] != NONE
        same = (own[:, None] == values[liked][None, :]).sum(axis=1) * known
        columns += [same, same / max(1, len(liked))]
    years = catalogue.published[candidates] / (365.25 * 86400)
    columns.append(np.where(catalogue.published[candidates] == NONE, np.nan, years))
    return candidates, np.column_stack(columns).astype(np.float32)


def rank_of(candidates, ranked):
    """0 for the best; the length of the list for a candidate that is not in it."""
    order = np.argsort(ranked, kind="stable")
    found = np.minimum(np.searchsorted(ranked[order], candidates), len(ranked) - 1)
    return np.where(ranked[order][found] == candidates, order[found], len(ranked))

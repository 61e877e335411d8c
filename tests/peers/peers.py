"""The peers: each learns from a cut and gives its lists. The grids are those that a careful user would try."""

import itertools
import logging
import time
import warnings

import implicit
import lenskit.algorithms.als
import lenskit.algorithms.item_knn
import lenskit.algorithms.user_knn
import numpy as np
import pandas as pd
import scipy.linalg
import scipy.sparse as sp
import threadpoolctl
from implicit.cpu.als import AlternatingLeastSquares
from implicit.cpu.bpr import BayesianPersonalizedRanking
from sklearn.decomposition import TruncatedSVD

from cut import K, NOTHING

THREADS = 2
SEED = 42
# Warnings of pandas and LensKit, about LensKit 0.14's calls of pandas and numpy's BLAS.
warnings.filterwarnings("ignore")
logging.getLogger("lenskit").setLevel(logging.ERROR)


def implicit_als(cut, factors=50, regularization=0.01, alpha=1.0, iterations=20, n=K, callback=None):
    model = AlternatingLeastSquares(
        factors=factors, regularization=regularization, alpha=alpha, iterations=iterations, num_threads=THREADS,
        random_state=SEED,
    )
    model.fit(cut.train, show_progress=False, callback=callback and (lambda *_: callback(model)))
    return lambda: cut.by_factors(model.user_factors, model.item_factors, n)


def implicit_bpr(cut, learning_rate, regularization):
    model = BayesianPersonalizedRanking(
        factors=50, learning_rate=learning_rate, regularization=regularization, iterations=100, num_threads=THREADS,
        random_state=SEED,
    )
    model.fit(cut.train, show_progress=False)
    return lambda: cut.by_factors(model.user_factors, model.item_factors)


def implicit_bm25(cut, K=100, K1=1.2, B=0.75, n=K):
    model = implicit.nearest_neighbours.BM25Recommender(K=K, K1=K1, B=B, num_threads=THREADS)
    return _item_item(cut, model, n)


def implicit_cosine(cut, K):
    return _item_item(cut, implicit.nearest_neighbours.CosineRecommender(K=K, num_threads=THREADS))


def _item_item(cut, model, n=K):
    model.fit(cut.train, show_progress=False)

    def lists():
        items, scores = model.recommend(cut.users, cut.train[cut.users], N=n)
        return np.where(scores > 0, items, NOTHING)

    return lists


def lenskit_als(cut, reg, weight):
    model = lenskit.algorithms.als.ImplicitMF(50, iterations=20, reg=reg, weight=weight, rng_spec=SEED)
    model.fit(_frame(cut))
    users = model.user_index_.get_indexer(np.arange(cut.train.shape[0]))
    items = model.item_index_.get_indexer(np.arange(cut.train.shape[1]))
    # An item without likes in the training part cannot be recommended.
    known = np.where(items >= 0, 0, -np.inf).astype(np.float32)
    return lambda: cut.by_score(lambda some: model.user_features_[users[some]] @ model.item_features_[items].T + known)


def lenskit_item_item(cut, save_nbrs):
    model = lenskit.algorithms.item_knn.ItemItem(-1, save_nbrs=save_nbrs, feedback="implicit")
    model.fit(_frame(cut))
    # Without a limit on the neighbours its prediction is this product. Calling it for each user would take a quarter
    # of an hour for Book-Crossing's grid.
    similar = sp.coo_matrix(model.sim_matrix_.to_scipy())
    ids, n = model.item_index_.to_numpy(), cut.train.shape[1]
    similar = sp.csr_matrix((similar.data, (ids[similar.col], ids[similar.row])), shape=(n, n))
    return lambda: cut.by_score(lambda users: _nothing_below(0, (cut.train[users] @ similar).toarray()))


def _nothing_below(bar, scores):
    return np.where(scores > bar, scores, -np.inf)


def lenskit_user_user(cut, nnbrs):
    model = lenskit.algorithms.user_knn.UserUser(nnbrs, feedback="implicit")
    model.fit(_frame(cut))
    every = np.arange(cut.train.shape[1])

    def score(users):
        rows = [model.predict_for_user(user, every).reindex(every).to_numpy() for user in users]
        return np.nan_to_num(np.array(rows, dtype=np.float32), nan=-np.inf)

    return lambda: cut.by_score(score)


def _frame(cut):
    pairs = cut.train.tocoo()
    return pd.DataFrame({"user": pairs.row, "item": pairs.col, "rating": np.ones(pairs.nnz)})


def sklearn_svd(cut, components):
    model = TruncatedSVD(components, random_state=SEED)
    users = model.fit_transform(cut.train)
    return lambda: cut.by_factors(users, model.components_.T)


def ease(cut, regularization):
    """Steck's closed form, in single precision, as its author and others publish it; the inverse by Cholesky."""
    with threadpoolctl.threadpool_limits(THREADS):
        gram = (cut.train.T @ cut.train).toarray().astype(np.float32, order="F")
        gram[np.diag_indices_from(gram)] += regularization
        factor, failed = scipy.linalg.lapack.spotrf(gram, lower=1, overwrite_a=1)
        inverse, also_failed = scipy.linalg.lapack.spotri(factor, lower=1, overwrite_c=1)
        assert not failed and not also_failed
        weights = np.tril(inverse) + np.tril(inverse, -1).T
        weights /= -np.diag(weights)
        np.fill_diagonal(weights, 0)
    return lambda: cut.by_score(lambda users: cut.train[users] @ weights)


def popularity(cut):
    counts = np.bincount(cut.train.indices, minlength=cut.train.shape[1])
    return lambda: cut.by_score(lambda users: np.tile(counts, (len(users), 1)))


ALS = {"regularization": [1, 10, 30, 100, 300], "alpha": [1, 5, 20, 60]}

GRIDS = {
    "implicit ALS": (implicit_als, ALS),
    "implicit BPR": (implicit_bpr, {"learning_rate": [0.01, 0.05], "regularization": [0.01, 0.05]}),
    "implicit BM25": (implicit_bm25, {"K": [100, 300], "K1": [0.5, 1.2], "B": [0.1, 0.2, 0.4, 0.75, 1.0]}),
    "implicit cosine": (implicit_cosine, {"K": [100, 300]}),
    "LensKit ImplicitMF": (lenskit_als, {"reg": [10, 30, 100], "weight": [5, 20, 60]}),
    "LensKit ItemItem": (lenskit_item_item, {"save_nbrs": [20, 100, 500]}),
    "LensKit UserUser": (lenskit_user_user, {"nnbrs": [30, 100, 300]}),
    "EASE": (ease, {"regularization": [30, 100, 250, 500, 1000, 2000]}),
    "scikit-learn SVD": (sklearn_svd, {"components": [10, 25, 50, 100, 200]}),
    "popularity": (popularity, {}),
}


def tune(inner, fit, grid, quick=False):
    """The parameters with the best NDCG@10 on validation, this NDCG@10, and the seconds of the search."""
    tries = [dict(zip(grid, values)) for values in itertools.product(*grid.values())]
    if quick:
        tries = tries[:: max(1, len(tries) // 3)]
    begun = time.perf_counter()
    found = [(inner.ndcg(fit(inner, **params)()), index) for index, params in enumerate(tries)]
    ndcg, best = max(found)
    return tries[best], ndcg, time.perf_counter() - begun

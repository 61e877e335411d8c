"""Predicted stars: 5-fold RMSE on MovieLens 100k. The folds are written beside the ratings, as DATA/source/rating.fold,
so that every program has the same folds."""

import time

import numpy as np
import pandas as pd
import surprise

import reco
from report import goal, say, table

SEED = 42
FOLDS = 5

# With their own defaults. KNNBaseline is between items, with the similarity that Surprise's manual recommends: this is
# better than between users, as in Surprise's benchmark.
PEERS = {
    "Surprise SVD": lambda: surprise.SVD(random_state=SEED),
    "Surprise SVD++": lambda: surprise.SVDpp(random_state=SEED, cache_ratings=True),
    "Surprise KNNBaseline": lambda: surprise.KNNBaseline(
        sim_options={"name": "pearson_baseline", "user_based": False}, verbose=False
    ),
}


def compare(folder, quick):
    source = folder / "source"
    read = lambda name, kind: np.fromfile(source / f"rating.{name}", dtype=kind)
    ratings = pd.DataFrame({"user": read("user", "<i8"), "item": read("item", "<i8"), "stars": read("stars", "<f4")})
    fold = np.random.default_rng(SEED).permutation(len(ratings)) % FOLDS
    fold.astype("<i4").tofile(source / "rating.fold")
    used = range(1 if quick else FOLDS)
    rows = []
    for name, make in PEERS.items():
        begun = time.perf_counter()
        errors = [rmse(make(), ratings[fold != held_out], ratings[fold == held_out]) for held_out in used]
        taken = (time.perf_counter() - begun) / len(errors)
        rows.append((name, errors, taken))
    done = reco.run("stars", folder, len(used))
    own, taken = np.mean(done["errors"]), np.mean(done["seconds"])
    rows.append(("reco", done["errors"], taken))
    say(f"RMSE of predicted stars over {len(used)} of {FOLDS} folds, the peers with their own defaults, fit and prediction")
    table(["system", "RMSE", "deviation between folds", "s per fold", "÷ reco's"], [
        [name, f"{np.mean(errors):.4f}", f"{np.std(errors):.4f}", f"{seconds:.2f}", f"{seconds / taken:.1f}"]
        for name, errors, seconds in rows
    ])
    goal(f"MovieLens 100k: RMSE at most 0.912: {own:.4f}", own <= 0.912)


def rmse(model, train, test):
    data = surprise.Dataset.load_from_df(train, surprise.Reader(rating_scale=(1, 5)))
    model.fit(data.build_full_trainset())
    rows = list(test.itertuples(index=False, name=None))
    return surprise.accuracy.rmse(model.test(rows), verbose=False)

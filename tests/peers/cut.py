"""A cut that `peers split` wrote: the training part, the evaluated users with their hold-out, and their lists."""

import numpy as np
import scipy.sparse as sp

K = 10
NOTHING = -1
# Users per block of a dense score matrix: 500 × 300 000 floats are 0.6 GB.
BLOCK = 250


class Cut:
    def __init__(self, folder, most_users=None):
        self.folder = folder
        read = lambda name, kind: np.fromfile(folder / name, dtype=kind)
        start, items = read("train.start", "<i8"), int(read("items", "<i8")[0])
        values = (read("train.weight", "<f4"), read("train.item", "<i4"), start)
        self.weighted = sp.csr_matrix(values, shape=(len(start) - 1, items))
        # The likes without their weights: the usual input of the peers.
        self.train = sp.csr_matrix((np.ones_like(values[0]), *values[1:]), shape=self.weighted.shape)
        if (folder / "users").exists():
            self._read_test(read, most_users)

    def _read_test(self, read, most_users):
        users, start, items = read("users", "<i4"), read("test.start", "<i8"), read("test.item", "<i4")
        pick = np.arange(len(users))
        if most_users and len(users) > most_users:
            pick = pick[np.arange(most_users) * len(users) // most_users]
        self.users = users[pick]
        self.relevant = [items[start[i] : start[i + 1]] for i in pick]

    def write(self, name, lists):
        """Gives the file for `peers evaluate`."""
        path = self.folder / name
        lists.astype("<i4").tofile(path)
        return path

    def read(self, path):
        return np.fromfile(path, dtype="<i4").reshape(-1, K)

    def by_score(self, score, n=K):
        """The n best items of each evaluated user by `score`, which gives the scores of some users as a dense block."""
        out = []
        for begin in range(0, len(self.users), BLOCK):
            users = self.users[begin : begin + BLOCK]
            scores = np.asarray(score(users), dtype=np.float32)
            seen = self.train[users]
            scores[np.repeat(np.arange(len(users)), np.diff(seen.indptr)), seen.indices] = -np.inf
            out.append(best(scores, n))
        return np.concatenate(out)

    def by_factors(self, users, items, n=K):
        return self.by_score(lambda some: users[some] @ items.T, n)

    def ndcg(self, lists):
        """For choosing parameters only; what is reported comes from `peers evaluate`."""
        discount = 1 / np.log2(np.arange(K) + 2)
        values = [
            np.isin(ranked, relevant) @ discount / discount[: len(relevant)].sum()
            for ranked, relevant in zip(lists, self.relevant)
        ]
        return float(np.mean(values))


def best(scores, n):
    n = min(n, scores.shape[1])
    items = np.argpartition(-scores, n - 1, axis=1)[:, :n]
    values = np.take_along_axis(scores, items, axis=1)
    # The lower index wins a tie, as in reco.
    order = np.lexsort((items, -values), axis=1)
    items = np.take_along_axis(items, order, axis=1)
    items[np.take_along_axis(values, order, axis=1) == -np.inf] = NOTHING
    return items

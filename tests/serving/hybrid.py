"""The hybrid of a Python service: ALS factors, a LightGBM forest on reco's features, popularity, all in memory.

The features of readers are computed beforehand, or from current rows of the database, as reco does with every call.
reco's item neighbours are left out.
"""

from pathlib import Path
from types import SimpleNamespace

import lightgbm
import numpy as np

LEVELS = np.linspace(0, 1, 65)


class Hybrid:
    def __init__(self, folder, threads=1):
        with np.load(Path(folder) / "model.npz") as arrays:
            for name in arrays.files:
                setattr(self, name, arrays[name])
        self.places = {id: place for place, id in enumerate(self.readers.tolist())}
        model = Path(folder) / "forest.txt"
        self.forest = lightgbm.Booster(model_file=str(model)) if model.exists() else None
        self.threads = threads

    def score(self, reader, books):
        """One score per book, as a list."""
        books = np.searchsorted(self.books, books)
        content = self.forest.predict(self.features(reader, books), raw_score=True, num_threads=self.threads)
        collaborative = self.book_factors[books] @ reader.factor
        parts = [np.interp(collaborative, self.collaborative_knots, LEVELS), np.interp(content, self.content_knots, LEVELS)]
        return (self.weights @ np.stack([*parts, self.popularity[books]])).tolist()

    def known(self, id):
        """A reader with the features from the training."""
        return self.at(self.places[id])

    def at(self, place):
        def tastes(kind):
            start, end = getattr(self, f"{kind}_start")[place : place + 2]
            return [getattr(self, f"{kind}_{what}")[start:end] for what in ("groups", "weights", "stars")]

        return SimpleNamespace(
            factor=self.reader_factors[place],
            liked=self.liked[place],
            category=tastes("category"),
            author=tastes("author"),
            tastes=self.tastes[place],
            values=self.reader_values[place],
        )

    def described(self, rows):
        """A reader with features from current rows (reader, book, stars or 0, favourite or 0)."""
        _, ids, stars, favorite = np.array(rows).reshape(-1, 4).T
        books = np.searchsorted(self.books, ids)
        likes = ((stars >= 4) | (favorite > 0)).astype(np.float64)
        liked, reviews = likes.sum(), (stars > 0).sum()
        whole, values = max(liked, 1), self.book_values[books]

        def tastes(kind):
            groups, place = np.unique(getattr(self, kind)[books], return_inverse=True)
            reviewed = np.maximum(np.bincount(place, stars > 0), 1)
            return [groups, np.bincount(place, likes), np.bincount(place, stars) / reviewed]

        category, author = tastes("category"), tastes("author")
        means = likes @ values[:, 4:6] / whole
        columns = [np.log1p(liked), np.log1p(reviews), stars.sum() / max(reviews, 1), favorite.mean(), -1]
        return SimpleNamespace(
            # The ALS step for one reader; all likes have the weight 1.
            factor=self.solve @ self.book_factors[books[likes > 0]].sum(axis=0),
            liked=liked,
            category=category,
            author=author,
            tastes=means,
            values=[*columns, category[1].max() / whole, means[0], author[1].max() / whole],
        )

    def features(self, reader, books):
        """The 28 features of reco's content part: of the book, of the pair, of the reader."""
        category, author = self.category[books], self.author[books]
        of_category, _ = taste(reader.category, category)
        of_author, stars = taste(reader.author, author)
        values = self.book_values[books]
        share = of_category / max(reader.liked, 1)
        matrix = np.empty((len(books), 28), np.float32)
        matrix[:, :11] = values
        matrix[:, 11] = share
        matrix[:, 12] = (share + 0.01) / (self.category_shares[category] + 0.01)
        matrix[:, 13] = self.category_means[category] @ reader.factor
        matrix[:, 14] = of_author
        matrix[:, 15] = of_author / max(reader.liked, 1)
        matrix[:, 16] = stars
        matrix[:, 17] = self.author_means[author] @ reader.factor
        matrix[:, 18] = values[:, 4] - reader.tastes[0]
        matrix[:, 19] = values[:, 5] - reader.tastes[1]
        matrix[:, 20:] = reader.values
        return matrix


def taste(known, groups):
    """How much the reader liked each of the groups, and the mean of the stars given."""
    ids, weights, stars = known
    place = np.minimum(np.searchsorted(ids, groups), len(ids) - 1)
    found = ids[place] == groups
    return found * weights[place], found * stars[place]

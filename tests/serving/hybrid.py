"""The hybrid as a Python service has it: ALS factors, a LightGBM forest on reco's features, popularity, all in memory.

Everything about a reader is computed beforehand; reco reads the reader's interactions with every call. The item
neighbours of reco are left out.
"""

from pathlib import Path

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
        place, books = self.places[reader], np.searchsorted(self.books, books)
        content = self.forest.predict(self.features(place, books), raw_score=True, num_threads=self.threads)
        collaborative = self.book_factors[books] @ self.reader_factors[place]
        parts = [np.interp(collaborative, self.collaborative_knots, LEVELS), np.interp(content, self.content_knots, LEVELS)]
        return (self.weights @ np.stack([*parts, self.popularity[books]])).tolist()

    def features(self, reader, books):
        """The 28 of reco's content part: of the book, of the pair, of the reader."""
        factor, liked = self.reader_factors[reader], max(self.liked[reader], 1e-9)
        category, author = self.category[books], self.author[books]
        of_category, _ = self.taste("category", reader, category)
        of_author, stars = self.taste("author", reader, author)
        values = self.book_values[books]
        share = of_category / liked
        matrix = np.empty((len(books), 28), np.float32)
        matrix[:, :11] = values
        matrix[:, 11] = share
        matrix[:, 12] = (share + 0.01) / (self.category_shares[category] + 0.01)
        matrix[:, 13] = self.category_means[category] @ factor
        matrix[:, 14] = of_author
        matrix[:, 15] = of_author / liked
        matrix[:, 16] = stars
        matrix[:, 17] = self.author_means[author] @ factor
        matrix[:, 18] = values[:, 4] - self.tastes[reader, 0]
        matrix[:, 19] = values[:, 5] - self.tastes[reader, 1]
        matrix[:, 20:] = self.reader_values[reader]
        return matrix

    def taste(self, kind, reader, groups):
        """How much the reader liked each of the groups, and the mean of the stars given."""
        start, end = getattr(self, f"{kind}_start")[reader : reader + 2]
        if start == end:
            return 0.0, 0.0
        known = getattr(self, f"{kind}_groups")[start:end]
        place = np.minimum(np.searchsorted(known, groups), end - start - 1)
        found = known[place] == groups
        place += start
        return found * getattr(self, f"{kind}_weights")[place], found * getattr(self, f"{kind}_stars")[place]

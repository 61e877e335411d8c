"""Trains the hybrid in Python, on the rows that reco was trained on, as large as reco's model."""

import implicit
import lightgbm
import numpy as np
import scipy.sparse as sparse

import cluster
import report
from hybrid import Hybrid

INTERACTIONS = """
SELECT usuario_id, libro_id, COALESCE(max(estrellas), 0), max(favorito)
FROM (SELECT usuario_id, libro_id, estrellas, 0 AS favorito FROM resena {where}
      UNION ALL SELECT usuario_id, libro_id, NULL, 1 FROM favorito {where}) AS both_kinds
GROUP BY 1, 2 ORDER BY 1, 2
"""
BOOKS = """
SELECT id, COALESCE(categoria_id, 0), COALESCE(autor_id, 0), COALESCE(date_part('year', fecha_publicacion), 0)::int
FROM libro ORDER BY id
"""
CHOICE = "SELECT weights, (choice ->> 'trees')::int, COALESCE((options ->> 'factors')::int, 50) FROM reco_models() WHERE active"
LEAVES = 16
EPOCHS = 5
# Readers whose likes train the forest, and random books for each like.
TRAINING_READERS = 20_000
NEGATIVES = 4


def learn(folder):
    """Writes the model into the folder. Its quality is measured in tests/peers, not here."""
    report.progress("training the service's model")
    with cluster.connect() as connection:
        reader_ids, book_ids, stars, favorite = exported(connection, INTERACTIONS.format(where=""))
        books, category, author, year = exported(connection, BOOKS)
        weights, trees, factors = connection.execute(CHOICE).fetchone()
    readers, reader = np.unique(reader_ids, return_inverse=True)
    book = np.searchsorted(books, book_ids)
    liked = ((stars >= 4) | (favorite > 0)).astype(np.float32)
    model = {"readers": readers, "books": books, "weights": np.array(weights)}
    shape = len(readers), len(books)

    als = implicit.als.AlternatingLeastSquares(factors=factors, iterations=EPOCHS, random_state=42, num_threads=2)
    likes = liked > 0
    matrix = sparse.csr_matrix((liked[likes], (reader[likes], book[likes])), shape)
    als.fit(matrix, show_progress=False)
    gram = als.item_factors.T @ als.item_factors + als.regularization * np.eye(factors, dtype=np.float32)
    model["solve"] = np.linalg.inv(gram)
    # Exact vectors of the readers, so that current features of an unchanged reader are the same.
    model["book_factors"], model["reader_factors"] = als.item_factors, matrix @ als.item_factors @ model["solve"]

    counts = [np.bincount(book, w, shape[1]) for w in (liked, stars > 0, favorite, stars)]
    mean_stars = (counts[3] + 10 * stars[stars > 0].mean()) / (counts[1] + 10)
    popular = [np.log1p(c) / np.log1p(c.max() or 1) for c in (counts[1], counts[2])]
    model["popularity"] = 0.4 * popular[0] + 0.3 * mean_stars / 5 + 0.2 * popular[1]
    age = np.where(year > 0, year.max() - year, -1)
    values = [*(np.log1p(c / liked.sum() * 1e6) for c in counts[:3]), mean_stars, model["popularity"], age, -np.ones(shape[1])]
    for kind, keys in [("category", category), ("author", author)]:
        values += grouped(model, kind, keys, counts[0], reader, book, liked, stars)
    model["book_values"] = np.stack(values, axis=1).astype(np.float32)
    describe_readers(model, reader, book, liked, stars, favorite)
    save(folder, model)
    train_forest(folder, model, trees, reader, book, likes)


def exported(connection, query):
    """Columns of integers."""
    width = len(connection.execute(f"SELECT * FROM ({query}) AS q LIMIT 0").description)
    with connection.cursor().copy(f"COPY ({query}) TO STDOUT") as copy:
        numbers = np.array(b"".join(copy).split(), dtype=np.int64)
    return numbers.reshape(-1, width).T


def grouped(model, kind, keys, likes, reader, book, liked, stars):
    """Features of categories or authors, and of each reader the categories or authors that they read."""
    group = np.unique(keys, return_inverse=True)[1].astype(np.int32)
    number = group.max() + 1
    members, popular = np.bincount(group, minlength=number), np.bincount(group, likes, number)
    sums = sparse.csr_matrix((np.ones(len(group)), (group, np.arange(len(group)))), (number, len(group)))
    model[kind] = group
    model[f"{kind}_shares"] = popular / likes.sum()
    model[f"{kind}_means"] = (sums @ model["book_factors"] / (members[:, None] + 5)).astype(np.float32)
    pairs, place = np.unique(reader * np.int64(number) + group[book], return_inverse=True)
    model[f"{kind}_groups"] = (pairs % number).astype(np.int32)
    model[f"{kind}_start"] = np.searchsorted(pairs // number, np.arange(len(model["readers"]) + 1))
    model[f"{kind}_weights"] = np.bincount(place, liked)
    model[f"{kind}_stars"] = np.bincount(place, stars) / np.maximum(np.bincount(place, stars > 0), 1)
    return [np.log1p(members)[group], np.log1p(popular / members)[group]]


def describe_readers(model, reader, book, liked, stars, favorite):
    number = len(model["readers"])
    count = lambda weights: np.bincount(reader, weights, number)
    model["liked"] = count(liked)
    whole = np.maximum(model["liked"], 1)
    tastes = [count(liked * model["book_values"][book, place]) / whole for place in (4, 5)]
    model["tastes"] = np.stack(tastes, axis=1)
    top = [np.maximum.reduceat(model[f"{k}_weights"], model[f"{k}_start"][:-1]) / whole for k in ("category", "author")]
    reviews = count(stars > 0)
    columns = [np.log1p(model["liked"]), np.log1p(reviews), count(stars) / np.maximum(reviews, 1)]
    columns += [count(favorite) / count(None), -np.ones(number), top[0], tastes[0], top[1]]
    model["reader_values"] = np.stack(columns, axis=1).astype(np.float32)


def save(folder, model):
    unknown = {name: np.arange(65.0) for name in ("collaborative_knots", "content_knots") if name not in model}
    np.savez(folder / "model.npz", **model, **unknown)


def train_forest(folder, model, trees, reader, book, likes):
    """Trains the forest, and calibrates the parts."""
    random = np.random.default_rng(42)
    hybrid = Hybrid(folder)
    start = np.searchsorted(reader[likes], np.arange(len(model["readers"]) + 1))
    liked_books = book[likes]
    rows, labels, scores = [], [], []
    for index in random.permutation(len(model["readers"]))[:TRAINING_READERS]:
        own = liked_books[start[index] : start[index + 1]][:50]
        asked = np.concatenate([own, random.integers(0, len(model["books"]), NEGATIVES * len(own) + 1)])
        described = hybrid.at(index)
        rows.append(hybrid.features(described, asked))
        labels.append(np.arange(len(asked)) < len(own))
        scores.append(hybrid.book_factors[asked] @ described.factor)
    rows = np.concatenate(rows)
    options = {"objective": "binary", "num_leaves": LEAVES, "learning_rate": 0.1, "verbosity": -1, "num_threads": 2}
    forest = lightgbm.train(options, lightgbm.Dataset(rows, np.concatenate(labels)), num_boost_round=trees)
    if forest.num_trees() != trees:
        raise RuntimeError(f"the forest has {forest.num_trees()} trees instead of {trees}")
    forest.save_model(folder / "forest.txt")
    ranks = np.linspace(0, 1, 65)
    model["collaborative_knots"] = np.quantile(np.concatenate(scores), ranks)
    model["content_knots"] = np.quantile(forest.predict(rows, raw_score=True), ranks)
    save(folder, model)

"""The public data sets as columns for `peers split`, read as tests/bookcrossing and tests/movielens read them."""

import datetime
import importlib.machinery
import importlib.util
import zipfile
from pathlib import Path

import numpy as np

NONE = np.iinfo(np.int64).min
HERE = Path(__file__).parent


def book_crossing(folder):
    """As `make bookcrossing` reads it: 1 to 10 becomes 1 to 5 stars, 0 a favourite; a publisher is a category."""
    load = loader("bookcrossing")
    with zipfile.ZipFile(load.wheel()) as archive:
        library = load.Library(load.read(archive, "BX-Books"))
        reviews, favourites = load.sort_ratings(load.read(archive, "BX-Book-Ratings"), library)
    write_source(
        folder,
        ratings=[(user, item, stars, NONE) for (user, item), stars in reviews.items()],
        favorites=[(user, item, NONE) for user, item in favourites],
        items=[(id, category or NONE, author or NONE, date(day)) for id, _, category, author, day in library.rows],
    )


def loader(suite):
    """The script tests/SUITE/load as a module; it has no ending, so importing it takes these steps."""
    source = importlib.machinery.SourceFileLoader(f"{suite}_load", str(HERE.parent / suite / "load"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(source.name, source))
    source.exec_module(module)
    return module


def date(day):
    return int(datetime.datetime.fromisoformat(f"{day}+00:00").timestamp()) if day else NONE


def movielens(folder):
    """MovieLens 100k; the list of genres is the category, and there are no authors."""
    load = loader("movielens")
    with zipfile.ZipFile(load.wheel()) as archive:
        films, rows = load.read(archive, "item"), load.read(archive, "inter")
    genres = {}
    write_source(
        folder,
        ratings=[(int(u), int(i), float(stars), int(float(at))) for u, i, stars, at in rows],
        favorites=[],
        items=[
            (int(id), genres.setdefault(genre, len(genres) + 1), NONE, date(load.date(year)))
            for id, _, year, genre in films
        ],
    )


COLUMNS = {
    "rating": [("user", "<i8"), ("item", "<i8"), ("stars", "<f4"), ("at", "<i8")],
    "favorite": [("user", "<i8"), ("item", "<i8"), ("at", "<i8")],
    "item": [("id", "<i8"), ("category", "<i8"), ("author", "<i8"), ("published", "<i8")],
}


def write_source(folder, ratings, favorites, items):
    source = folder / "source"
    source.mkdir(parents=True, exist_ok=True)
    for name, rows in [("rating", ratings), ("favorite", favorites), ("item", items)]:
        for index, (column, kind) in enumerate(COLUMNS[name]):
            np.array([row[index] for row in rows], dtype=kind).tofile(source / f"{name}.{column}")

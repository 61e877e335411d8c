"""The public data sets as columns for `peers split`: downloaded once, as the wheels that carry them."""

import csv
import datetime
import importlib.machinery
import importlib.util
import io
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np

NONE = np.iinfo(np.int64).min
HERE = Path(__file__).parent


def book_crossing(folder):
    """As `make bookcrossing` reads it: 1 to 10 becomes 1 to 5 stars, 0 a favourite; a publisher is a category."""
    load = bookcrossing_loader()
    with zipfile.ZipFile(load.fetch()) as wheel:
        library = load.Library(load.read(wheel, "BX-Books"))
        reviews, favourites = load.sort_ratings(load.read(wheel, "BX-Book-Ratings"), library)
    write_source(
        folder,
        ratings=[(user, item, stars, NONE) for (user, item), stars in reviews.items()],
        favorites=[(user, item, NONE) for user, item in favourites],
        items=[(id, category or NONE, author or NONE, date(day)) for id, _, category, author, day in library.rows],
    )


def bookcrossing_loader():
    path = HERE.parent / "bookcrossing" / "load"
    loader = importlib.machinery.SourceFileLoader("bookcrossing_load", str(path))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    sys.dont_write_bytecode = True
    loader.exec_module(module)
    return module


def date(day):
    return int(datetime.datetime.fromisoformat(f"{day}+00:00").timestamp()) if day else NONE


PACKAGE = "recbole==1.2.1"
WHEEL = "recbole-1.2.1-py3-none-any.whl"


def movielens(folder, downloads):
    """MovieLens 100k; the list of genres is the category, and there are no authors."""
    ratings = [(int(u), int(i), float(stars), int(float(at))) for u, i, stars, at in movielens_rows(downloads, "inter")]
    genres = {}
    items = [
        (int(id), genres.setdefault(genre, len(genres) + 1), NONE, date(f"{year}-01-01" if year.isdigit() else None))
        for id, _, year, genre in movielens_rows(downloads, "item")
    ]
    write_source(folder, ratings=ratings, favorites=[], items=items)


def movielens_rows(downloads, kind):
    wheel = downloads / WHEEL
    if not wheel.exists():
        print(f"downloading {PACKAGE}", file=sys.stderr)
        command = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*command, "--dest", downloads, PACKAGE], check=True)
    with zipfile.ZipFile(wheel) as archive, archive.open(f"recbole/dataset_example/ml-100k/ml-100k.{kind}") as file:
        rows = csv.reader(io.TextIOWrapper(file, encoding="utf-8"), delimiter="\t", quoting=csv.QUOTE_NONE)
        next(rows)
        return list(rows)


COLUMNS = {
    "rating": [("user", "<i8"), ("item", "<i8"), ("stars", "<f4"), ("at", "<i8")],
    "favorite": [("user", "<i8"), ("item", "<i8"), ("at", "<i8")],
    "item": [("id", "<i8"), ("category", "<i8"), ("author", "<i8"), ("published", "<i8")],
}


def write_source(folder, ratings, favorites, items):
    source = folder / "source"
    source.mkdir(parents=True, exist_ok=True)
    for name, rows in [("rating", ratings), ("favorite", favorites), ("item", items)]:
        for place, (column, kind) in enumerate(COLUMNS[name]):
            np.array([row[place] for row in rows], dtype=kind).tofile(source / f"{name}.{column}")

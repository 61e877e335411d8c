"""The memory of a training stays below what its NOTICE says, on libraries of several shapes; and so does opening a model."""

import os
import re
import threading
import time

from sessions import Session, check, first_error, run

MB = 1 << 20
# What opening a model may take, in multiples of its stored size: the bytes, what is derived, and the file's content.
OPENING = 3
# Name, readers, books, reviews, options of a training.
LIBRARIES = (
    ("ordinary", 3000, 1500, 120_000, "{}"),
    ("everything at most", 2000, 4000, 100_000, '{"min_interactions": 1, "neighbours": 200, "factors": 256, "epochs": 1}'),
    ("many books", 2000, 120_000, 80_000, '{"min_interactions": 1}'),
    ("many readers", 120_000, 1000, 250_000, '{"min_interactions": 1}'),
)
SOURCES = """
DROP TABLE IF EXISTS libro, usuario, resena;
CREATE TABLE libro (id int PRIMARY KEY, titulo text, autor_id int, categoria_id int, fecha_publicacion date);
CREATE TABLE usuario (id int PRIMARY KEY, fecha_registro timestamptz);
CREATE TABLE resena (usuario_id int, libro_id int, estrellas int, fecha_resena timestamptz);
SELECT setseed(0.5);
INSERT INTO libro SELECT i, 'Libro', i % 997, i % 23, '2010-01-01'::date + i % 4000 FROM generate_series(1, {books}) i;
INSERT INTO usuario SELECT i, '2020-01-01' FROM generate_series(1, {readers}) i;
INSERT INTO resena SELECT 1 + i % {readers}, 1 + ({books} * random() * random())::int % {books}, 3 + i % 3,
    '2024-01-01'::timestamptz + i * interval '1 minute' FROM generate_series(1, {reviews}) i;
CREATE INDEX ON resena (usuario_id);
ANALYZE;
"""


class Peak:
    """The most memory of its own that a process has while this is open, beyond what it has at first."""

    def __init__(self, pid):
        self.path = f"/proc/{pid}/status"
        self.first = self.most = self.now()
        self.is_open = True
        self.watcher = threading.Thread(target=self.watch, daemon=True)
        self.watcher.start()

    def now(self):
        with open(self.path) as status:
            return int(re.search(r"RssAnon:\s+(\d+)", status.read()).group(1)) * 1024

    def watch(self):
        while self.is_open and os.path.exists(self.path):
            self.most = max(self.most, self.now())
            time.sleep(0.002)

    def grown(self):
        self.is_open = False
        self.watcher.join()
        return (self.most - self.first) / MB


def train(name, readers, books, reviews, options):
    session = Session()
    session.query(SOURCES.format(readers=readers, books=books, reviews=reviews).replace("\n", " "))
    session.close()
    session = Session()
    session.query("SELECT * FROM reco_sources();")
    peak = Peak(session.pid)
    lines = session.finish(session.start(
        f"SELECT model_version FROM reco_train('{{\"force\": true, \"budget\": \"8s\"}}'::jsonb || '{options}');"))
    grown = peak.grown()
    check(first_error(lines) is None, f"{name}: the training failed: {lines[-3:]}")
    said = [re.search(r"needs up to (\d+) MB of memory", line) for _, line in lines]
    said = [int(found.group(1)) for found in said if found]
    check(len(said) == 1, f"{name}: no NOTICE says what a training needs")
    print(f"  training, {name:<20} needs up to {said[0]:5} MB, took {grown:7.1f} MB", flush=True)
    check(grown <= said[0], f"{name}: a training said {said[0]} MB and took {grown:.1f} MB")
    session.close()


def open_model():
    """The first session after the shared file is gone makes it again from the tables."""
    observer = Session()
    size = int(observer.query("SELECT bytes FROM reco_models() WHERE active;")[0]) / MB
    path = observer.query("SELECT reco_scores(1, '{1}'); SELECT reco_health()->'cache'->>'path';")[-1]
    os.unlink(os.path.join(os.environ["PGDATA"], path))
    session = Session()
    session.query("SELECT * FROM reco_sources();")
    peak = Peak(session.pid)
    session.query("SELECT reco_scores(1, '{1}');")
    grown = peak.grown()
    print(f"  opening a model of {size:.1f} MB took {grown:.1f} MB", flush=True)
    check(0 < grown <= OPENING * size + 8, f"opening a model of {size:.1f} MB took {grown:.1f} MB")
    session.close()
    observer.close()


def main():
    for library in LIBRARIES:
        train(*library)
        open_model()


if __name__ == "__main__":
    run(main)

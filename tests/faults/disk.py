"""A disk that is really full, for data and for temporary files; and the files that dropped databases and extensions leave."""

import os
import subprocess
import sys

from memory import SOURCES
from site_of_faults import FILES
from sessions import Session, check, first_error, run

LIBRARY = SOURCES.format(readers=500, books=300, reviews=20_000).replace("\n", " ")
TRAIN = "SELECT reco_train('{\"force\": true, \"epochs\": 1, \"trees\": 5, \"factors\": 8}');"
COUNTS = "SELECT (SELECT count(*) FROM reco.model) + (SELECT count(*) FROM reco.model_blob);"


def query(sql, database=None):
    command = ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", sql]
    subprocess.run(command + (["-d", database] if database else []), check=True, capture_output=True)


def expect_full(session, sql, what):
    found = first_error(session.finish(session.start(sql)))
    check(found is not None and found[1] == "53100", f"{what}: expected 53100, got {found}")
    print(f"  {what}: {found[1]}", flush=True)


def a_full_disk_is_an_error(session):
    """The tablespace `small` is on a file system of one megabyte."""
    before = session.query(COUNTS)
    session.query("ALTER TABLE reco.item_factor SET TABLESPACE small;")
    session.query("CREATE TABLE filler (data text) TABLESPACE small;")
    lines = session.finish(session.start("INSERT INTO filler SELECT repeat('x', 500) FROM generate_series(1, 10000);"))
    check(first_error(lines)[1] == "53100", f"the file system does not fill: {lines}")
    expect_full(session, TRAIN, "storing on a full disk")
    check(session.query(COUNTS) == before, "a training that failed left rows")
    session.query("ALTER TABLE reco.item_factor SET TABLESPACE pg_default;")
    session.query("CREATE VIEW sorted AS SELECT * FROM resena ORDER BY md5(libro_id::text || usuario_id);")
    session.query("SELECT reco_configure('rating', 'sorted', "
                  "'{\"user\": \"usuario_id\", \"item\": \"libro_id\", \"stars\": \"estrellas\"}');")
    session.query("SET temp_tablespaces = small;")
    session.query("SET work_mem = '64kB';")
    expect_full(session, TRAIN, "temporary files of reading on a full disk")
    check(session.query(COUNTS) == before, "a training that failed left rows")
    session.query("RESET temp_tablespaces;")
    check(first_error(session.finish(session.start(TRAIN))) is None, "the next training failed")
    session.query("DROP TABLE filler;")


def files_of(database):
    return [name for name in os.listdir(FILES) if name.startswith(f"pgsql_tmp_reco_{database}_")]


def files_of_what_was_dropped_go(session):
    query("CREATE DATABASE of_files")
    os.environ["PGDATABASE"], own = "of_files", os.environ["PGDATABASE"]
    other = Session()
    os.environ["PGDATABASE"] = own
    oid = other.query("SELECT oid FROM pg_database WHERE datname = current_database();")[0]
    other.query(LIBRARY)
    for _ in range(3):
        other.query("CREATE EXTENSION reco;")
        check(first_error(other.finish(other.start(TRAIN))) is None, "the training failed")
        check(0 < len(files_of(oid)) <= 5, f"files of dropped extensions stay: {files_of(oid)}")
        other.query("DROP EXTENSION reco;")
    other.close()
    query("DROP DATABASE of_files")
    check(files_of(oid), "there is nothing to be removed")
    check(first_error(session.finish(session.start(TRAIN))) is None, "the training failed")
    check(not files_of(oid), f"files of a dropped database stay after the next training: {files_of(oid)}")
    print("  files of dropped databases and extensions go with the next training", flush=True)


def main():
    session = Session()
    session.query("CREATE EXTENSION reco;")
    session.query(LIBRARY)
    if sys.argv[1:]:
        query(f"CREATE TABLESPACE small LOCATION '{sys.argv[1]}'")
        a_full_disk_is_an_error(session)
    else:
        print("  skipped: a full disk, because only root can mount a small file system", flush=True)
    files_of_what_was_dropped_go(session)
    session.close()


if __name__ == "__main__":
    run(main)

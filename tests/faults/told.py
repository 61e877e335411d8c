"""What a client is told and shown: notices in its encoding, a warning of row security, every newcomer of a small catalogue."""

import os

from memory import SOURCES
from sessions import Session, check, first_error, run

LIBRARY = SOURCES.format(readers=300, books=200, reviews=8000).replace("\n", " ")
TRAIN = "SELECT reco_train('{\"force\": true, \"epochs\": 1, \"trees\": 5, \"factors\": 8}');"


def train(session):
    lines = session.finish(session.start(TRAIN))
    check(first_error(lines) is None, f"the training failed: {lines[-3:]}")
    return [line for _, line in lines]


def notices_fit_the_clients_encoding(session):
    session.query("CREATE VIEW \"reseñas中\" AS SELECT * FROM resena;")
    session.query("SELECT reco_configure('rating', '\"reseñas中\"', "
                  "'{\"user\": \"usuario_id\", \"item\": \"libro_id\", \"stars\": \"estrellas\"}');")
    session.query("SET client_encoding = 'LATIN1';")
    lines = train(session)
    session.query("RESET client_encoding;")
    check(any("reading" in line and "?" in line for line in lines), f"no notice names the view: {lines}")
    session.query("SELECT reco_configure('rating', NULL, NULL);")
    print("  notices fit the client's encoding", flush=True)


def row_security_on_the_trainer_is_warned_of(session):
    check(not any("row security" in line for line in train(session)), "a warning without row security")
    for sql in ("CREATE ROLE trainer LOGIN;", "GRANT SELECT ON resena, libro, usuario TO trainer;",
                "GRANT EXECUTE ON FUNCTION reco_train TO trainer;", "ALTER TABLE libro ENABLE ROW LEVEL SECURITY;",
                "CREATE POLICY all_of_it ON libro USING (true);", "SET SESSION AUTHORIZATION trainer;"):
        session.query(sql)
    lines = train(session)
    session.query("RESET SESSION AUTHORIZATION;")
    warned = [line for line in lines if "WARNING" in line and "row security may hide rows" in line]
    check(len(warned) == 1 and "libro" in warned[0], f"no warning of row security: {lines}")
    session.query("ALTER TABLE libro DISABLE ROW LEVEL SECURITY;")
    print("  row security on the trainer is warned of", flush=True)


def all_newcomers_of_a_small_catalogue_are_considered(session):
    session.query("INSERT INTO libro SELECT i, 'Nuevo', 1, 1, now() FROM generate_series(100001, 103000) i;")
    lowest = session.query("SELECT count(*) FROM reco_recommend(1, 1000, ARRAY(SELECT id FROM libro "
                           "WHERE id > 100500)) WHERE item_id > 100000;")
    check(lowest == ["500"], f"of the 500 lowest of 3000 newcomers {lowest[0]} are considered")
    print("  all newcomers of a small catalogue are considered", flush=True)


def main():
    os.environ["PGCLIENTENCODING"] = "UTF8"
    session = Session()
    session.query("CREATE EXTENSION reco;")
    session.query(LIBRARY)
    notices_fit_the_clients_encoding(session)
    row_security_on_the_trainer_is_warned_of(session)
    all_newcomers_of_a_small_catalogue_are_considered(session)
    session.close()


if __name__ == "__main__":
    run(main)

"""psycopg 3: parameters bound by the server, by the client, and in a pipeline."""

import unittest

import psycopg

from contract import ITEMS, READER, URL, Contract, same_rows, train


class Psycopg(Contract):
    cursor = psycopg.Cursor

    def setUp(self):
        self.connection = psycopg.connect(URL, autocommit=True, cursor_factory=self.cursor)

    def tearDown(self):
        self.connection.close()

    def rows(self, call, values):
        names = {name: f"%({name})s" for name in values}
        # psycopg prepares a statement on its fifth execution; here on the second.
        return self.connection.execute(call.format(**names), values, prepare=self.prepare).fetchall()

    prepare = None

    def state(self, error):
        return error.sqlstate

    def transaction(self, work, read_only):
        self.connection.read_only = read_only
        try:
            with self.connection.transaction():
                work()
        except psycopg.errors.InFailedSqlTransaction:
            pass
        finally:
            self.connection.read_only = None

    def hears(self):
        self.connection.execute("LISTEN reco")
        train()
        return next(self.connection.notifies(timeout=10)).payload


class ServerBinding(Psycopg, unittest.TestCase):
    """The default."""


class Prepared(Psycopg, unittest.TestCase):
    prepare = True


class ClientBinding(Psycopg, unittest.TestCase):
    cursor = psycopg.ClientCursor


class Pipeline(unittest.TestCase):
    def test_a_pipeline_answers_in_order(self):
        calls = ["SELECT * FROM reco_score(%s, %s)", "SELECT * FROM reco_predict_rating(%s, %s)"]
        with psycopg.connect(URL) as connection, connection.pipeline():
            cursors = [connection.execute(call, [READER, ITEMS]) for call in calls * 10]
            answers = [cursor.fetchall() for cursor in cursors]
        for call, answer in zip(calls * 10, answers):
            same_rows(answer, call.replace("%s, %s", "{user}, {items}"), {"user": READER, "items": ITEMS})


class Reference(unittest.TestCase):
    def test_as_the_reference_shows(self):
        connection = psycopg.connect(URL)
        user_id, item_ids = 7, [5, 3]
        rows = connection.execute("SELECT * FROM reco_score(%s, %s)", [user_id, item_ids]).fetchall()
        self.assertEqual([row[0] for row in rows], item_ids)
        connection.close()

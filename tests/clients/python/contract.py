"""What every client must get right; each test program gives its own way to call."""

import decimal
import math
import os
import subprocess

URL = os.environ["RECO_TCP_URL"]
READER = 7
NEW_READER = 900_007
ITEMS = [5, 3, 5, 888_888, 1]
# Above what a double holds.
LONG_ID = 9_007_199_254_740_993
# From the sixth execution on, PostgreSQL may use a generic plan.
EXECUTIONS = 8

# Every public function that a page calls. {} is a parameter: the client writes it in its own way.
CALLS = {
    "score": "SELECT * FROM reco_score({user}, {items})",
    "scores": "SELECT reco_scores({user}, {items}) AS scores",
    "recommend": (
        "SELECT * FROM reco_recommend({user}, {n}, exclude => {items}, diversity => {share}, explore => {share})"),
    "among": "SELECT * FROM reco_recommend({user}, {n}, among => {items})",
    "recommend_for": "SELECT * FROM reco_recommend_for({items}, {n}, diversity => {share})",
    "explain": "SELECT * FROM reco_explain({user}, {user})",
    "predict_rating": "SELECT * FROM reco_predict_rating({user}, {items})",
    "similar": "SELECT * FROM reco_similar({user}, {n})",
    # Without its score, which changes with the time of the transaction.
    "trending": "SELECT rank, item_id, interactions FROM reco_trending({n}, '10 years')",
}

# With the casts that a cautious user writes.
TYPED = {
    "score": "SELECT * FROM reco_score(CAST({user} AS bigint), CAST({items} AS bigint[]))",
    "smaller": "SELECT * FROM reco_score(CAST({user} AS integer), CAST({items} AS integer[]))",
    "recommend": (
        "SELECT * FROM reco_recommend(CAST({user} AS bigint), CAST({n} AS integer),"
        " diversity => CAST({share} AS numeric))"),
}


def literal(value):
    return "'{" + ",".join(map(str, value)) + "}'" if isinstance(value, list) else str(value)


def psql(sql):
    """Rows as PostgreSQL writes them, which every client is compared with."""
    command = ["psql", "-X", "-q", "-A", "-t", "-F", "\x1f", "-R", "\x1e", "-v", "ON_ERROR_STOP=1", "-c", sql]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.removesuffix("\n")
    return [tuple(row.split("\x1f")) for row in printed.split("\x1e")] if printed else []


def text(value):
    """A value of Python as PostgreSQL writes it."""
    if value is None:
        return ""
    if isinstance(value, (list, tuple)):
        return "{" + ",".join(map(text, value)) + "}"
    return str(value)


def alike(left, right):
    """The same text, or nearly the same fraction: a real may arrive as the nearest double."""
    if left == right or (left.isdigit() and right.isdigit()):
        return left == right
    if left[:1] == right[:1] == "{":
        left, right = left[1:-1].split(","), right[1:-1].split(",")
        return len(left) == len(right) and all(map(alike, left, right))
    try:
        return math.isclose(float(left), float(right), rel_tol=1e-6)
    except ValueError:
        return False


def same_rows(rows, call, values):
    """Compares the rows of a client with those of psql, which gets the values as literals."""
    answers = [tuple(map(text, row)) for row in rows]
    wanted = psql(call.format(**{name: literal(value) for name, value in values.items()}))
    same = len(answers) == len(wanted) and all(
        len(left) == len(right) and all(map(alike, left, right)) for left, right in zip(answers, wanted))
    if not same:
        raise AssertionError(f"{call} with {values}:\n{answers}\nand not\n{wanted}")
    return answers


class Contract:
    """Mixed into a unittest.TestCase. A client gives

    rows(call, values)       the rows of a call, its values sent as parameters
    state(error)             the SQLSTATE of an exception
    transaction(work, read_only)  runs work() and rolls back if it raises
    hears()                  the payload of the next notification on the channel reco, after a training; or None
    """

    def same(self, call, **values):
        return same_rows(self.rows(call, values), call, values)

    def fails(self, state, call, **values):
        with self.assertRaises(Exception) as raised:
            self.rows(call, values)
        self.assertEqual(self.state(raised.exception), state, raised.exception)

    def test_every_function_answers(self):
        for call in [*CALLS.values(), *TYPED.values()]:
            self.assertTrue(self.same(call, user=READER, items=ITEMS, n=4, share=0.5), call)

    def test_counts_and_shares_of_each_type(self):
        for n, share in [(5, 0), (5, 1), (5.0, 0.25), (decimal.Decimal(5), decimal.Decimal("0.25"))]:
            self.same(CALLS["recommend"], user=READER, items=[], n=n, share=share)
        self.fails("22023", CALLS["recommend"], user=READER, items=[], n=2.5, share=0)

    def test_an_empty_array_and_a_long_id(self):
        self.assertEqual(self.same(CALLS["score"], user=READER, items=[]), [])
        self.assertEqual(self.same(CALLS["scores"], user=READER, items=[]), [("{}",)])
        self.assertEqual(self.same(CALLS["score"], user=LONG_ID, items=[LONG_ID, 1])[0][0], str(LONG_ID))

    def test_an_error_has_its_sqlstate_and_the_connection_goes_on(self):
        self.fails("22023", CALLS["recommend"], user=READER, items=[], n=0, share=0)
        self.fails("22023", CALLS["recommend"], user=READER, items=[], n=5, share=1.5)
        self.fails("22004", CALLS["scores"], user=READER, items=[1, None])
        self.fails("42704", "SELECT reco_activate({version})", version=77)
        self.same(CALLS["score"], user=READER, items=[1])

    def test_a_prepared_statement_gives_the_same_each_time(self):
        for i in range(EXECUTIONS):
            self.same(CALLS["score"], user=READER + i, items=[i + 1, 3])
            self.same(CALLS["recommend"], user=READER + i, items=[i + 1, 3], n=4, share=0.5)

    def test_a_transaction_sees_its_own_favourites(self):
        class Undo(Exception):
            pass

        def source():
            return self.rows("SELECT source FROM reco_score({user}, {items})", {"user": NEW_READER, "items": [5]})[0][0]

        def work():
            self.assertEqual(source(), "content")
            self.rows("INSERT INTO favorito (usuario_id, libro_id, fecha_agregado) SELECT {user}, libro_id, now()"
                      " FROM resena WHERE estrellas = 5 GROUP BY libro_id ORDER BY count(*) DESC LIMIT 3 RETURNING 1",
                      {"user": NEW_READER})
            self.assertEqual(source(), "fold_in")
            raise Undo

        with self.assertRaises(Undo):
            self.transaction(work, read_only=False)
        self.assertEqual(source(), "content")

    def test_a_read_only_transaction_answers_and_does_not_train(self):
        def pages():
            for call in CALLS.values():
                self.same(call, user=READER, items=ITEMS, n=4, share=0.5)

        def training():
            self.fails("25006", "SELECT * FROM reco_train()")

        self.transaction(pages, read_only=True)
        self.transaction(training, read_only=True)

    def test_listen_hears_of_a_training(self):
        heard = self.hears()
        if heard is None:
            self.skipTest("it has no LISTEN")
        self.assertIn('"event":"train"', heard.replace(" ", ""))


def train():
    psql("SELECT promoted FROM reco_train('{\"trees\": 0}')")

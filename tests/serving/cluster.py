"""The server: connections over loopback TCP, like those of an application, and pgbench."""

import random
import re
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import psycopg

HOST = "127.0.0.1"
CANDIDATES = 300
LISTS = 50
# The first calls of a connection make the plans and read the pages of the model for the first time.
WARM_UP = 500
# A random reader with an interaction; pgbench chooses :n.
READER = "(SELECT id FROM serving.reader WHERE n = :n)"


def connect():
    return psycopg.connect(host=HOST, autocommit=True)


def value(query, *arguments):
    with connect() as connection:
        return connection.execute(query, arguments).fetchone()[0]


def has(function):
    return value("SELECT to_regproc(%s) IS NOT NULL", function)


def array(ids):
    return f"{{{','.join(map(str, ids))}}}"


class Requests:
    """Random readers, and lists of random books."""

    def __init__(self):
        self.random = random.Random(42)
        with connect() as connection:
            self.readers = [id for (id,) in connection.execute("SELECT id FROM serving.reader ORDER BY n")]
            self.books = [id for (id,) in connection.execute("SELECT id FROM libro ORDER BY id")]

    def reader(self):
        return self.random.choice(self.readers)

    def candidates(self):
        return self.random.sample(self.books, CANDIDATES)


class Bench:
    """pgbench with prepared statements. :list in a statement is one of many lists of books, sent with the call."""

    def __init__(self, requests):
        self.readers = len(requests.readers)
        self.lists = [array(requests.candidates()) for _ in range(LISTS)]

    def run(self, statements, *, clients=1, threads=1, transactions=None, seconds=None, rate=None, warm_up=WARM_UP):
        """`statements` with their weights, for a time or for a number of calls of each client. Its first calls do not count."""
        length = ["-T", str(seconds)] if seconds else ["-t", str(transactions + warm_up)]
        with tempfile.TemporaryDirectory() as folder:
            log = Path(folder) / "log"
            command = ["pgbench", "--no-vacuum", "-M", "prepared", "-h", HOST, "-c", str(clients), "-j", str(threads)]
            command += [*length, "--log", f"--log-prefix={log}", "-D", f"readers={self.readers}"]
            command += ["-R", str(rate)] if rate else []
            for number, ids in enumerate(self.lists):
                command += ["-D", f"list{number}={ids}"]
            for index, (statement, weight) in enumerate(statements.items()):
                for number in range(LISTS if ":list" in statement else 1):
                    script = Path(folder) / f"{index}-{number}.sql"
                    script.write_text(f"\\set n random(1, :readers)\n{statement.replace(':list', f':list{number}')};\n")
                    command += ["-f", f"{script}@{weight if ':list' in statement else weight * LISTS}"]
            done = subprocess.run(command, capture_output=True, text=True)
            # A client stops at an error, and pgbench then has an exit status.
            if done.returncode:
                raise RuntimeError(f"pgbench failed: {done.stderr.strip()[-2000:]}")
            return Measured(Path(folder).glob("log*"), done.stdout, warm_up)


class Measured:
    """Milliseconds by call, and calls per second."""

    def __init__(self, logs, summary, warm_up):
        rows = (line.split() for log in logs for line in log.read_text().splitlines())
        self.times = np.array([int(row[2]) / 1000 for row in rows if int(row[1]) > warm_up])
        self.per_second = float(re.search(r"tps = ([\d.]+)", summary)[1])

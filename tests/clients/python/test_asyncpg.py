"""asyncpg"""

import asyncio
import re
import unittest

import asyncpg

from contract import URL, Contract, train


def numbered(call, values):
    """{user}, {items} as $1, $2, and the values in that order."""
    names = list(dict.fromkeys(re.findall(r"\{(\w+)\}", call)))
    return call.format(**{name: f"${place}" for place, name in enumerate(names, 1)}), [values[name] for name in names]


class Asyncpg(Contract, unittest.TestCase):
    def setUp(self):
        self.loop = asyncio.new_event_loop()
        self.connection = self.loop.run_until_complete(asyncpg.connect(URL))

    def tearDown(self):
        self.loop.run_until_complete(self.connection.close())
        self.loop.close()

    def rows(self, call, values):
        text, parameters = numbered(call, values)
        # asyncpg prepares each statement and keeps it.
        return [tuple(row) for row in self.loop.run_until_complete(self.connection.fetch(text, *parameters))]

    def state(self, error):
        return error.sqlstate

    def transaction(self, work, read_only):
        transaction = self.connection.transaction(readonly=read_only)
        self.loop.run_until_complete(transaction.start())
        try:
            work()
        finally:
            self.loop.run_until_complete(transaction.rollback())

    def hears(self):
        heard = self.loop.create_future()
        listener = lambda connection, pid, channel, payload: heard.set_result(payload)
        self.loop.run_until_complete(self.connection.add_listener("reco", listener))
        train()
        return self.loop.run_until_complete(asyncio.wait_for(heard, 10))


class Reference(unittest.IsolatedAsyncioTestCase):
    async def test_as_the_reference_shows(self):
        connection = await asyncpg.connect(URL)
        user_id, item_ids = 7, [5, 3]
        rows = await connection.fetch("SELECT * FROM reco_score($1, $2)", user_id, item_ids)
        self.assertEqual([row["item_id"] for row in rows], item_ids)
        await connection.close()

"""SQLAlchemy 2, on psycopg and on asyncpg."""

import asyncio
import unittest

from sqlalchemy import BigInteger, bindparam, create_engine, func, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import create_async_engine

from contract import CALLS, ITEMS, READER, URL, Contract, same_rows

PSYCOPG = URL.replace("postgres://", "postgresql+psycopg://")
ASYNCPG = URL.replace("postgres://", "postgresql+asyncpg://")


class OnPsycopg(Contract, unittest.TestCase):
    def setUp(self):
        self.engine = create_engine(PSYCOPG)
        self.connection = self.engine.connect()
        self.inside = False

    def tearDown(self):
        self.connection.close()
        self.engine.dispose()

    def rows(self, call, values):
        statement = text(call.format(**{name: f":{name}" for name in values}))
        try:
            return self.connection.execute(statement, values).all()
        finally:
            if not self.inside:
                self.connection.rollback()

    def state(self, error):
        return error.orig.sqlstate

    def transaction(self, work, read_only):
        self.connection.execution_options(postgresql_readonly=read_only)
        self.inside = True
        try:
            work()
        finally:
            self.inside = False
            self.connection.rollback()

    def hears(self):
        return None


class OnAsyncpg(unittest.TestCase):
    def answer(self, statement, **values):
        async def main():
            engine = create_async_engine(ASYNCPG)
            async with engine.connect() as connection:
                rows = (await connection.execute(statement, values)).all()
            await engine.dispose()
            return rows

        return asyncio.run(main())

    def test_text(self):
        for call in CALLS.values():
            values = {"user": READER, "items": ITEMS, "n": 4, "share": 0.5}
            used = {name: value for name, value in values.items() if f"{{{name}}}" in call}
            statement = text(call.format(**{name: f":{name}" for name in used}))
            same_rows(self.answer(statement, **used), call, used)

    def test_an_expression_with_types(self):
        items = bindparam("items", type_=ARRAY(BigInteger))
        statement = select(func.reco_scores(bindparam("user", type_=BigInteger), items))
        same_rows(self.answer(statement, user=READER, items=ITEMS), CALLS["scores"], {"user": READER, "items": ITEMS})


class Reference(unittest.TestCase):
    def test_as_the_reference_shows(self):
        engine = create_engine(PSYCOPG)
        user_id, item_ids = 7, [5, 3]
        with engine.connect() as connection:
            statement = text("SELECT * FROM reco_score(:user_id, :item_ids)")
            rows = connection.execute(statement, {"user_id": user_id, "item_ids": item_ids}).all()
        self.assertEqual([row.item_id for row in rows], item_ids)
        engine.dispose()

"""The service that reco replaces: the hybrid behind HTTP. HYBRID names the folder of the model."""

import os

import orjson
import psycopg
from fastapi import FastAPI, Request, Response

from hybrid import Hybrid
from learn import INTERACTIONS

app = FastAPI()
model = Hybrid(os.environ["HYBRID"], int(os.environ["HYBRID_THREADS"]))
NOW = INTERACTIONS.format(where="WHERE usuario_id = %(reader)s")
database = None


# Request and answer are handled as bytes: FastAPI's own validation and encoding would cost more.
@app.post("/known")
async def known(request: Request):
    asked = orjson.loads(await request.body())
    return answer(model.score(model.known(asked["reader"]), asked["books"]))


@app.post("/now")
async def now(request: Request):
    """Scores with the current interactions of the reader, as reco does."""
    global database
    asked = orjson.loads(await request.body())
    if database is None:
        database = await psycopg.AsyncConnection.connect(host="127.0.0.1", autocommit=True)
    rows = await database.execute(NOW, asked, prepare=True)
    return answer(model.score(model.described(await rows.fetchall()), asked["books"]))


@app.get("/nothing")
async def nothing():
    return answer(1)


def answer(value):
    return Response(orjson.dumps(value), media_type="application/json")

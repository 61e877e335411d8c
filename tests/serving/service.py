"""The service that reco replaces: the hybrid behind HTTP. HYBRID names the folder of the model."""

import os

import orjson
from fastapi import FastAPI, Request, Response

from hybrid import Hybrid

app = FastAPI()
model = Hybrid(os.environ["HYBRID"], int(os.environ["HYBRID_THREADS"]))


# The request is read and the answer written as bytes: FastAPI's own validation and encoding would cost more.
@app.post("/score")
async def score(request: Request):
    asked = orjson.loads(await request.body())
    return Response(orjson.dumps(model.score(asked["reader"], asked["books"])), media_type="application/json")


@app.get("/nothing")
async def nothing():
    return Response(b"1", media_type="application/json")

"""FastAPI with one endpoint and nothing else. Runs with the product's own Python.

What it costs is the floor of this machine and these versions: it relates figures of one machine to
those of another.
"""

import sys

from fastapi import FastAPI  # type: ignore[import-not-found]
from fastapi.responses import JSONResponse  # type: ignore[import-not-found]
from serving import serve

application = FastAPI()


@application.get("/hello")  # type: ignore[untyped-decorator]
async def hello() -> JSONResponse:
    """The same answer as that of hello_api.py."""
    return JSONResponse({"hello": "world"})


if __name__ == "__main__":
    serve(application, int(sys.argv[1]))

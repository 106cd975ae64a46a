"""The product's application with one endpoint more. Runs with the product's own Python.

GET /hello goes through the same middleware and router as everything else and does nothing: what
another endpoint costs beyond it is its own.
"""

import sys

from app.main import create_app  # type: ignore[import-not-found]
from fastapi import FastAPI  # type: ignore[import-not-found]
from fastapi.responses import JSONResponse  # type: ignore[import-not-found]
from serving import serve


def build() -> FastAPI:
    """The application and GET /hello."""
    application: FastAPI = create_app()

    @application.get("/hello")  # type: ignore[untyped-decorator]
    async def hello() -> JSONResponse:
        return JSONResponse({"hello": "world"})

    return application


if __name__ == "__main__":
    serve(build(), int(sys.argv[1]))

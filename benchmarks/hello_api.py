"""The product's application with one endpoint more. Runs with the product's own Python.

GET /hello goes through the same middleware and router as everything else and does nothing: what
another endpoint costs beyond it is its own.
"""

import logging
import sys

import uvicorn
from app.main import create_app  # type: ignore[import-not-found]
from fastapi import FastAPI
from fastapi.responses import JSONResponse


def build() -> FastAPI:
    """The application and GET /hello."""
    application: FastAPI = create_app()

    @application.get("/hello")
    async def hello() -> JSONResponse:
        return JSONResponse({"hello": "world"})

    return application


if __name__ == "__main__":
    logging.captureWarnings(capture=True)
    # As `app api` calls it.
    uvicorn.run(
        build(),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=5,
        ws="websockets-sansio",
    )

"""The development issuer: publishes the key that development tokens are signed with.

`python -m app.dev.issuer --port N` serves on loopback what the identity provider publishes in
production, so that the production verifier runs unchanged. Tokens are minted by who can read the
key file (`app.dev.tokens`), and for the front end's server, which holds a secret of the run
(`app.dev.sign_in`).
"""

import argparse
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.dev import sign_in
from app.dev.choices import provider
from app.dev.environment import DEV_DIR
from app.dev.issuer_key import (
    IssuerKey,
    issuer_url,
    load_or_create,
    remember_port,
    remembered_port,
)
from app.dev.processes import LOOPBACK, DevelopmentError

__all__ = [
    "IssuerKey",
    "create_app",
    "issuer_url",
    "load_or_create",
    "remember_port",
    "remembered_port",
    "serve",
]


def create_app(key: IssuerKey, issuer: str) -> Starlette:
    """Build the application that publishes `key` as that issuer."""

    def page(document: Mapping[str, object]) -> Callable[[Request], Awaitable[Response]]:
        async def publish(_: Request) -> Response:
            return JSONResponse(document, headers={"Cache-Control": "public, max-age=60"})

        return publish

    return Starlette(
        routes=[
            Route(provider.ISSUER_PATH + path, page(document), methods=["GET"])
            for path, document in provider.documents(issuer, key.jwk_set()).items()
        ]
        + sign_in.routes(key, issuer)
    )


def serve(port: int | None = None, dev_dir: Path = DEV_DIR) -> None:
    """Serve until SIGTERM or Ctrl-C.

    Args:
        port: defaults to the one of the last time. It is remembered for the tokens' issuer.
        dev_dir: where `issuer.json` is.

    Raises:
        DevelopmentError: this is not a development environment, or the port is taken.
    """
    key = load_or_create(dev_dir)
    port = port or urlsplit(issuer_url(dev_dir)).port or 0
    try:
        listening = socket.create_server((LOOPBACK, port))
    except OSError as error:
        raise DevelopmentError(
            f"The token issuer cannot listen on {LOOPBACK}:{port}: {error.strerror}. Stop what "
            "uses that port, or pass another --port."
        ) from None
    remember_port(dev_dir, port)
    config = uvicorn.Config(
        create_app(key, issuer_url(dev_dir)),
        log_level="warning",
        access_log=False,
        lifespan="off",
        ws="none",
    )
    with listening:
        uvicorn.Server(config).run(sockets=[listening])


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(prog="python -m app.dev.issuer", description=__doc__)
    parser.add_argument("--port", type=int, help="default: the one of the last time")
    parser.add_argument("--dev-dir", type=Path, default=DEV_DIR, help="default: %(default)s")
    options = parser.parse_args()
    try:
        serve(options.port, options.dev_dir)
    except DevelopmentError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()

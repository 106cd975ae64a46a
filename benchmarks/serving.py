"""Serves an application as `app api` does. Runs with the product's own Python."""

from typing import Any

import uvicorn  # type: ignore[import-not-found]


def serve(application: Any, port: int) -> None:
    """Serve an ASGI application on the loopback until SIGTERM."""
    uvicorn.run(
        application,
        host="127.0.0.1",
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=5,
        ws="websockets-sansio",
    )

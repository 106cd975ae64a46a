"""BullMQ in development: an embedded Valkey, and bull-board where Node is."""

import shutil

from app.dev import valkey
from app.dev.environment import REPOSITORY
from app.dev.queues import Dashboard, NoDashboard, Place, QueueServer

SETTING: str | None = "REDIS_URL"

_BOARD = REPOSITORY / "dashboard"


def server(place: Place) -> QueueServer | None:
    """A Valkey."""
    return valkey.queue_server(place)


def dashboard(url: str, port: int) -> Dashboard | NoDashboard:
    """bull-board, which `make setup` installs where Node 20 or newer is."""
    node = shutil.which("node")
    if node is None or not (_BOARD / "node_modules").is_dir():
        return NoDashboard(
            "no dashboard of the queue: it needs Node 20 or newer, and `make dashboard`"
        )
    return Dashboard([node, "board.mjs"], _BOARD, {"REDIS_URL": url, "PORT": str(port)})

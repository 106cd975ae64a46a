"""BullMQ in development: an embedded Valkey, and bull-board where Node is."""

import shutil

from app.dev.environment import REPOSITORY
from app.dev.queues import Dashboard, NoDashboard, Place, QueueServer
from app.dev.valkey import Valkey

SETTING: str | None = "REDIS_URL"

_BOARD = REPOSITORY / "dashboard"


def server(place: Place) -> QueueServer | None:
    """A Valkey."""
    return QueueServer(
        "valkey",
        Valkey(
            place.folder / "valkey",
            password=place.password,
            log=place.logs / "valkey.log",
            port=place.last_port("valkey"),
            durable=place.durable,
        ),
    )


def dashboard(url: str, port: int) -> Dashboard | NoDashboard:
    """bull-board, which `make setup` installs where Node 20 or newer is."""
    node = shutil.which("node")
    if node is None or not (_BOARD / "node_modules").is_dir():
        return NoDashboard(
            "no dashboard of the queue: it needs Node 20 or newer, and `make dashboard`"
        )
    return Dashboard([node, "board.mjs"], _BOARD, {"REDIS_URL": url, "PORT": str(port)})

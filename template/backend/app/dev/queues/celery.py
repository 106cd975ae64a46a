"""Celery in development: RabbitMQ if this machine has it, else Valkey; and Flower."""

import importlib.util
import sys

from app.dev import rabbitmq, valkey
from app.dev.environment import REPOSITORY
from app.dev.processes import LOOPBACK
from app.dev.queues import Dashboard, NoDashboard, Place, QueueServer
from app.dev.rabbitmq import RabbitMQ

SETTING: str | None = "BROKER_URL"

_WITHOUT = (
    "RabbitMQ is not on this machine, so jobs travel through the embedded Valkey; production needs "
    "RabbitMQ, with its quorum queues"
)


def server(place: Place) -> QueueServer | None:
    """The broker."""
    if rabbitmq.find_program() is not None:
        return QueueServer(
            "rabbitmq",
            RabbitMQ(
                place.folder / "rabbitmq",
                password=place.password,
                log=place.logs / "rabbitmq.log",
                port=place.last_port("rabbitmq"),
            ),
        )
    return valkey.queue_server(place, note=_WITHOUT)


def dashboard(url: str, port: int) -> Dashboard | NoDashboard:
    """Flower, from the development dependencies. It shows; what would change something is off."""
    if importlib.util.find_spec("flower") is None:
        return NoDashboard("no dashboard of the queue: `make setup` installs Flower")
    return Dashboard(
        [sys.executable, "-m", "celery", "--quiet", "flower"],
        REPOSITORY / "backend",
        # Not as arguments: those are visible to every user of the machine.
        {"CELERY_BROKER_URL": url, "FLOWER_ADDRESS": LOOPBACK, "FLOWER_PORT": str(port)},
    )

"""Celery in development: RabbitMQ if this machine has it, else Valkey; and Flower."""

import importlib.util
import sys

from app.dev import rabbitmq
from app.dev.environment import REPOSITORY
from app.dev.queues import Dashboard, NoDashboard, Place, QueueServer
from app.dev.rabbitmq import RabbitMQ
from app.dev.valkey import Valkey

SETTING = "BROKER_URL"

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
    return QueueServer(
        "valkey",
        Valkey(
            place.folder / "valkey",
            password=place.password,
            log=place.logs / "valkey.log",
            port=place.last_port("valkey"),
            durable=place.durable,
        ),
        note=_WITHOUT,
    )


def dashboard(url: str) -> Dashboard | NoDashboard:
    """Flower, from the development dependencies."""
    if importlib.util.find_spec("flower") is None:
        return NoDashboard("no dashboard of the queue: `make setup` installs Flower")
    command = [sys.executable, "-m", "app.dev.flower"]
    return Dashboard(command, REPOSITORY / "backend", {SETTING: url})

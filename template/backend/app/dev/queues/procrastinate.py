"""Procrastinate in development: the jobs are in Postgres, so there is nothing else to run."""

from app.dev.queues import Dashboard, NoDashboard, Place, QueueServer

SETTING: str | None = None


def server(place: Place) -> QueueServer | None:
    """None: the database is there already."""
    del place
    return None


def dashboard(url: str, port: int) -> Dashboard | NoDashboard:
    """None exists as a package; `app jobs list` shows the jobs."""
    del url, port
    return NoDashboard()

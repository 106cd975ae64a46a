"""For commands that need the servers of development: `app migrate`, `app jobs` and more."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def development_servers() -> Iterator[None]:
    """On a developer's machine: those of `make dev`, or started for this command. Else nothing."""
    from app.dev.processes import DevelopmentError
    from app.dev.servers import dev_environment

    try:
        with dev_environment():
            yield
    except DevelopmentError as error:
        raise SystemExit(str(error)) from None

"""What development tools must know before anything runs: where they are, and that they may.

Read without the application's settings: those need a database and a queue that are not there yet,
and take half a second to import.
"""

import os
from pathlib import Path

from dotenv import dotenv_values

from app.dev.processes import DevelopmentError

REPOSITORY = Path(__file__).resolve().parents[3]
DEV_DIR = REPOSITORY / ".dev"


def require_development(what: str) -> None:
    """Go on only on a developer's machine or in a test.

    Args:
        what: what is about to be done, as the subject of the message.

    Raises:
        DevelopmentError: ENVIRONMENT is anything but `development` or `test`.
    """
    # Whoever does not say so is taken to be in production.
    environment = setting("ENVIRONMENT", "production")
    if environment not in {"development", "test"}:
        raise DevelopmentError(
            f"{what} is for development only, and ENVIRONMENT is {environment!r}. On your "
            "own machine, `make setup` writes ENVIRONMENT=development into .env."
        )


def setting(name: str, default: str) -> str:
    """A setting of the environment, or else of `.env`; empty means the default."""
    value = os.environ.get(name)
    if value is None:
        value = dotenv_values(REPOSITORY / ".env").get(name)
    return value or default

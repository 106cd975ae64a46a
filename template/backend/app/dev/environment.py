"""What development tools must know before anything runs: where they are, and that they may."""

from pathlib import Path

from pydantic_settings import BaseSettings, SettingsConfigDict

from app.dev.processes import DevelopmentError

REPOSITORY = Path(__file__).resolve().parents[3]
DEV_DIR = REPOSITORY / ".dev"


class Environment(BaseSettings):
    """The few settings that count before a database and a queue are there."""

    model_config = SettingsConfigDict(env_file=REPOSITORY / ".env", extra="ignore")

    # Whoever does not say so is taken to be in production.
    environment: str = "production"
    auth_authorized_parties: str = "http://localhost:3000"

    @property
    def authorized_party(self) -> str:
        """The front end in whose name development tokens are made: the first one configured."""
        return self.auth_authorized_parties.split(",")[0].strip().rstrip("/")


def require_development(what: str) -> Environment:
    """Return the environment if it is a developer's or a test's.

    Args:
        what: what is about to be done, as the subject of the message.

    Raises:
        DevelopmentError: ENVIRONMENT is anything but `development` or `test`.
    """
    found = Environment()
    if found.environment not in {"development", "test"}:
        raise DevelopmentError(
            f"{what} is for development only, and ENVIRONMENT is {found.environment!r}. On your "
            "own machine, `make setup` writes ENVIRONMENT=development into .env."
        )
    return found

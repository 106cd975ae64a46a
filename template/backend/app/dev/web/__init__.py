"""The front end in development: one module per answer, with the same names.

- `SETTINGS`: what the API has to be told because of it, unless it is set.
- `front_end(api, sign_in)`: what to run for it; None without one.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from app.dev.environment import setting

SIGN_IN_URL = "DEV_SIGN_IN_URL"
SIGN_IN_SECRET = "DEV_SIGN_IN_SECRET"  # noqa: S105  # a name


@dataclass(frozen=True)
class FrontEnd:
    """A program that serves the product's pages, on 127.0.0.1 only.

    Attributes:
        command: What serves it.
        environment: Its settings.
        build: What has to run before it; None if nothing has.
    """

    port: int
    command: list[str]
    cwd: Path
    environment: Mapping[str, str]
    build: list[str] | None = None


def address() -> str:
    """Where the front end is, also one that lives elsewhere and is started by hand."""
    # By name, not 127.0.0.1: cookies and origins belong to one of the two.
    return f"http://localhost:{setting('WEB_PORT', '3000')}"


def sign_in(issuer: str) -> dict[str, str]:
    """What the issuer's process and the front end's server share, so that people can sign in."""
    secret = setting(SIGN_IN_SECRET, "") or secrets.token_urlsafe(32)
    return {SIGN_IN_URL: issuer, SIGN_IN_SECRET: secret}

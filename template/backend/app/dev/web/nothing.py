"""For a product whose front end lives elsewhere."""

from collections.abc import Mapping

from app.dev.web import FrontEnd

SETTINGS: Mapping[str, str] = {}


def front_end(_api: str, _sign_in: Mapping[str, str]) -> FrontEnd | None:
    """Nothing to start."""
    return None

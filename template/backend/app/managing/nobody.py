"""There are no organizations."""

from pydantic import BaseModel

ENDPOINTS: tuple[str, ...] = ()
TASKS: tuple[str, ...] = ()


class Settings(BaseModel):
    """No settings of their own."""

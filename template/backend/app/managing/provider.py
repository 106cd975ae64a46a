"""The sign-in provider decides: people see each other here, and are managed there."""

from pydantic import BaseModel

ENDPOINTS: tuple[str, ...] = ("app.features.members.endpoints",)
TASKS: tuple[str, ...] = ()


class Settings(BaseModel):
    """No settings of their own."""

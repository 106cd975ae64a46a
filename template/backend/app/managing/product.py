"""The product decides, for organizations that no token names."""

from app.email.settings import Settings

__all__ = ["ENDPOINTS", "TASKS", "Settings"]

ENDPOINTS: tuple[str, ...] = (
    "app.features.organizations.endpoints",
    "app.features.members.endpoints",
    "app.features.invitations.endpoints",
)
TASKS: tuple[str, ...] = ("app.features.invitations.tasks",)

"""Tenants are people."""

from collections.abc import Callable
from typing import Annotated

import typer

from app.dev.command import development_servers
from app.tenancy.roles.users import ROLES, UNUSED

__all__ = ["LABEL", "MORE", "NAMES", "ROLES", "TENANT", "UNUSED", "create"]

TENANT = "account"
NAMES = "its email, the sign-in provider's id or ours"
LABEL = "email"

MORE: tuple[Callable[..., None], ...] = ()
"""Commands beside those of every model."""


def create(
    subject: Annotated[str, typer.Argument(help="The sign-in provider's id of the person.")],
    email: Annotated[str | None, typer.Option(help="Their address.")] = None,
    name: Annotated[str | None, typer.Option(help="What they are called.")] = None,
) -> None:
    """Make a person's account before they have signed in, and print its id."""
    from app.tenancy import lifecycle

    with development_servers():
        lifecycle.create(subject, email, name)

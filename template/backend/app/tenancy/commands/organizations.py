"""Tenants are organizations."""

from collections.abc import Callable
from typing import Annotated

import typer

from app.dev.command import development_servers
from app.tenancy.roles.organizations import ROLES, UNUSED

__all__ = ["LABEL", "MORE", "NAMES", "ROLES", "TENANT", "UNUSED", "create"]

TENANT = "organization"
NAMES = "its slug, the sign-in provider's id or ours"
LABEL = "slug"

MORE: tuple[Callable[..., None], ...] = ()
"""Commands beside those of every model."""


def create(
    slug: Annotated[str, typer.Argument(help="Its short name, as the provider has it.")],
    name: Annotated[
        str | None, typer.Option(help="What people call it; the slug unless given.")
    ] = None,
    external_id: Annotated[
        str | None,
        typer.Option(
            help="The sign-in provider's id of it, which tokens will name. The development issuer"
            " calls it org_SLUG, and so does this command unless told; a real provider has given"
            " it an id of its own, and only that one will do."
        ),
    ] = None,
) -> None:
    """Make an organization before anybody of it has signed in, and print its id.

    Nobody belongs to it yet: its members come with their first token.
    """
    from app.tenancy import lifecycle

    with development_servers():
        lifecycle.create(external_id or f"org_{slug}", slug, name)

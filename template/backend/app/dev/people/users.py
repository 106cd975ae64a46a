"""Two people, each with data of their own."""

from collections.abc import Mapping
from typing import Annotated

import typer

from app.dev.people import Person

DEMO: Mapping[str, tuple[Person, ...]] = {user: (Person(user),) for user in ("u1", "u2")}


def token(
    user: Annotated[str, typer.Option(help="Who signs in.")] = "u1",
    ttl: Annotated[int, typer.Option(help="Seconds until it expires.")] = 3600,
) -> None:
    """Print a token for development, as the sign-in provider would issue it."""
    from app.dev.tokens import token as print_token

    print_token(user, ttl=ttl)

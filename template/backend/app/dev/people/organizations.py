"""Two organizations and the people in them."""

from collections.abc import Mapping
from typing import Annotated

import typer

from app.dev.people import Person

DEMO: Mapping[str, tuple[Person, ...]] = {
    organization: tuple(Person(user, organization, role) for user, role in people.items())
    for organization, people in {
        "acme": {"u1": "admin", "ada": "owner", "grace": "member", "linus": "viewer"},
        "globex": {"u2": "admin", "margaret": "owner", "dennis": "member"},
    }.items()
}


def token(
    user: Annotated[str, typer.Option(help="Who signs in.")] = "u1",
    org: Annotated[
        str | None,
        typer.Option(
            help='The active organization; "" for none. Unless given, the one that the demo data'
            " has the user in, else acme."
        ),
    ] = None,
    role: Annotated[str, typer.Option(help="owner, admin, member or viewer.")] = "admin",
    ttl: Annotated[int, typer.Option(help="Seconds until it expires.")] = 3600,
    email: Annotated[
        str | None, typer.Option(help="Their address, confirmed: what an invitation goes to.")
    ] = None,
) -> None:
    """Print a token for development, as the sign-in provider would issue it."""
    from app.dev.tokens import token as print_token

    if org is None:
        homes = {person.user: name for name, people in DEMO.items() for person in people}
        org = homes.get(user, "acme")
    print_token(user, org, role, ttl, email)

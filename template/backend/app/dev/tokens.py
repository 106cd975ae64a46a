"""Development tokens: what the identity provider would issue, signed with the development key."""

import sys
import time
from typing import Any

from app.dev.choices import provider
from app.dev.environment import DEV_DIR, require_development
from app.dev.issuer_key import IssuerKey, issuer_url, load_or_create
from app.dev.processes import DevelopmentError


def mint(
    user: str = "u1",
    org: str | None = None,
    role: str = "admin",
    ttl: int = 3600,
    issuer: str | None = None,
    *,
    key: IssuerKey | None = None,
    **claim_overrides: object,
) -> str:
    """Return a token in the provider's exact shape.

    Args:
        user: who signs in.
        org: the active organization; empty or None for none.
        role: the user's role in it, in the provider's words.
        ttl: seconds until the token expires; negative for one that has expired.
        issuer: the issuer's URL; by default that of this repository's issuer.
        key: what to sign with; by default that issuer's key.
        claim_overrides: claims to set instead of the usual ones; None leaves a claim out.

    Raises:
        DevelopmentError: this is not a development environment.
    """
    require_development("Minting a token")
    now = int(time.time())
    usual = provider.claims(
        user=user,
        org=org,
        role=role,
        issuer=issuer or issuer_url(DEV_DIR),
        now=now,
        ttl=ttl,
    )
    claims = {
        name: value for name, value in {**usual, **claim_overrides}.items() if value is not None
    }
    return (key or load_or_create(DEV_DIR)).sign(provider.header(now), claims)


def token(
    user: str = "u1",
    org: str | None = None,
    role: str = "admin",
    ttl: int = 3600,
    email: str | None = None,
) -> None:
    """Print a development token, and nothing else.

    The arguments are those of `mint`; `email` is an address that the provider has confirmed.
    """
    address: dict[str, Any] = {} if email is None else provider.address(email)
    try:
        sys.stdout.write(mint(user, org, role, ttl, **address) + "\n")
    except DevelopmentError as error:
        sys.exit(str(error))

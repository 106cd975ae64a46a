"""What Clerk writes into a session token of version 2, for the development issuer to write too.

https://clerk.com/docs/guides/sessions/session-tokens lists the claims.
"""

import secrets
from collections.abc import Mapping

from app.dev import web
from app.dev.environment import setting

# The first one is that of our own tokens, and the same wherever the front end listens.
SETTINGS: Mapping[str, str] = {
    "AUTH_AUTHORIZED_PARTIES": ",".join(dict.fromkeys(("http://localhost:3000", web.address())))
}
"""What the product needs in development beside the issuer, unless it is set."""

ISSUER_PATH = ""
"""Where under its origin the issuer is."""

# Clerk sets this one beside the documented parameters, in every session token.
_SESSION_CATEGORY = "cl_B7d4PD111AAA"
_NOT_BEFORE_MARGIN = 10


def documents(_: str, keys: Mapping[str, object]) -> dict[str, Mapping[str, object]]:
    """What the issuer publishes, by path."""
    return {"/.well-known/jwks.json": keys}


def header(now: int) -> Mapping[str, object]:
    """The parameters of the header, without the key's."""
    return {"cat": _SESSION_CATEGORY, "oiat": now, "typ": "JWT"}


def subject(user: str) -> str:
    """The user's id in tokens."""
    return _prefixed("user_", user)


def address(email: str) -> dict[str, object]:
    """The claims of somebody whose address the provider has confirmed."""
    return {"email": email}


def claims(
    *, user: str, org: str | None, role: str, issuer: str, now: int, ttl: int
) -> dict[str, object]:
    """The claims of an active session.

    Args:
        user: the user's id, with or without Clerk's prefix `user_`.
        org: the active organization's slug, or its id with the prefix `org_`; empty or None: none.
        role: the user's role in it.
        issuer: the issuer's URL.
        now: Unix time in seconds.
        ttl: seconds until the token expires.
    """
    claims: dict[str, object] = {
        "azp": _party(),
        "exp": now + ttl,
        "fea": "",
        "fva": [0, -1],
        "iat": now,
        "iss": issuer,
        "jti": secrets.token_hex(10),
        "nbf": now - _NOT_BEFORE_MARGIN,
        "pla": "o:free" if org else "u:free",
        "sid": f"sess_{secrets.token_hex(13)}",
        "sts": "active",
        "sub": subject(user),
        "v": 2,
    }
    if org:
        claims["o"] = {
            "id": _prefixed("org_", org),
            "slg": org.removeprefix("org_"),
            "rol": role.removeprefix("org:"),
            "per": "",
            "fpm": "",
        }
    return claims


def _party() -> str:
    """The front end in whose name tokens are made: the first one configured."""
    parties = setting("AUTH_AUTHORIZED_PARTIES", SETTINGS["AUTH_AUTHORIZED_PARTIES"])
    return parties.split(",")[0].strip().rstrip("/")


def _prefixed(prefix: str, name: str) -> str:
    return name if name.startswith(prefix) else prefix + name

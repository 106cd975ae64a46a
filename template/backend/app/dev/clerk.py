"""What Clerk writes into a session token of version 2, for the development issuer to write too.

https://clerk.com/docs/guides/sessions/session-tokens lists the claims.
"""

import secrets
from collections.abc import Mapping

# Clerk sets this one beside the documented parameters, in every session token.
_SESSION_CATEGORY = "cl_B7d4PD111AAA"
_NOT_BEFORE_MARGIN = 10


def header(now: int) -> Mapping[str, object]:
    """The parameters of the header, without the key's."""
    return {"cat": _SESSION_CATEGORY, "oiat": now, "typ": "JWT"}


def claims(
    *, user: str, org: str | None, role: str, issuer: str, party: str, now: int, ttl: int
) -> dict[str, object]:
    """The claims of an active session.

    Args:
        user: the user's id, with or without Clerk's prefix `user_`.
        org: the active organization's slug, or its id with the prefix `org_`; empty or None: none.
        role: the user's role in it.
        issuer: the issuer's URL.
        party: the origin of the front end that asked.
        now: Unix time in seconds.
        ttl: seconds until the token expires.
    """
    claims: dict[str, object] = {
        "azp": party,
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
        "sub": _prefixed("user_", user),
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


def _prefixed(prefix: str, name: str) -> str:
    return name if name.startswith(prefix) else prefix + name

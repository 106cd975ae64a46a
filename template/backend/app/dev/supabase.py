"""What Supabase Auth writes into a user's access token, for the development issuer to write too.

https://supabase.com/docs/guides/auth/jwt-fields lists the claims; `org_id`, `org_slug` and
`org_role` are those of the access token hook that docs/auth/supabase.md shows.
"""

from collections.abc import Mapping
from contextlib import suppress
from uuid import NAMESPACE_URL, UUID, uuid4, uuid5

from app.dev.environment import setting

SETTINGS: Mapping[str, str] = {}
"""What the product needs in development beside the issuer, unless it is set."""

ISSUER_PATH = "/auth/v1"
"""Where under its origin the issuer is."""


def documents(_: str, keys: Mapping[str, object]) -> dict[str, Mapping[str, object]]:
    """What the issuer publishes, by path."""
    return {"/.well-known/jwks.json": keys}


def header(_: int) -> Mapping[str, object]:
    """The parameters of the header, without the key's."""
    return {"typ": "JWT"}


def subject(user: str) -> str:
    """The user's id in tokens: always the same UUID for the same name."""
    with suppress(ValueError):
        return str(UUID(user))
    return str(uuid5(NAMESPACE_URL, f"user/{user}"))


def address(email: str) -> dict[str, object]:
    """The claims of somebody whose address the provider has confirmed."""
    return {"email": email}


def claims(
    *, user: str, org: str | None, role: str, issuer: str, now: int, ttl: int
) -> dict[str, object]:
    """The claims of somebody who signed in with a password.

    Args:
        user: the user's name, or their id: a UUID.
        org: the active organization's name, or its id with the prefix `org_`; empty or None: none.
        role: the user's role in it.
        issuer: the issuer's URL.
        now: Unix time in seconds.
        ttl: seconds until the token expires.
    """
    claims: dict[str, object] = {
        "aal": setting("AUTH_MINIMUM_AAL", "aal1"),
        "amr": [{"method": "password", "timestamp": now}],
        "app_metadata": {"provider": "email", "providers": ["email"]},
        "aud": "authenticated",
        "email": "",
        "exp": now + ttl,
        "iat": now,
        "is_anonymous": False,
        "iss": issuer,
        "phone": "",
        "role": "authenticated",
        "session_id": str(uuid4()),
        "sub": subject(user),
        "user_metadata": {},
    }
    if org:
        slug = org.removeprefix("org_")
        claims |= {"org_id": f"org_{slug}", "org_slug": slug, "org_role": role}
    return claims

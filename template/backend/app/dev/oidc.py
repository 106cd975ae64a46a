"""Access tokens as OpenID Connect providers lay them out, for the development issuer to write too.

They are in the layout of AUTH_PRESET; where each one is documented says `app/auth/oidc/presets.py`.
"""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias
from uuid import NAMESPACE_URL, uuid5

from app.dev.environment import setting

SETTINGS: Mapping[str, str] = {"AUTH_AUDIENCE": "http://localhost:8000"}
"""What the product needs in development beside the issuer, unless it is set."""

ISSUER_PATH = ""
"""Where under its origin the issuer is."""

_CLIENT = "dev-client"

Claims: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class _Person:
    """Who signs in, as `claims` is told."""

    user: str
    org: str
    role: str

    @property
    def user_id(self) -> str:
        return subject(self.user)

    @property
    def org_id(self) -> str:
        return _prefixed("org_", self.org)

    @property
    def org_name(self) -> str:
        return self.org.removeprefix("org_")


def documents(issuer: str, keys: Mapping[str, object]) -> dict[str, Mapping[str, object]]:
    """What the issuer publishes, by path."""
    return {
        "/.well-known/openid-configuration": {
            "issuer": issuer,
            "jwks_uri": f"{issuer}/.well-known/jwks.json",
            "id_token_signing_alg_values_supported": ["RS256"],
        },
        "/.well-known/jwks.json": keys,
    }


def header(_: int) -> Mapping[str, object]:
    """The parameters of the header, without the key's."""
    return {
        "rfc9068": {"typ": "at+jwt"},
        "workos": {},
    }.get(_preset(), {"typ": "JWT"})


def subject(user: str) -> str:
    """The user's id in tokens of the usual layout."""
    return _prefixed("user_", user)


def address(email: str) -> dict[str, object]:
    """The claims of somebody whose address the provider has confirmed."""
    return {"email": email, "email_verified": True}


def claims(
    *, user: str, org: str | None, role: str, issuer: str, now: int, ttl: int
) -> dict[str, object]:
    """The claims of a user's access token.

    Args:
        user: the user's id, with or without the prefix `user_`.
        org: the active organization's name, or its id with the prefix `org_`; empty or None: none.
        role: the user's role in it.
        issuer: the issuer's URL.
        now: Unix time in seconds.
        ttl: seconds until the token expires.
    """
    person = _Person(user, org or "", role)
    claims: Claims = {"iss": issuer, "sub": person.user_id, "iat": now, "exp": now + ttl}
    claims |= _LAYOUTS[_preset()](person)
    if _preset() != "workos":
        claims["aud"] = _first("AUTH_AUDIENCE", SETTINGS["AUTH_AUDIENCE"])
    if org:
        _set(claims, setting("AUTH_ORGANIZATION_CLAIM", ""), person.org_id)
        _set(claims, setting("AUTH_ROLE_CLAIM", ""), role)
    return claims


def _rfc9068(person: _Person) -> Claims:
    organization = {
        "org_id": person.org_id,
        "org_name": person.org_name,
        "roles": [person.role],
    }
    return {
        "client_id": _client(),
        "jti": secrets.token_urlsafe(12),
        "sid": secrets.token_hex(16),
        "scope": "openid profile",
        **(organization if person.org else {}),
    }


def _auth0(person: _Person) -> Claims:
    organization = {
        "org_id": person.org_id,
        "org_name": person.org_name,
        "org_role": [person.role],
    }
    return {
        "sub": f"auth0|{person.user}",
        "azp": _client(),
        "scope": "openid profile",
        **(organization if person.org else {}),
    }


def _workos(person: _Person) -> Claims:
    organization = {
        "org_id": person.org_id,
        "role": person.role,
        "roles": [person.role],
        "permissions": [],
    }
    return {
        "client_id": _client(),
        "sid": f"session_{secrets.token_hex(13)}",
        "jti": secrets.token_hex(13),
        **(organization if person.org else {}),
    }


def _keycloak(person: _Person) -> Claims:
    organization = {"organization": {person.org_name: {"id": _uuid("organization", person.org)}}}
    return {
        "sub": _uuid("user", person.user),
        "jti": f"onrtac:{secrets.token_hex(16)}",
        "typ": "Bearer",
        "azp": _client(),
        "sid": secrets.token_hex(16),
        "acr": "1",
        "realm_access": {"roles": ["offline_access", person.role]},
        "scope": "openid profile email organization",
        "preferred_username": person.user,
        **(organization if person.org else {}),
    }


def _entra(person: _Person) -> Claims:
    directory = _uuid("directory", person.org)
    return {
        "sub": secrets.token_urlsafe(32),
        "oid": _uuid(directory, person.user),
        "tid": directory,
        "azp": _client(),
        "azpacr": "0",
        "roles": [person.role],
        "scp": "access_as_user",
        "ver": "2.0",
    }


_LAYOUTS: Mapping[str, Callable[[_Person], Claims]] = {
    "rfc9068": _rfc9068,
    "auth0": _auth0,
    "workos": _workos,
    "keycloak": _keycloak,
    "entra": _entra,
}


def _preset() -> str:
    return setting("AUTH_PRESET", "rfc9068")


def _client() -> str:
    return _first("AUTH_CLIENT_IDS", _CLIENT)


def _first(name: str, default: str) -> str:
    return setting(name, default).split(",")[0].strip()


def _set(claims: Claims, path: str, value: str) -> None:
    *parents, last = [path] if path.startswith("https://") else path.split(".")
    if not last:
        return
    for parent in parents:
        claims = claims.setdefault(parent, {})
    claims[last] = value


def _uuid(kind: str, name: str) -> str:
    return str(uuid5(NAMESPACE_URL, f"{kind}/{name}"))


def _prefixed(prefix: str, name: str) -> str:
    return name if name.startswith(prefix) else prefix + name

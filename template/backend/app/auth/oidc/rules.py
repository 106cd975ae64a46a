"""What tells a user's access token from all else that a provider signs with the same key."""

import re
from collections.abc import Mapping
from typing import Any

from app.auth.errors import InvalidToken
from app.auth.oidc.presets import Preset

# OpenID Connect Core, sections 2 and 3.3.2.11: these bind an ID token to one sign-in or to another
# token. No access token has them.
_ONLY_IN_ID_TOKENS = ("nonce", "at_hash", "c_hash", "s_hash")


def require_access_token(
    preset: Preset, header: Mapping[str, Any], claims: Mapping[str, Any]
) -> None:
    """Refuse what is not an access token of this layout.

    Raises:
        InvalidToken: it is an ID token, or of another kind or layout.
    """
    typ = header.get("typ")
    kind = typ.lower().removeprefix("application/") if isinstance(typ, str) else typ
    if not (kind is None or isinstance(kind, str)) or kind not in preset.types:
        raise InvalidToken(f"header typ is {typ!r}, not that of an access token")
    for name in _ONLY_IN_ID_TOKENS:
        if name in claims:
            raise InvalidToken(f"an ID token: it has the claim {name}")
    if "cnf" in claims:
        # RFC 9449, section 7.2: as a bearer token it would be good for whoever found it.
        raise InvalidToken("bound to a key of the sender's, whose possession is not proven here")
    for names in preset.present:
        if not any(claims.get(name) for name in names):
            raise InvalidToken(f"without the claim {' or '.join(names)} of an access token")
    for name, value in preset.values.items():
        if claims.get(name) != value:
            raise InvalidToken(f"claim {name} is {claims.get(name)!r}, not {value!r}")


def require_user(preset: Preset, claims: Mapping[str, Any]) -> None:
    """Refuse tokens that no user stands behind, or another one than they say.

    Raises:
        InvalidToken: it is a machine's, or somebody impersonates the user.
    """
    for name in ("azp", "client_id"):
        if claims.get("sub") is not None and claims.get("sub") == claims.get(name):
            raise InvalidToken(f"a machine's token: its subject is the client {claims[name]!r}")
    for name, pattern in preset.machines.items():
        value = claims.get(name)
        if value is not None and re.fullmatch(pattern, str(value), re.DOTALL):
            raise InvalidToken(f"a machine's token: claim {name} is {value!r}")
    if claims.get("act") is not None:
        # The audit trail would record as this user what somebody else has done.
        raise InvalidToken("the user is being impersonated")


def require_audience(audience: list[str], claims: Mapping[str, Any]) -> None:
    """Refuse tokens that are meant for others.

    Raises:
        InvalidToken: `aud` names none of the audience.
    """
    named = claims.get("aud")
    if isinstance(named, str):
        named = [named]
    if not isinstance(named, list) or not any(name in audience for name in named):
        raise InvalidToken(f"meant for {named!r}, not for {audience!r}")


def require_client(clients: list[str], claims: Mapping[str, Any]) -> None:
    """Refuse tokens that another client asked for.

    Raises:
        InvalidToken: neither `azp` nor `client_id` is one of the clients.
    """
    client = claims.get("azp", claims.get("client_id"))
    if client not in clients:
        raise InvalidToken(f"asked for by {client!r}, which is no client of AUTH_CLIENT_IDS")

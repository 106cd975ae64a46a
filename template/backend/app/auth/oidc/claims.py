"""From an access token's claims to an identity."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from app.auth.errors import InvalidToken
from app.auth.identity import Identity
from app.auth.oidc.presets import Preset
from app.auth.permissions import ROLES, Role

# OpenID Connect Core, section 2: `sub` has at most 255 ASCII characters.
_ID = re.compile(r"[\x21-\x7e]{1,255}")
_MAX_TEXT = 320


class _Organization(NamedTuple):
    id: str
    slug: str | None


def claim(claims: Mapping[str, Any], path: str) -> Any:
    """The claim of that name, or else the member of nested claims that dots lead to; or None.

    A name may hold dots itself, as `https://example.com/role` does.
    """
    if path in claims:
        return claims[path]
    value: Any = claims
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def identity_of(
    preset: Preset, claims: Mapping[str, Any], *, organization_claim: str, role_claim: str
) -> Identity:
    """What the token says, in the words of every provider.

    Raises:
        InvalidToken: an id is missing, or is none.
    """
    organization = _organization(preset, claims, organization_claim)
    return Identity(
        subject=_id("|".join(_part(claims, name) for name in preset.subject), "the subject"),
        organization=organization.id if organization else None,
        organization_slug=organization.slug if organization else None,
        role=_role(claim(claims, role_claim)) if organization else None,
        email=_text(claims, preset.email) if _is_verified(claims) else None,
        email_verified=_is_verified(claims, unless_told=False),
        name=_text(claims, "name"),
        session=_text(claims, preset.session),
        issued_at=claims["iat"],
        expires_at=claims["exp"],
    )


def _is_verified(claims: Mapping[str, Any], *, unless_told: bool = True) -> bool:
    """Whether the address is the user's. Some providers write the boolean as a text."""
    told = claims.get("email_verified")
    return unless_told if told is None else told in (True, "true")


def _part(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    if not isinstance(value, str) or not value:
        raise InvalidToken(f"claim {name} is missing or no text")
    return value


def _id(value: object, what: str) -> str:
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise InvalidToken(f"{what} is {value!r:.80}, not 1 to 255 visible ASCII characters")
    return value


def _organization(preset: Preset, claims: Mapping[str, Any], path: str) -> _Organization | None:
    value = claim(claims, path)
    if value is None or value == "":
        return None
    if isinstance(value, dict):
        return _only_one(value, path)
    if isinstance(value, list):
        raise InvalidToken(
            f"claim {path} holds names of organizations without ids: in Keycloak, turn on 'Add "
            "organization id' in the mapper"
        )
    found = _id(value, f"claim {path}")
    if found in preset.shared:
        return None
    return _Organization(found, _text(claims, preset.organization_slug))


def _only_one(organizations: Mapping[str, Any], path: str) -> _Organization | None:
    """Keycloak's `{alias: {"id": …}}`. Of several none is active: the client has to ask for one."""
    if len(organizations) != 1:
        return None
    ((alias, details),) = organizations.items()
    found = details.get("id") if isinstance(details, dict) else None
    return _Organization(_id(found, f"claim {path}, the id of {alias!r:.80}"), alias)


def _role(value: object) -> Role:
    """The most that one of the names gives; a viewer where none of them is known here."""
    names = value if isinstance(value, list) else [value]
    return next((role for role in ROLES if role in names), "viewer")


def _text(claims: Mapping[str, Any], name: str | None) -> str | None:
    value = claims.get(name) if name is not None else None
    if value is None or value == "":
        return None
    if not isinstance(value, str) or len(value) > _MAX_TEXT:
        raise InvalidToken(f"claim {name} is no text of at most {_MAX_TEXT} characters")
    return value

"""Clerk as the provider: its settings, and what a session token of version 2 must say.

Claims: https://clerk.com/docs/guides/sessions/session-tokens (version 2). Clerk signs other
things with the same key: OAuth access tokens (header `typ: at+jwt`), machine tokens
(`sub: mch_…`) and tokens made from JWT templates (no `sid`, no `v`). None of them stands for a
signed-in user, so each rule below also keeps one of those out.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import Meta
from pydantic import BaseModel, Field, field_validator

from app.auth.addresses import is_loopback, is_origin, is_private_way
from app.auth.clerk_events import read_event
from app.auth.errors import InvalidToken
from app.auth.identity import Identity
from app.auth.permissions import role_named
from app.auth.publishing import Read
from app.comma_separated import CommaSeparated

__all__ = ["Settings", "read_event"]

UserId: TypeAlias = Annotated[str, Meta(pattern=r"\Auser_[A-Za-z0-9_-]{1,120}\Z")]
OrganizationId: TypeAlias = Annotated[str, Meta(pattern=r"\Aorg_[A-Za-z0-9_-]{1,120}\Z")]
SessionId: TypeAlias = Annotated[str, Meta(pattern=r"\Asess_[A-Za-z0-9_-]{1,120}\Z")]
Text: TypeAlias = Annotated[str, Meta(max_length=320)]


class _Organization(msgspec.Struct):
    """The claim `o`: the organization that is active in the session."""

    id: OrganizationId
    rol: Text
    slg: Text | None = None


class _SessionClaims(msgspec.Struct):
    iss: str
    azp: str
    sub: UserId
    sid: SessionId
    iat: int
    exp: int
    sts: Literal["active", "pending"]
    o: _Organization | None = None
    act: Any = None
    # Not among Clerk's defaults; there once the session token is customised to carry them.
    email: Text | None = None
    name: Text | None = None


class Settings(BaseModel):
    """The settings that Clerk needs."""

    auth_issuer: str = Field(
        description="Clerk's Frontend API URL, for example https://clerk.example.com."
    )
    auth_authorized_parties: CommaSeparated = Field(
        min_length=1,
        description="Origins of your front ends, comma separated: who may have asked for a token.",
    )
    auth_clock_skew: int = Field(
        default=5, ge=0, le=60, description="How far Clerk's clock may be off, in seconds."
    )

    @field_validator("auth_issuer")
    @classmethod
    def _is_frontend_api(cls, value: str) -> str:
        url = value.strip().rstrip("/")
        if is_origin(url) and is_private_way(url):
            return url
        raise ValueError("must be Clerk's Frontend API URL, such as https://clerk.example.com")

    @field_validator("auth_authorized_parties")
    @classmethod
    def _are_origins(cls, values: list[str]) -> list[str]:
        origins = [value.rstrip("/") for value in values]
        for origin in origins:
            if not is_origin(origin):
                raise ValueError(f"{origin!r} is not an origin such as https://app.example.com")
        return origins

    async def find_keys(self, _: Read) -> str:
        """Where this Clerk instance publishes its keys."""
        return f"{self.auth_issuer}/.well-known/jwks.json"

    def require_production_provider(self) -> None:
        """Refuse what only serves development.

        Raises:
            ValueError: tokens would come from the development issuer, or from a page on
                somebody's own machine, or over a connection that can be listened to.
        """
        if not self.auth_issuer.startswith("https://") or is_loopback(self.auth_issuer):
            raise ValueError(
                f"AUTH_ISSUER is {self.auth_issuer}, which is for development only: set it to the "
                "https Frontend API URL of your Clerk instance"
            )
        for party in self.auth_authorized_parties:
            if party.startswith("http://") or is_loopback(party):
                raise ValueError(
                    f"AUTH_AUTHORIZED_PARTIES names {party}, which is for development only: "
                    "list the https origins of your front ends"
                )

    def read_identity(self, header: Mapping[str, Any], claims: Mapping[str, Any]) -> Identity:
        """Check a correctly signed token by Clerk's rules.

        Raises:
            InvalidToken: it is not the token of an active session of a user of this application.
        """
        if header.get("typ") != "JWT":
            raise InvalidToken(f"header typ is {header.get('typ')!r}, a session token's is 'JWT'")
        if claims.get("v") != 2:  # noqa: PLR2004 - the version's number is its name
            raise InvalidToken(
                f"session token of version {claims.get('v')!r}: only version 2 is read, choose it "
                "in Clerk's dashboard under API versions"
            )
        try:
            session = msgspec.convert(claims, _SessionClaims)
        except msgspec.ValidationError as error:
            raise InvalidToken(f"not the claims of a session token: {error}") from None
        self._require_ours(session)
        return _identity(session)

    def _require_ours(self, session: _SessionClaims) -> None:
        if session.iss != self.auth_issuer:
            raise InvalidToken(f"issued by {session.iss!r}, not by {self.auth_issuer!r}")
        if session.azp not in self.auth_authorized_parties:
            raise InvalidToken(f"asked for by {session.azp!r}, which is no authorized party")
        if session.sts != "active":
            raise InvalidToken(
                "the session is pending", "Signing in is not complete: a task is left to do."
            )
        if session.act is not None:
            # The audit trail would record as this user what somebody else has done.
            raise InvalidToken(f"{session.sub} is being impersonated")


def _identity(session: _SessionClaims) -> Identity:
    organization = session.o
    return Identity(
        subject=session.sub,
        organization=organization.id if organization else None,
        organization_slug=(organization.slg or None) if organization else None,
        # Tokens say `admin` where webhooks say `org:admin`.
        role=role_named(organization.rol.removeprefix("org:")) if organization else None,
        email=session.email or None,
        name=session.name or None,
        session=session.sid,
        issued_at=session.iat,
        expires_at=session.exp,
    )

"""Supabase Auth as the provider: its settings, and what a user's access token must say.

Claims: https://supabase.com/docs/guides/auth/jwt-fields. `org_id`, `org_slug` and `org_role` are
put there by an access token hook (https://supabase.com/docs/guides/auth/auth-hooks), a function of
the project's owner. `user_metadata` is the user's to write, so nothing is ever read from it.

The same key signs for users who are not signed in as anybody (`is_anonymous`) and for other
people's applications that a user let in (`client_id`, of Supabase's OAuth server); the project's
API keys are JWTs as well (`role: anon` and `service_role`). Each rule keeps one of those out.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import Meta
from pydantic import BaseModel, Field, field_validator

from app.auth.addresses import is_loopback, is_page, is_private_way
from app.auth.errors import InvalidToken
from app.auth.identity import Identity
from app.auth.permissions import role_named
from app.auth.plain_events import read_event
from app.auth.publishing import Read
from app.comma_separated import CommaSeparated

__all__ = ["Settings", "read_event"]

_AUDIENCE = "authenticated"
_PATH = "/auth/v1"

_UUID = r"\A[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z"
UserId: TypeAlias = Annotated[str, Meta(pattern=_UUID)]
OrganizationId: TypeAlias = Annotated[str, Meta(pattern=r"\A[\x21-\x7e]{1,255}\Z")]
Text: TypeAlias = Annotated[str, Meta(max_length=320)]


class _Claims(msgspec.Struct):
    iss: str
    aud: str | list[str]
    sub: UserId
    role: str
    session_id: UserId
    iat: int
    exp: int
    aal: Literal["aal1", "aal2", "aal3"]
    is_anonymous: bool = False
    client_id: str | None = None
    act: Any = None
    email: Text | None = None
    # Put there by the hook.
    org_id: OrganizationId | None = None
    org_slug: Text | None = None
    org_role: Text | None = None


class Settings(BaseModel):
    """The settings that Supabase Auth needs."""

    auth_issuer: str = Field(
        description="The project's Auth URL, for example https://abc.supabase.co/auth/v1."
    )
    auth_client_ids: CommaSeparated = Field(
        default=[],
        description="OAuth applications whose tokens are accepted as the user's own; none unless "
        "set. The project's own front ends are none of them.",
    )
    auth_minimum_aal: Literal["aal1", "aal2"] = Field(
        default="aal1", description="How sure of the user a session must be; aal2: two factors."
    )
    auth_clock_skew: int = Field(
        default=5, ge=0, le=60, description="How far Supabase's clock may be off, in seconds."
    )

    @field_validator("auth_issuer")
    @classmethod
    def _is_auth_url(cls, value: str) -> str:
        url = value.strip().rstrip("/")
        if is_page(url) and is_private_way(url) and url.endswith(_PATH):
            return url
        raise ValueError("must be the project's Auth URL, such as https://abc.supabase.co/auth/v1")

    async def find_keys(self, _: Read) -> str:
        """Where this project publishes its keys.

        It has some once it signs with a key pair instead of the secret that older projects share:
        https://supabase.com/docs/guides/auth/signing-keys
        """
        return f"{self.auth_issuer}/.well-known/jwks.json"

    def require_production_provider(self) -> None:
        """Refuse what only serves development.

        Raises:
            ValueError: tokens would come from the development issuer, or keys over a connection
                that somebody could sit in.
        """
        if not self.auth_issuer.startswith("https://") or is_loopback(self.auth_issuer):
            raise ValueError(
                f"AUTH_ISSUER is {self.auth_issuer}, which is for development only: set it to the "
                "https Auth URL of your Supabase project"
            )

    def read_identity(self, header: Mapping[str, Any], claims: Mapping[str, Any]) -> Identity:
        """Check a correctly signed token by Supabase's rules.

        Raises:
            InvalidToken: it is not the access token of a user who is signed in to this project.
        """
        if header.get("typ") != "JWT":
            raise InvalidToken(f"header typ is {header.get('typ')!r}, an access token's is 'JWT'")
        self._require_role(claims)
        try:
            token = msgspec.convert(claims, _Claims)
        except msgspec.ValidationError as error:
            raise InvalidToken(f"not the claims of an access token: {error}") from None
        self._require_ours(token)
        return _identity(token)

    def _require_role(self, claims: Mapping[str, Any]) -> None:
        # First, because the project's API keys lack most of what else is asked for.
        if claims.get("role") != _AUDIENCE:
            raise InvalidToken(f"role is {claims.get('role')!r}, a user's is {_AUDIENCE!r}")

    def _require_ours(self, token: _Claims) -> None:
        if token.iss != self.auth_issuer:
            raise InvalidToken(f"issued by {token.iss!r}, not by {self.auth_issuer!r}")
        audience = [token.aud] if isinstance(token.aud, str) else token.aud
        if _AUDIENCE not in audience:
            raise InvalidToken(f"meant for {audience!r}, not for {_AUDIENCE!r}")
        if token.is_anonymous:
            raise InvalidToken("the user is anonymous", "Sign in with an account.")
        if token.aal < self.auth_minimum_aal:
            raise InvalidToken(f"the session is {token.aal}", "Confirm your second factor.")
        if token.client_id is not None and token.client_id not in self.auth_client_ids:
            raise InvalidToken(f"asked for by the OAuth application {token.client_id!r}")
        if token.act is not None:
            # The audit trail would record as this user what somebody else has done.
            raise InvalidToken(f"{token.sub} is being impersonated")


def _identity(token: _Claims) -> Identity:
    organization = token.org_id
    return Identity(
        subject=token.sub,
        organization=organization,
        organization_slug=(token.org_slug or None) if organization else None,
        role=role_named(token.org_role or "") if organization else None,
        email=token.email or None,
        # Nobody gets a session before that, as long as *Confirm email* is on.
        email_verified=bool(token.email),
        session=token.session_id,
        issued_at=token.iat,
        expires_at=token.exp,
    )

"""The settings of an OpenID Connect provider, and the way of a token through its rules."""

import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, Field, ValidationInfo, field_validator

from app.auth.addresses import is_loopback, is_page, is_private_way
from app.auth.errors import InvalidToken
from app.auth.identity import Identity
from app.auth.oidc import discovery, rules
from app.auth.oidc.claims import identity_of
from app.auth.oidc.presets import PRESETS, Name, Preset
from app.auth.publishing import Read
from app.comma_separated import CommaSeparated

_DIRECTORY = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_WORKOS = "https://api.workos.com"


def _address(value: str) -> str:
    url = value.strip()
    if is_page(url) and is_private_way(url):
        return url
    raise ValueError("must be a https URL without login, query and fragment")


class Settings(BaseModel):
    """The settings that an OpenID Connect provider needs."""

    auth_preset: Name = Field(
        default="rfc9068", description="Whose access tokens they are, where they have a layout."
    )
    auth_issuer: str = Field(
        description="The issuer, to the letter as tokens name it; with or without a final slash."
    )
    auth_audience: CommaSeparated = Field(
        default=[],
        validate_default=True,
        description="This API as the provider knows it: one of these must be in `aud`.",
    )
    auth_client_ids: CommaSeparated = Field(
        default=[],
        description="Clients whose tokens are accepted; unless set, all of the issuer's.",
    )
    auth_organization_claim: str = Field(
        default="", description="The claim with the organization's id, if not the preset's."
    )
    auth_role_claim: str = Field(
        default="", description="The claim with the role, if not the preset's."
    )
    auth_jwks_url: str = Field(
        default="", description="Where the keys are, if the issuer has no discovery document."
    )
    auth_clock_skew: int = Field(
        default=5, ge=0, le=60, description="How far the provider's clock may be off, in seconds."
    )

    @field_validator("auth_issuer")
    @classmethod
    def _is_one_issuer(cls, value: str, others: ValidationInfo) -> str:
        url = _address(value)
        preset = others.data.get("auth_preset")
        if preset == "workos" and url.rstrip("/") == _WORKOS:
            raise ValueError(
                "is that of every WorkOS customer: set it to what your own tokens have as `iss`, "
                f"{_WORKOS}/user_management/<client id> or your custom domain"
            )
        if discovery.is_template(url) and preset != "entra":
            raise ValueError("names {tenantid}, which only AUTH_PRESET=entra fills in")
        return url

    @field_validator("auth_audience")
    @classmethod
    def _is_there(cls, values: list[str], others: ValidationInfo) -> list[str]:
        preset = others.data.get("auth_preset")
        if not values and (preset is None or PRESETS[preset].has_audience):
            raise ValueError(
                "is required: without it, tokens for any other API of the issuer would be accepted"
            )
        return values

    @field_validator("auth_jwks_url")
    @classmethod
    def _is_address(cls, value: str) -> str:
        return _address(value) if value else value

    @property
    def preset(self) -> Preset:
        """The layout of the access tokens."""
        return PRESETS[self.auth_preset]

    async def find_keys(self, read: Read) -> str:
        """Where the issuer publishes its keys: as set, or else as its discovery document says.

        Raises:
            Unusable: the document does not say, or is another issuer's.
        """
        if self.auth_jwks_url:
            return self.auth_jwks_url
        # Entra ID answers for every directory of organizations under this name.
        address = self.auth_issuer.replace("{tenantid}", "organizations")
        return await discovery.find_keys(address, self.auth_issuer, read)

    def require_production_provider(self) -> None:
        """Refuse what only serves development.

        Raises:
            ValueError: tokens would come from the development issuer, or keys over a connection
                that somebody could sit in.
        """
        addresses = {"AUTH_ISSUER": self.auth_issuer, "AUTH_JWKS_URL": self.auth_jwks_url}
        for name, address in addresses.items():
            if address and (not address.startswith("https://") or is_loopback(address)):
                raise ValueError(
                    f"{name} is {address}, which is for development only: set it to the https URL "
                    "of your provider"
                )

    def read_identity(self, header: Mapping[str, Any], claims: Mapping[str, Any]) -> Identity:
        """Check a correctly signed token by the rules of its layout.

        Raises:
            InvalidToken: it is not an access token of a user for this API.
        """
        self._require_ours(claims)
        rules.require_access_token(self.preset, header, claims)
        if self.auth_audience:
            rules.require_audience(self.auth_audience, claims)
        if self.auth_client_ids:
            rules.require_client(self.auth_client_ids, claims)
        rules.require_user(self.preset, claims)
        return identity_of(
            self.preset,
            claims,
            organization_claim=self.auth_organization_claim or self.preset.organization,
            role_claim=self.auth_role_claim or self.preset.role,
        )

    def _require_ours(self, claims: Mapping[str, Any]) -> None:
        expected = self.auth_issuer
        if discovery.is_template(expected):
            directory = claims.get("tid")
            if not isinstance(directory, str) or not _DIRECTORY.fullmatch(directory):
                raise InvalidToken(f"claim tid is {directory!r:.80}, not the id of a directory")
            expected = expected.replace("{tenantid}", directory)
        if claims.get("iss") != expected:
            raise InvalidToken(f"issued by {claims.get('iss')!r:.200}, not by {expected!r}")

"""What a verified token says, in the same words for every provider."""

from uuid import UUID

import msgspec
from msgspec.structs import replace

from app.auth.permissions import Permission, Role


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Who is asking: a user whom the provider vouches for, or a key of theirs, and where they work.

    That the user still belongs to the organization is not the token's to say: the database
    looks at the membership each time.

    Attributes:
        subject: the provider's id of the user.
        organization: the provider's id of the active organization; None when none is active.
        organization_slug: its short name, where the provider has one.
        role: the user's role in it; None when no organization is active.
        tenant_id: the tenant that the request names, by our id: one of those that the product
            manages, of which tokens know nothing.
        email: the user's address, when the provider puts it into its tokens.
        email_verified: whether the provider says that the address is the user's.
        name: the user's full name, when the provider puts it into its tokens.
        key_id: the API key's id, where a program uses one in place of a token.
        key_hash: the hash of that key, in hexadecimal digits: what the database compares.
        scopes: the permissions that the key is limited to, once the database has named them.
        session: the provider's id of the sign-in session.
        issued_at: Unix time in seconds.
        expires_at: Unix time in seconds; nothing done in this identity's name outlives it.
    """

    subject: str
    organization: str | None = None
    organization_slug: str | None = None
    role: Role | None = None
    tenant_id: UUID | None = None
    email: str | None = None
    email_verified: bool = False
    name: str | None = None
    key_id: UUID | None = None
    key_hash: str | None = None
    scopes: frozenset[Permission] | None = None
    session: str | None = None
    issued_at: int
    expires_at: int

    def claims(self) -> dict[str, object]:
        """The normalised claims, as the database gets them for its context. None is left out."""
        claims = {
            "sub": None if self.key_id else self.subject,
            "org_id": self.organization,
            "org_slug": self.organization_slug,
            "org_role": self.role,
            "tenant_id": None if self.tenant_id is None else str(self.tenant_id),
            "email": self.email,
            "email_verified": self.email_verified or None,
            "key_id": None if self.key_id is None else str(self.key_id),
            "key_hash": self.key_hash,
            "name": self.name,
            "iat": None if self.key_id else self.issued_at,
            "exp": None if self.key_id else self.expires_at,
        }
        return {name: value for name, value in claims.items() if value is not None}

    def alone(self) -> "Identity":
        """The same person, in no organization."""
        return replace(self, organization=None, organization_slug=None, role=None, tenant_id=None)

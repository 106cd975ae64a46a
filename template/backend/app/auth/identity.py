"""What a verified token says, in the same words for every provider."""

import msgspec

from app.auth.permissions import Role


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """A user whom the provider vouches for, and the organization that they are working in.

    That the user still belongs to the organization is not the token's to say: the database
    looks at the membership each time.

    Attributes:
        subject: the provider's id of the user.
        organization: the provider's id of the active organization; None when none is active.
        organization_slug: its short name, where the provider has one.
        role: the user's role in it; None when no organization is active.
        email: the user's address, when the provider puts it into its tokens.
        name: the user's full name, when the provider puts it into its tokens.
        session: the provider's id of the sign-in session.
        issued_at: Unix time in seconds.
        expires_at: Unix time in seconds; nothing done in this identity's name outlives it.
    """

    subject: str
    organization: str | None = None
    organization_slug: str | None = None
    role: Role | None = None
    email: str | None = None
    name: str | None = None
    session: str | None = None
    issued_at: int
    expires_at: int

    def claims(self) -> dict[str, object]:
        """The normalised claims, as the database gets them for its context. None is left out."""
        claims = {
            "sub": self.subject,
            "org_id": self.organization,
            "org_slug": self.organization_slug,
            "org_role": self.role,
            "email": self.email,
            "name": self.name,
            "iat": self.issued_at,
            "exp": self.expires_at,
        }
        return {name: value for name, value in claims.items() if value is not None}

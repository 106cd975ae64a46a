from uuid import UUID

from pydantic import BaseModel


class CurrentUser(BaseModel):
    """The caller; `subject` is the sign-in provider's id."""

    id: UUID
    subject: str
    email: str | None
    name: str | None


class CurrentOrganization(BaseModel):
    """Where the caller works now; `external_id` is the sign-in provider's id."""

    id: UUID
    external_id: str
    slug: str
    name: str


class Me(BaseModel):
    """Who is calling, in which organization, and what they may do there.

    `key_scopes` is what an API key that they make may be allowed.
    """

    user: CurrentUser
    organization: CurrentOrganization | None
    role: str | None
    permissions: list[str]
    key_scopes: list[str]

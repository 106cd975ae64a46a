from uuid import UUID

from pydantic import BaseModel


class CurrentUser(BaseModel):
    id: UUID
    subject: str
    email: str | None
    name: str | None


class CurrentOrganization(BaseModel):
    id: UUID
    external_id: str
    slug: str
    name: str


class Me(BaseModel):
    """Who is calling, in which organization, and what they may do there."""

    user: CurrentUser
    organization: CurrentOrganization | None
    role: str | None
    permissions: list[str]

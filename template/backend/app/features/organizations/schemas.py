from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from app.inputs import ONE_LINE, refuse_line_breaks

Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=100),
    AfterValidator(refuse_line_breaks),
    Field(json_schema_extra=ONE_LINE),
]
"""One line: it stands in the subject of mails."""


class NewOrganization(BaseModel):
    """An organization to be made, with the caller as its owner."""

    model_config = ConfigDict(extra="forbid")

    name: Name


class OrganizationChanges(BaseModel):
    """What is to change."""

    model_config = ConfigDict(extra="forbid")

    name: Name


class OrganizationOut(BaseModel):
    """An organization that the caller belongs to.

    `chosen_at` is when the caller last chose to work there.
    """

    id: UUID
    slug: str
    name: str
    role: str
    chosen_at: datetime | None
    created_at: datetime


class Organizations(BaseModel):
    """The caller's organizations, the one that they chose last first."""

    items: list[OrganizationOut]

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
)

from app.auth.permissions import MEANINGS, NO_SCOPES, Permission
from app.choices import tenancy
from app.inputs import ONE_LINE, Moment, refuse_line_breaks

SCOPES: tuple[Permission, ...] = tuple(
    name
    for name in MEANINGS
    if name not in NO_SCOPES and name.partition(":")[0] not in tenancy.UNUSED
)
"""What a key can be allowed to do, by somebody who may do it."""

Scope = Annotated[Permission, WithJsonSchema({"type": "string", "enum": SCOPES})]


class NewApiKey(BaseModel):
    """A key to be made. It may do what `scopes` name, as long as its maker may."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[
        str,
        StringConstraints(strip_whitespace=True, min_length=1, max_length=100),
        AfterValidator(refuse_line_breaks),
        Field(json_schema_extra=ONE_LINE),
    ]
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=50)]
    expires_at: Moment | None = None


class ApiKeyOut(BaseModel):
    """A key, without itself; `ending` is how it ends."""

    id: UUID
    name: str
    ending: str
    user_id: UUID
    scopes: list[str]
    created_at: datetime
    used_at: datetime | None
    expires_at: datetime
    revoked_at: datetime | None


class MadeApiKey(ApiKeyOut):
    """The same with the key, which is shown now and never again."""

    key: str


class ApiKeyPage(BaseModel):
    """Keys, newest first."""

    items: list[ApiKeyOut]
    next_cursor: UUID | None

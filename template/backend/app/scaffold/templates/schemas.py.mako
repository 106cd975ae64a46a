<% required = [field for field in fields if not field.is_optional] %>\
<% optional = [field for field in fields if field.is_optional] %>\
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, model_validator

from app.inputs import Decimal14, Int32, Int53, JSONObject, Moment, ShortText


class New${names.model}(BaseModel):
    """What is to be added."""

    model_config = ConfigDict(extra="forbid")

% for field in fields:
    ${field.new}
% endfor


class ${names.model}Changes(BaseModel):
    """What is to change; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

% for field in fields:
    ${field.changed}
% endfor
% if required:

    @model_validator(mode="after")
    def _refuse_null(self) -> Self:
% if optional:
        for name in self.model_fields_set - {${", ".join(f'"{field.name}"' for field in optional)}}:
% else:
        for name in self.model_fields_set:
% endif
            if getattr(self, name) is None:
                raise ValueError(f"{name} cannot be null; leave it out to keep it")
        return self
% endif


class ${names.model}Out(BaseModel):
    """One of the ${names.words}, as its tenant sees it."""

    id: UUID
% for field in fields:
    ${field.name}: ${field.python}
% endfor
    created_at: datetime


class ${names.model}Page(BaseModel):
    """${names.words.capitalize()}, newest first."""

    items: list[${names.model}Out]
    next_cursor: UUID | None

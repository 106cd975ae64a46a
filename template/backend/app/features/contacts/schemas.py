from datetime import datetime
from decimal import Decimal
from typing import Annotated, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from app.features.contacts.rules import AMOUNT_DIGITS, EMAIL, normalize_email
from app.inputs import LINE, TEXT, never_null, refuse_control_characters

Text200 = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=200),
    AfterValidator(refuse_control_characters),
    Field(json_schema_extra=TEXT),
]
Name = Annotated[Text200, Field(min_length=1, json_schema_extra=LINE)]
Email = Annotated[str, AfterValidator(normalize_email), Field(json_schema_extra=EMAIL)]
Amount = Annotated[Decimal, Field(max_digits=AMOUNT_DIGITS, decimal_places=2, allow_inf_nan=False)]


class NewContact(BaseModel):
    """A contact to be added."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    email: Email
    company: Text200 = ""
    amount: Amount = Decimal(0)


class ContactChanges(BaseModel):
    """What is to change; what is left out stays."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=never_null)

    name: Name | None = None
    email: Email | None = None
    company: Text200 | None = None
    amount: Amount | None = None

    @model_validator(mode="after")
    def _refuse_null(self) -> Self:
        for name in self.model_fields_set:
            if getattr(self, name) is None:
                raise ValueError(f"{name} cannot be null; leave it out to keep it")
        return self


class ContactOut(BaseModel):
    """A contact, as its tenant sees it."""

    id: UUID
    name: str
    email: str
    company: str
    amount: Decimal
    created_at: datetime


class ContactPage(BaseModel):
    """Contacts, newest first."""

    items: list[ContactOut]
    next_cursor: UUID | None

"""Every table of the schema, for Alembic to compare with the database."""

from app.audit.models import AuditEvent
from app.choices import tenancy
from app.features.api_keys.models import ApiKey, ApiKeyUse
from app.features.contacts.models import Contact
from app.features.imports.models import Import, ImportRejection
from app.features.me.models import User
from app.orm import Base

__all__ = [
    "ApiKey",
    "ApiKeyUse",
    "AuditEvent",
    "Base",
    "Contact",
    "Import",
    "ImportRejection",
    "User",
    "tenancy",
]

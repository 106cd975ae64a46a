"""Tenancy by users: one set of tables, told apart by `user_id` and row level security."""

from uuid import UUID

from sqlalchemy import FetchedValue, Null, null
from sqlalchemy.orm import Mapped, mapped_column

from app.auth.identity import Identity
from app.tenancy.roles.users import *
from app.tenancy.shared import *
from app.tenancy.single import *

TENANT = "account"
IDENTITY_SQL = "0001_people.sql"
CHANGES_SQL = "0001_changes_people.sql"
MODEL = "users"
ISOLATION_SQL = ("0001_users.sql",)
TENANT_COLUMN = "user_id"
TENANT_FUNCTION = "app.current_user_id"


class TenantTable:
    """Mixin of every model that belongs to a tenant.

    The database fills the column from the transaction's context and its policies check it, so
    application code neither reads nor writes it.
    """

    user_id: Mapped[UUID] = mapped_column(primary_key=True, server_default=FetchedValue())


def organization_json(_: object) -> Null:
    """The caller's organization: there are none."""
    return null()


def why_no_tenant(_: Identity) -> str:
    """Why a person has no tenant, in words for them."""
    return "You are not signed in as anybody who is known here."

"""Contacts."""

from app.migrations import run_file

revision = "t0001"
down_revision = None
branch_labels = ("tenant",)
depends_on = None


def upgrade() -> None:
    run_file("tenant/0001_contacts.sql")

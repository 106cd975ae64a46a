"""Imports of CSV files into contacts."""

from app.migrations import run_file

revision = "t0002"
down_revision = "t0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_file("tenant/0002_imports.sql")

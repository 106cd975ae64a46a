"""Imports of CSV files into contacts."""

from app.migrations import run_file

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_file("0003_imports.sql")

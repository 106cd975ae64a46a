"""${names.words.capitalize()}."""

from app.migrations import run_file

revision = "${revision.id}"
down_revision = "${revision.follows}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_file("tenant/${revision.number}_${names.table}.sql")

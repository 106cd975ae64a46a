"""${names.words.capitalize()}."""

from app.migrations import run_file

revision = "${revision.number}"
down_revision = "${revision.follows}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_file("${revision.number}_${names.table}.sql")

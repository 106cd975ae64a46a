"""${message}."""

from app.migrations import run_sql

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql("""
        -- One statement after the other, in plain SQL. A new tenant table ends with:
        -- select app.isolate('my_table');
    """)

"""Runs under `app migrate`, which hands over a connection as the role that owns the schema."""

from alembic import context

from app.models import Base

connection = context.config.attributes["connection"]

context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    version_table_schema="app_migrations",
    transaction_per_migration=True,
    compare_server_default=False,
)

with context.begin_transaction():
    context.run_migrations()

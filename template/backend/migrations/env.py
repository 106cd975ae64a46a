"""Runs under `app migrate`, which hands over a connection as the role that owns the schema."""

from alembic import context

from app.models import Base

attributes = context.config.attributes

context.configure(
    connection=attributes["connection"],
    dialect_name="postgresql",
    target_metadata=Base.metadata,
    version_table_schema=attributes["version_schema"],
    transaction_per_migration=True,
    compare_server_default=False,
)

with context.begin_transaction():
    context.run_migrations()

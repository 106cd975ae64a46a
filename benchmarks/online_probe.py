"""Runs steps of a migration with the product's own means; prints how long each took, as JSON.

It runs with the product's Python. Standard input: the owner's URL and the steps, as JSON.
"""

import json
import sys
import time

from alembic.migration import MigrationContext  # type: ignore[import-not-found]
from alembic.operations import Operations  # type: ignore[import-not-found]
from app.database import sqlalchemy_url  # type: ignore[import-not-found]
from app.migrations import run_sql  # type: ignore[import-not-found]
from app.online import (  # type: ignore[import-not-found]
    LOCK_SECONDS,
    add_index,
    backfill,
    insisting,
)
from sqlalchemy import create_engine, text  # type: ignore[import-not-found]
from sqlalchemy.pool import NullPool  # type: ignore[import-not-found]

STEPS = {"sql": run_sql, "index": add_index, "backfill": backfill}


def main() -> None:
    """Run each step in a revision of its own."""
    job = json.load(sys.stdin)
    engine = create_engine(sqlalchemy_url(job["url"]), poolclass=NullPool)
    took = []
    for kind, arguments in job["steps"]:
        began = time.perf_counter()

        def revise(kind: str = kind, arguments: list[str] = arguments) -> None:
            with engine.connect() as connection:
                connection.execute(text(f"set lock_timeout = '{LOCK_SECONDS}s'"))
                connection.commit()
                context = MigrationContext.configure(
                    connection, opts={"transaction_per_migration": True}
                )
                with (
                    Operations.context(context),
                    context.begin_transaction(_per_migration=True),
                ):
                    STEPS[kind](*arguments)

        insisting(revise)
        took.append(time.perf_counter() - began)
    json.dump(took, sys.stdout)


if __name__ == "__main__":
    main()

"""What `app migrate` refuses."""

import subprocess
import sys
from collections.abc import Callable

import psycopg

from app.choices import tenancy
from app.dev.servers import BACKEND, Connections
from tests.running import Platform


def test_a_database_of_other_tenants_is_refused(
    platform: Platform, new_database: Callable[..., Connections]
) -> None:
    connections = new_database()

    def migrate() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "app.cli", "migrate"],
            env=platform.environment(connections.for_operator()),
            cwd=BACKEND,
            check=False,
            capture_output=True,
            text=True,
        )

    again = migrate()
    assert again.returncode == 0, again.stderr
    with psycopg.connect(connections.migrator) as owner:
        owner.execute(
            "create or replace function app.tenancy(out tenant_column text, out is_mine text)"
            " language sql immutable return row('account_id'::text, 'false'::text)"
        )
    refused = migrate()
    assert refused.returncode == 1
    assert "in the column account_id" in refused.stderr
    assert tenancy.TENANT_COLUMN in refused.stderr
    assert "Traceback" not in refused.stderr

"""What `app migrate` refuses."""

import subprocess
from collections.abc import Callable

import psycopg

from app.choices import tenancy
from app.dev.servers import Connections
from tests.running import Platform


def test_a_database_of_other_tenants_is_refused(
    platform: Platform, new_database: Callable[..., Connections]
) -> None:
    connections = new_database()

    def migrate() -> subprocess.CompletedProcess[str]:
        return platform.app("migrate", connections=connections)

    again = migrate()
    assert again.returncode == 0, again.stderr
    with psycopg.connect(connections.migrator) as owner:
        owner.execute(
            "create or replace function app.tenancy("
            "out model text, out tenant_column text, out is_mine text)"
            " language sql immutable return row('accounts'::text, 'id'::text, 'false'::text)"
        )
    refused = migrate()
    assert refused.returncode == 1
    assert f"by accounts, this code by {tenancy.MODEL}" in refused.stderr
    assert "Traceback" not in refused.stderr

"""What an operator can do about tenants. Runs as the role that migrates, and is audited."""

import json
from typing import Any

import psycopg
import typer
from psycopg.rows import dict_row
from rich.console import Console
from rich.table import Table

from app.choices import tenancy
from app.database import psycopg_url
from app.settings import get_settings

_FIND = "select * from app.find_tenants(%s, %s) limit %s"
_DONE = {"suspended": "is suspended", "active": "is served"}


def list_tenants(state: str | None, limit: int) -> None:
    """Print tenants as a table, and say so if there are more."""
    with _connect() as operator:
        found = operator.execute(_FIND, (None, state, limit + 1)).fetchall()
    if not found:
        typer.echo(f"There is no {tenancy.TENANT}{f' that is {state}' if state else ''}.")
        return
    table = Table("id", "external id", "name", "state", "since", "reason")
    for tenant in found[:limit]:
        table.add_row(
            *(str(tenant["id"]), tenant["external_id"], tenant["name"] or "", tenant["state"]),
            *(f"{tenant['changed_at']:%Y-%m-%d %H:%M}", tenant["reason"] or ""),
        )
    Console().print(table)
    if len(found) > limit:
        typer.echo(f"There are more than these {limit}: see --limit and --state.")


def show(name: str) -> None:
    """Print what there is to know about one tenant, as JSON."""
    with _connect() as operator:
        typer.echo(json.dumps(_named(operator, name), indent=2, default=str))


def create(external_id: str, name: str | None, full_name: str | None) -> None:
    """Make a tenant and print its id."""
    with _connect() as operator:
        try:
            made = operator.execute(
                "select app.create_tenant(%s, %s, %s) as id", (external_id, name, full_name)
            ).fetchone()
        except psycopg.errors.CheckViolation as error:
            raise SystemExit(
                f"This {tenancy.TENANT} cannot be made: {error.diag.constraint_name} does not "
                "hold. Ids, names and addresses have 1 to 200 characters."
            ) from None
    if made is None or made["id"] is None:
        raise SystemExit(f"There is an {tenancy.TENANT} with the id {external_id!r} already.")
    typer.echo(made["id"])


def set_state(name: str, state: str, reason: str | None) -> None:
    """Suspend a tenant, or serve it again."""
    with _connect() as operator:
        tenant = _named(operator, name)
        if tenant["state"] == "deleted":
            raise SystemExit(f"{name!r} is deleted: its data is gone, and it stays closed.")
        changed = operator.execute(
            "select app.set_tenant_state(%s, %s, %s) as changed", (tenant["id"], state, reason)
        ).fetchone()
    already = "" if changed and changed["changed"] else " already"
    typer.echo(f"{name} ({tenant['id']}) {_DONE[state]}{already}.")


def _named(operator: psycopg.Connection[dict[str, Any]], name: str) -> dict[str, Any]:
    found = operator.execute(_FIND, (name, None, 10)).fetchall()
    if not found:
        raise SystemExit(
            f"{name!r} is no {tenancy.TENANT}'s id or name. `app tenants list` shows them."
        )
    if len(found) > 1:
        ids = ", ".join(str(tenant["id"]) for tenant in found)
        raise SystemExit(f"Several are called {name!r}. Say which by its id: {ids}")
    return found[0]


def _connect() -> psycopg.Connection[dict[str, Any]]:
    url = get_settings().migration_database_url
    if url is None:
        raise SystemExit("MIGRATION_DATABASE_URL is not set: operators act as that role.")
    return psycopg.connect(psycopg_url(url.get_secret_value()), row_factory=dict_row)

"""An operator's way to tenants: as the role that migrates, on one tenant at a time.

That role reads no tenant's rows. For what must, it acts as app_operator, whose policies show and
delete the rows of the one tenant that the transaction names.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID, uuid4

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from app.command_choices import tenancy
from app.database import psycopg_url
from app.settings import get_settings

Connection: TypeAlias = psycopg.Connection[Any]

_NAMED = """
select * from app.known_tenants() t
where %(name)s in (t.external_id, t.id::text) or lower(t.label) = lower(%(name)s)
order by t.id::text = %(name)s desc, t.external_id = %(name)s desc, t.id
limit 10
"""


@dataclass(frozen=True, slots=True)
class Tenant:
    """A tenant as an operator sees it.

    Attributes:
        label: An organization's slug, a person's email.
        since: When its state was changed last.
    """

    id: UUID
    external_id: str
    label: str | None
    name: str | None
    state: str
    reason: str | None
    since: datetime
    created_at: datetime

    @property
    def title(self) -> str:
        """What to call it."""
        return self.label or self.external_id

    @property
    def names(self) -> set[str]:
        """Whatever it can be called."""
        return {self.title, self.external_id, str(self.id)}


def owner_url() -> str:
    """The database, as the role that migrates.

    Raises:
        SystemExit: it is not set.
    """
    url = get_settings().migration_database_url
    if url is None:
        raise SystemExit("MIGRATION_DATABASE_URL is not set: operators act as that role.")
    return psycopg_url(url.get_secret_value())


@contextmanager
def connect() -> Iterator[Connection]:
    """Open a connection as the role that migrates; each statement commits by itself.

    Everything that it does carries the same request id in the audit trail.

    Raises:
        SystemExit: there is no way to the database, or it is not migrated to this version.
    """
    try:
        with psycopg.connect(
            owner_url(),
            autocommit=True,
            connect_timeout=10,
            client_encoding="utf8",
            application_name="operator",
        ) as connection:
            request_id = f"operator-{uuid4()}"
            connection.execute("select set_config('app.request_id', %s, false)", (request_id,))
            yield connection
    except (psycopg.errors.UndefinedFunction, psycopg.errors.InsufficientPrivilege) as error:
        raise SystemExit(
            f"The database does not know this command: {error}\n"
            "Bring it up to date with `uv run app migrate`, as the same MIGRATION_DATABASE_URL; "
            "`uv run app doctor` says what else is missing."
        ) from None
    except psycopg.OperationalError as error:
        raise SystemExit(
            f"The database broke off: {error}\n"
            "Check MIGRATION_DATABASE_URL, and that the server runs; then run the command again. "
            "What is done is kept."
        ) from None


def find(connection: Connection, name: str) -> Tenant:
    """The tenant of that name: an id, ours or the provider's, or a label that is nobody else's.

    Raises:
        SystemExit: there is none, or several share the label.
    """
    with connection.cursor(row_factory=class_row(Tenant)) as cursor:
        found = cursor.execute(_NAMED, {"name": name}).fetchall()
    if not found:
        raise SystemExit(
            f"No {tenancy.TENANT} is called {name!r}: say {tenancy.NAMES}. "
            "`uv run app tenants list` shows those there are."
        )
    if len(found) == 1 or name in {str(found[0].id), found[0].external_id}:
        return found[0]
    ids = "\n".join(f"  {tenant.id}  {tenant.external_id}" for tenant in found)
    raise SystemExit(f"Several have the {tenancy.LABEL} {name!r}. Say which, by its id:\n{ids}")


@contextmanager
def at_home(connection: Connection, name: str) -> Iterator[tuple[Tenant, Connection]]:
    """A tenant, and an operator's connection to where its rows are. See `find`."""
    # The choice of tenancy loads the product, which the help of a command does without.
    from app import choices

    tenant = find(connection, name)
    with choices.tenancy.at_home(connection, tenant.id) as home:
        yield tenant, home


@contextmanager
def acting_on(connection: Connection, tenant_id: UUID, *, snapshot: bool = False) -> Iterator[None]:
    """A transaction as app_operator, which reaches this tenant and no other.

    Args:
        connection: The operator's.
        tenant_id: Whose rows it is about.
        snapshot: Whether everything is read as it was at one moment, and nothing is written.
    """
    with connection.transaction():
        if snapshot:
            connection.execute("set transaction isolation level repeatable read read only")
        connection.execute("set local role app_operator")
        connection.execute("select set_config('app.operated_tenant', %s, true)", (str(tenant_id),))
        yield


def record(home: Connection, tenant_id: UUID, action: str, detail: dict[str, Any]) -> None:
    """Write into the tenant's audit trail what was done with it as a whole."""
    home.execute("select audit.record_operation(%s, %s, %s)", (tenant_id, action, Jsonb(detail)))


def set_state(
    connection: Connection, home: Connection, tenant_id: UUID, state: str, reason: str | None
) -> None:
    """Change whether a tenant is served, where its rows are and where tenants are listed.

    A deleted one stays deleted. Where its rows are comes first: that is what requests ask.
    """
    for known in dict.fromkeys((home, connection)):
        known.execute("select app.set_tenant_state(%s, %s, %s)", (tenant_id, state, reason))


def visible(name: str | None) -> str:
    """A name on one line: what would move the cursor or colour the screen is escaped."""
    if name is None:
        return "-"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)

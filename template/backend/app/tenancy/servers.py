"""The servers on which tenants' databases are, and who logs in there."""

from pydantic import BaseModel, Field, SecretStr
from sqlalchemy import make_url

from app.database import psycopg_url

__all__ = ["Settings"]

DEFAULT = "default"
"""The control database's own server."""


class Settings(BaseModel):
    """What tenancy by databases has to be told."""

    tenant_servers: dict[str, SecretStr] = Field(
        default={},
        description="Further servers for tenants' databases: a JSON object of names and URLs, each"
        " as the login of this process. The default one is that of DATABASE_URL.",
    )
    migration_tenant_servers: dict[str, SecretStr] = Field(
        default={},
        description="The same names and servers, each as the role that owns the databases there;"
        " the URL's database is one to which it can connect to make others.",
    )
    tenant_server: str = Field(
        default=DEFAULT, description="The name of the server for new tenants' databases."
    )
    tenant_pools: int = Field(
        default=16,
        gt=0,
        description="Of how many tenants' databases this process keeps connections at a time.",
    )
    tenant_pool_size: int = Field(
        default=2, gt=0, description="How many connections to one tenant's database."
    )
    tenant_cache_seconds: float = Field(
        default=2.0,
        ge=0,
        description="How long a process relies on where it found a tenant's database.",
    )


class UnknownServerError(RuntimeError):
    """No setting says where a server is."""


def url_on(own_url: str, others: dict[str, SecretStr], server: str, database: str | None) -> str:
    """The URL of a database on one of the servers.

    Args:
        own_url: The control database's.
        others: The further servers, from the settings.
        server: Its name.
        database: Its name; None for the one in the server's own URL.

    Raises:
        UnknownServerError: no setting names it.
    """
    if server == DEFAULT:
        url = own_url
    elif server in others:
        url = others[server].get_secret_value()
    else:
        raise UnknownServerError(
            f"no server is called {server!r}: name it in TENANT_SERVERS, and for operators in"
            " MIGRATION_TENANT_SERVERS"
        )
    parsed = make_url(psycopg_url(url))
    if database is not None:
        parsed = parsed.set(database=database)
    return parsed.render_as_string(hide_password=False)

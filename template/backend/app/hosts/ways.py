"""Which addresses must lead to Postgres itself, and what may not be asked of the others.

Behind a pooler in transaction mode the next statement may run in another session. What belongs to a
session is lost there, or is found by whoever comes next: LISTEN, advisory locks, SET, named
prepared statements. Requests and jobs need none of it; migrations and listeners do.
"""

import psycopg

from app.choices import host
from app.hosts.addresses import parsed

_ROUTING = ("endpoint=", "project=")
"""What Neon's proxy reads out of `options`, for clients that do not name the server in TLS."""


def require_direct(url: str, why: str) -> None:
    """Refuse an address that leads through a pooler in transaction mode, as far as it tells.

    Args:
        url: The address.
        why: What it is needed for.

    Raises:
        ValueError: it does.
    """
    sign = host.way_of(parsed(url))
    if sign is not None:
        raise ValueError(
            f"{sign} leads through a pooler in transaction mode, and {why}. "
            f"Take the direct address: not {host.SHARED}, but {host.DIRECT}."
        )


def require_poolable(url: str) -> None:
    """Refuse what a pooler would refuse, or forget, with words that do not name the address.

    Raises:
        ValueError: the address leads through one and asks for startup options.
    """
    address = parsed(url)
    options = str(address.query.get("options", ""))
    if options and not options.startswith(_ROUTING) and host.way_of(address) is not None:
        raise ValueError(
            "a pooler refuses `options`: what a login needs is set on its role, by `app migrate`"
        )


def refuse_shared_sessions(url: str) -> None:
    """Stop if two connections turn out to be one session, whatever their address says.

    The first has asked and not ended when the second asks: only a pooler that hands out sessions
    for a transaction answers both from the same one.

    Raises:
        SystemExit: they are.
    """
    with psycopg.connect(url, autocommit=True) as one, psycopg.connect(url, autocommit=True) as two:
        sessions = [
            connection.execute("select pg_backend_pid()", prepare=False).fetchall()
            for connection in (one, two)
        ]
    if sessions[0] == sessions[1]:
        raise SystemExit(
            "MIGRATION_DATABASE_URL leads through a pooler in transaction mode, which forgets the "
            "lock that keeps two migrations apart. Take the direct address of the server."
        )

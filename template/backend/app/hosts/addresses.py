"""What an address of a database says, and what has to be added to it."""

from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

_PROVEN = "verify-full"
_LOCAL = {"localhost", "127.0.0.1", "::1"}


def parsed(url: str) -> URL:
    """The parts of an address.

    Raises:
        ValueError: it is none.
    """
    try:
        return make_url(url)
    except ArgumentError:
        raise ValueError("is no address such as postgresql://user:password@host/name") from None


def pgbouncer_in(address: URL) -> str | None:
    """What in an address tells of PgBouncer, which is in transaction mode if it is of any use.

    Its port, or a name that somebody gave it. Neither proves anything where it is missing: see
    `app.hosts.ways`.
    """
    host = address.host or ""
    if "pgbouncer" in host:
        return f"the host {host}"
    if address.port == 6432:  # noqa: PLR2004  # PgBouncer's own
        return "port 6432"
    return None


def _hosts(address: URL) -> list[str]:
    """The names of the servers, which may stand among the parameters, or none for a socket."""
    names = address.query.get("host", address.host or "")
    return [name for name in ([names] if isinstance(names, str) else names) if name]


def with_proof(url: str, certificates: str | None) -> str:
    """The same address, where the server has to prove who it is.

    Without it TLS keeps out those who listen, and lets in those who answer in the server's place.

    Args:
        url: As it was set. What it says itself of certificates stays.
        certificates: The file with those whose signature is believed.

    Raises:
        ValueError: it asks for less, or nobody knows whom to believe.
    """
    address = parsed(url)
    if all(name.startswith("/") or name in _LOCAL for name in _hosts(address)):
        return url
    asked = address.query.get("sslmode", _PROVEN)
    if asked != _PROVEN:
        raise ValueError(
            f"sslmode={asked} does not ask the server who it is: say sslmode={_PROVEN}, or nothing"
        )
    certificates = str(address.query.get("sslrootcert", certificates or ""))
    if not certificates:
        raise ValueError(
            "nothing says whose certificates are believed: set DATABASE_ROOT_CERTIFICATES to the "
            "file that your host gives out (docs/database says where)"
        )
    if certificates != "system" and not Path(certificates).is_file():
        raise ValueError(f"the certificates are not there: {certificates}")
    proven = address.update_query_dict({"sslmode": _PROVEN, "sslrootcert": certificates})
    return proven.render_as_string(hide_password=False)

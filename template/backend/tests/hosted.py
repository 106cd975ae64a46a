"""Postgres as the product's host lays it out, on this machine, and its pooler before it.

`python -m tests.hosted FOLDER` runs both until SIGTERM, with the data in FOLDER. Once they take
connections it says, as one line of JSON, with which settings `make dev` runs on them, and by which
addresses they can be looked into. `--programs` names the Postgres to take. A power cut may cost the
data.
"""

import argparse
import json
import secrets
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from app.dev.postgres import OWNER, SUPERUSER, Postgres, programs_in
from app.dev.processes import LOOPBACK
from app.dev.servers import configured, login_url, project_name
from tests.choices import layout
from tests.pooler import known_as, pooled

CONNECTIONS = 4


@contextmanager
def hosted(folder: Path, programs: Path | None) -> Iterator[dict[str, dict[str, str]]]:
    """Run both, and say how they are reached."""
    own = configured()
    passwords = {login: own[f"{login.upper()}_PASSWORD"] for login in ("app_api", "app_worker")}
    password = secrets.token_urlsafe()
    postgres = Postgres(
        folder / "postgres",
        name=project_name(),
        password=password,
        log=folder / "postgres.log",
        durable=False,
    )
    if programs is not None:
        postgres.programs = programs_in(programs)
    try:
        postgres.start()
        with psycopg.connect(postgres.admin_url, autocommit=True) as admin:
            layout.prepare_server(admin)
            layout.prepare_database(admin)
        logins = {OWNER: password, **passwords}
        owner = postgres.url()
        with pooled(folder, owner, logins, CONNECTIONS, layout.POOLER) as pooler:
            yield {
                "settings": {
                    "DATABASE_URL": pooler.url,
                    "MIGRATION_DATABASE_URL": known_as(
                        owner, layout.SERVER, LOOPBACK, postgres.port
                    ),
                },
                "urls": {
                    "admin": postgres.url(SUPERUSER),
                    **{login: login_url(owner, login, secret) for login, secret in logins.items()},
                },
                "pooler": {
                    login: login_url(pooler.url, login, secret) for login, secret in logins.items()
                },
            }
    finally:
        postgres.stop()


def main() -> None:
    """Run until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--programs", type=Path)
    arguments = parser.parse_args()
    endings = {signal.SIGTERM, signal.SIGINT}
    with hosted(arguments.folder, arguments.programs) as told:
        # Not before: what was started would not hear them either.
        signal.pthread_sigmask(signal.SIG_BLOCK, endings)
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()
        signal.sigwait(endings)


if __name__ == "__main__":
    main()

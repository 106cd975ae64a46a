"""Makes the place of a new tenant as soon as the tenant is there.

The API cannot: it logs in as somebody who owns nothing. It writes the tenant down, which calls this
process, and lets the first request wait for a moment.
"""

import signal
import time

import psycopg
import structlog

from app import logs
from app.choices import tenancy
from app.database import psycopg_url
from app.settings import get_settings
from app.tenancy.fan_out import migrate_tenant

log = structlog.get_logger()

LOOK_AGAIN = 5.0
"""Seconds between two looks for tenants whose call was not heard, or whose place failed."""

_NEW = "select tenant_id from app.tenants_behind(%s) where revision is null"


def main() -> None:
    """Run until SIGTERM or SIGINT. What is half made then is finished by the next one.

    Raises:
        SystemExit: no MIGRATION_DATABASE_URL.
    """
    settings = get_settings()
    logs.configure(level=settings.log_level, readable=settings.environment == "development")
    if settings.migration_database_url is None:
        raise SystemExit(
            "MIGRATION_DATABASE_URL is not set: tenants' tables are made by their owner."
        )
    url = psycopg_url(settings.migration_database_url.get_secret_value())
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, _stop)
    while True:
        try:
            _serve(url)
        except psycopg.OperationalError as error:
            log.warning("provisioner.waiting", reason=str(error).strip())
            time.sleep(1.0)


def _stop(*_: object) -> None:
    log.info("provisioner.stopped")
    raise SystemExit


def _serve(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute("listen app_tenants")
        log.info("provisioner.started")
        while True:
            for (tenant_id,) in owner.execute(_NEW, [tenancy.places().current()]).fetchall():
                began = time.perf_counter()
                failure = migrate_tenant(url, tenancy.places(), tenant_id)
                if failure is not None:
                    log.error("tenant.failed", tenant_id=str(tenant_id), reason=failure.reason)
                    continue
                took = round((time.perf_counter() - began) * 1000, 1)
                log.info("tenant.ready", tenant_id=str(tenant_id), duration_ms=took)
            # One call is enough to look: the look finds everybody who called meanwhile.
            list(owner.notifies(timeout=LOOK_AGAIN, stop_after=1))

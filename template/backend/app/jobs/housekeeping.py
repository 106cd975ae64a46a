"""What the database needs done from time to time."""

import msgspec
from sqlalchemy import text

from app import jobs

_ROUND = text("select audit.ensure_partitions(), app.purge_tickets(), app.purge_messages()")


class KeepHouse(msgspec.Struct):
    """There is nothing to say."""


@jobs.task("housekeeping", KeepHouse, attempts=3, timeout=300.0)
async def keep_house(job: jobs.Job, _: KeepHouse) -> None:
    """Make the audit trail's coming partitions, and forget tickets and messages that are over."""
    await job.everywhere(_ROUND)


jobs.every("17 * * * *", keep_house, KeepHouse())

"""A pool of connections in front of which the line is measured, and does not grow without end."""

import time

from prometheus_client import Counter, Gauge, Histogram
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import AsyncAdaptedQueuePool, ConnectionPoolEntry

LONGEST_LINE = 20
"""So many requests may wait for each connection of the pool. Whoever comes then is told at once:
they would wait for longer than anybody does, and hold what they have read meanwhile."""

_WAIT = Histogram(
    "database_pool_wait_seconds",
    "How long a connection was waited for, the time to open one included.",
    buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
_WAITING = Gauge("database_pool_waiting", "Who waits for a connection now.")
_REFUSED = Counter(
    "database_pool_refused_total",
    "Who got no connection: the line was too long, or they had waited for too long.",
    ["reason"],
)


class MeasuredPool(AsyncAdaptedQueuePool):
    """The usual pool, with a line of a known length."""

    _waiting = 0

    def _do_get(self) -> ConnectionPoolEntry:
        if self._waiting >= LONGEST_LINE * self.size():
            _REFUSED.labels("line").inc()
            raise PoolTimeoutError(f"{self._waiting} wait for one of {self.size()} connections")
        began = time.perf_counter()
        self._waiting += 1
        _WAITING.inc()
        try:
            return super()._do_get()
        except PoolTimeoutError:
            _REFUSED.labels("time").inc()
            raise
        finally:
            self._waiting -= 1
            _WAITING.dec()
            _WAIT.observe(time.perf_counter() - began)

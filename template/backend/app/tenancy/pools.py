"""The connections of one process: to the control database, and to those of tenants in use."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from sqlalchemy import Executable, Row, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine

from app import database
from app.tenancy.servers import url_on

if TYPE_CHECKING:
    from app.settings import Settings

__all__ = ["create_engine"]

MOST_KNOWN = 10_000
"""Of so many tenants a process remembers where their databases are."""

IDLE_SECONDS = 60.0
"""A tenant's connections that were not needed for so long may be closed."""

_FIND = text("select id, server, database from app.find_place(:organization)")
_PLACE = text("select id, server, database from app.place_of(:tenant)")


class Place(NamedTuple):
    """Where a tenant's database is."""

    tenant_id: UUID
    server: str
    database: str


class TenantEngine(AsyncEngine):
    """The connections to one tenant's database.

    Attributes:
        control: Those to the control database.
        place: Whose it is, and where.
        users: How many are using it now.
        used_at: When somebody did last, on the monotonic clock.
    """

    def __init__(self, control: "Databases", place: Place, engine: AsyncEngine) -> None:
        super().__init__(engine.sync_engine)
        self.control = control
        self.place = place
        self.users = 0
        self.used_at = 0.0


class Databases(AsyncEngine):
    """The control database's connections, and a way to those of each tenant's database.

    At most `tenant_pools` databases are connected to at a time: who needs another one ends the
    connections of the one that was not used for longest, or waits until one is free.
    """

    def __init__(self, settings: "Settings", *, application_name: str) -> None:
        control = database.create_engine(settings, application_name=application_name)
        super().__init__(control.sync_engine)
        self._settings = settings
        self._application_name = application_name
        self._pools: OrderedDict[UUID, TenantEngine] = OrderedDict()
        self._known: OrderedDict[str | UUID, tuple[Place, float]] = OrderedDict()
        self._turn = asyncio.Lock()
        self._freed = asyncio.Event()
        self._sweeper: asyncio.Task[None] | None = None

    @property
    def connected(self) -> int:
        """How many tenants' databases there are connections to."""
        return len(self._pools)

    async def find(self, claims: Mapping[str, Any]) -> Place | None:
        """Where these claims are proven; None for the control database.

        Args:
            claims: A token's, or a worker's: `place` is the tenant whose job it runs.
        """
        if (tenant := claims.get("place")) is not None:
            return await self.place_of(UUID(tenant))
        organization = claims.get("org_id")
        if organization is None:
            named = claims.get("tenant_id")
            return None if named is None else await self.place_of(UUID(named))
        return await self._look_up(organization, _FIND, organization=organization)

    async def place_of(self, tenant_id: UUID) -> Place | None:
        """Where a tenant's database is; None if there is none, or not yet."""
        return await self._look_up(tenant_id, _PLACE, tenant=tenant_id)

    async def ask(self, query: Executable, **parameters: Any) -> Row[Any] | None:
        """What the control database says. It may be asked twice, as a connection may have died."""
        try:
            return await self._ask(query, parameters)
        except DBAPIError as error:
            # The server was restarted while connections lay in the pool, which is empty now.
            if not error.connection_invalidated:
                raise
            return await self._ask(query, parameters)

    async def _ask(self, query: Executable, parameters: dict[str, Any]) -> Row[Any] | None:
        async with self.connect() as session:
            return (await session.execute(query, parameters)).one_or_none()

    def forget(self, claims: Mapping[str, Any]) -> None:
        """Look anew, the next time that these claims come."""
        if (tenant := claims.get("place") or claims.get("tenant_id")) is not None:
            self._known.pop(UUID(tenant), None)
        self._known.pop(claims.get("org_id", ""), None)

    def forget_tenant(self, tenant_id: UUID) -> None:
        """Look anew, the next time that this tenant is asked for."""
        self._known.pop(tenant_id, None)

    @asynccontextmanager
    async def connections(self, place: Place) -> AsyncIterator[TenantEngine]:
        """The connections to a tenant's database, which stay while this is open.

        Raises:
            sqlalchemy.exc.TimeoutError: as many databases as may be are in use, and stay so.
        """
        pool = self._pools.get(place.tenant_id)
        if pool is None or pool.place != place:
            pool = await self._make(place)
        pool.users += 1
        self._pools.move_to_end(place.tenant_id)
        try:
            yield pool
        finally:
            pool.users -= 1
            pool.used_at = time.monotonic()
            if not pool.users:
                self._freed.set()

    async def close_idle(self, seconds: float = IDLE_SECONDS) -> None:
        """End the connections to databases that were not needed for so long."""
        before = time.monotonic() - seconds
        async with self._turn:
            for tenant_id, pool in list(self._pools.items()):
                if not pool.users and pool.used_at <= before:
                    del self._pools[tenant_id]
                    await pool.dispose()

    async def dispose(self, close: bool = True) -> None:  # as its base has it
        """End all connections that nobody uses."""
        if close:
            if self._sweeper is not None:
                self._sweeper.cancel()
                self._sweeper = None
            await self.close_idle(0.0)
        await super().dispose(close)

    async def _look_up(self, key: str | UUID, query: Any, **parameters: Any) -> Place | None:
        found = self._known.get(key)
        if found is not None and found[1] > time.monotonic():
            return found[0]
        row = await self.ask(query, **parameters)
        if row is None:
            self._known.pop(key, None)
            return None
        place = Place(row.id, row.server, row.database)
        self._known[key] = (place, time.monotonic() + self._settings.tenant_cache_seconds)
        self._known.move_to_end(key)
        if len(self._known) > MOST_KNOWN:
            self._known.popitem(last=False)
        return place

    async def _make(self, place: Place) -> TenantEngine:
        try:
            async with asyncio.timeout(self._settings.database_pool_timeout), self._turn:
                while (pool := self._pools.get(place.tenant_id)) is None or pool.place != place:
                    if pool is not None:
                        # The tenant has moved, and this leads to where it was.
                        await self._end(None if pool.users else place.tenant_id)
                    elif self.connected >= self._settings.tenant_pools:
                        idle = (found for found, pool in self._pools.items() if not pool.users)
                        await self._end(next(idle, None))
                    else:
                        self._pools[place.tenant_id] = self._engine(place)
                        if self._sweeper is None:
                            self._sweeper = asyncio.create_task(self._sweep())
                return pool
        except TimeoutError:
            raise PoolTimeoutError(
                f"{self.connected} tenants' databases are in use, which is the limit (TENANT_POOLS)"
            ) from None

    async def _end(self, tenant_id: UUID | None) -> None:
        """End a tenant's connections; None if they are in use, so that one has to wait."""
        if tenant_id is None:
            self._freed.clear()
            await self._freed.wait()
        else:
            # Nobody makes another one before these connections are gone: the limit holds at the
            # server too.
            await self._pools.pop(tenant_id).dispose()

    async def _sweep(self) -> None:
        """End what nobody needs, as long as this process lives: its server may have to go."""
        while True:
            await asyncio.sleep(IDLE_SECONDS / 2)
            await self.close_idle()

    def _engine(self, place: Place) -> TenantEngine:
        own = self._settings.database_url.get_secret_value()
        url = url_on(own, self._settings.tenant_servers, place.server, place.database)
        engine = database.create_engine(
            self._settings,
            application_name=self._application_name,
            url=url,
            pool_size=self._settings.tenant_pool_size,
        )
        return TenantEngine(self, place, engine)


def create_engine(settings: "Settings", *, application_name: str) -> Databases:
    """The connections of this process."""
    return Databases(settings, application_name=application_name)

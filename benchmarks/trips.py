"""Round trips between the API and Postgres, counted on the wire."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import httpx
import psycopg
from product import Product, free_port
from report import Report
from rows import ensure_filled

REQUESTS = 20


class Proxy:
    """Passes bytes through and counts how often the client speaks after the server has spoken."""

    def __init__(self, target: str, port: int) -> None:
        self._target = urlsplit(target)
        self.trips = 0
        self.port = port
        address = self._target.netloc.rpartition("@")[0]
        self.url = urlunsplit(self._target._replace(netloc=f"{address}@127.0.0.1:{port}"))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        there = await asyncio.open_connection(self._target.hostname, self._target.port)
        server_spoke = True

        def client_speaks() -> None:
            nonlocal server_spoke
            self.trips += server_spoke
            server_spoke = False

        def server_speaks() -> None:
            nonlocal server_spoke
            server_spoke = True

        with suppress(ConnectionError):
            await asyncio.gather(
                _pump(reader, there[1], client_speaks), _pump(there[0], writer, server_speaks)
            )


async def _pump(
    source: asyncio.StreamReader, sink: asyncio.StreamWriter, spoke: Callable[[], None]
) -> None:
    try:
        while data := await source.read(65536):
            spoke()
            sink.write(data)
            await sink.drain()
    finally:
        sink.close()


def measure(product: Product, report: Report) -> None:
    """Requests one after the other, so that no two flights are taken for one."""
    tenant = ensure_filled(product)
    proxy = Proxy(product.runtime()["urls"]["app_api"], free_port())
    counted = asyncio.run(_measure(product, proxy, tenant.token))
    plain = counted.pop("one statement in a plain transaction")
    rows = [("one statement in BEGIN … COMMIT, psycopg", f"{plain:.1f}", "")]
    rows += [(name, f"{trips:.1f}", f"{trips - plain:+.1f}") for name, trips in counted.items()]
    report.table(
        "Round trips",
        ("", "per request", "more than a plain transaction"),
        rows,
        "The tenant's context travels with BEGIN; the aim is at most one trip more.",
    )


async def _measure(product: Product, proxy: Proxy, token: str) -> dict[str, float]:
    counted: dict[str, float] = {}

    async def count(name: str, act: Callable[[], Awaitable[object]]) -> None:
        await act()
        before = proxy.trips
        for _ in range(REQUESTS):
            await act()
        counted[name] = (proxy.trips - before) / REQUESTS

    server = await asyncio.start_server(proxy.serve, "127.0.0.1", proxy.port)
    async with server:
        connection = await psycopg.AsyncConnection.connect(proxy.url, prepare_threshold=None)

        async def plain() -> None:
            await connection.execute("select 1")
            await connection.commit()

        await count("one statement in a plain transaction", plain)
        await connection.close()

        starting = product.measured_api(proxy.url)
        url, _ = await asyncio.to_thread(starting.__enter__)
        try:
            headers = {"Authorization": f"Bearer {token}"}
            async with httpx.AsyncClient(
                base_url=f"{url}/api/v1", headers=headers, trust_env=False
            ) as http:
                await count("GET /me", lambda: _ok(http.get("/me")))
                await count("GET /contacts (100)", lambda: _ok(http.get("/contacts?limit=100")))
                await count(
                    "POST /contacts",
                    lambda: _ok(http.post("/contacts", content=_new_contact(), headers=_JSON)),
                )
        finally:
            await asyncio.to_thread(starting.__exit__, None, None, None)
    return counted


_JSON = {"Content-Type": "application/json"}


def _new_contact() -> str:
    return json.dumps({"name": "New", "email": f"{uuid4().hex}@example.com"})


async def _ok(answering: Awaitable[httpx.Response]) -> None:
    (await answering).raise_for_status()

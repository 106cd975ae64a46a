"""The stack in front of the application, met over real sockets: headers, limits, errors, logs."""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from fastapi import FastAPI
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from app.metrics import Reading
from app.metrics import router as metrics_router
from app.security import docs, rates
from app.security.headers import HEADERS
from app.security.problems import Problem
from app.security.rates import RateLimit, open_storage

BACKEND = Path(__file__).parents[1]
# A process of its own: it is cut off and flooded here, and its stdout is the log.
SERVER = Path(__file__).with_name("security_server.py")
MEBIBYTE = 1024 * 1024
LIMIT, UPLOAD_LIMIT = 64 * 1024, 2 * MEBIBYTE
PER_ADDRESS = 25


@dataclass
class Server:
    url: str
    port: int
    log: Path

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    async def line(self, **wanted: Any) -> dict[str, Any]:
        """The first line with these values; the server writes it after the answer was read."""
        async with asyncio.timeout(30):
            while True:
                for line in self.lines():
                    if line.items() >= wanted.items():
                        return line
                await asyncio.sleep(0.01)


def serve(
    folder: Path, *, origins: str = "", per_address: str = "100000/minute"
) -> Iterator[Server]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = folder / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, SERVER, str(port), origins, per_address],
            env={**os.environ, "PYTHONPATH": str(BACKEND)},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + 30
        while True:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.02)
        yield Server(f"http://127.0.0.1:{port}", port, log)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=15)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    yield from serve(tmp_path_factory.mktemp("server"))


@pytest.fixture(scope="module")
def browser_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    yield from serve(tmp_path_factory.mktemp("browser"), origins="https://app.example.com")


@pytest.fixture
def limited_server(tmp_path: Path) -> Iterator[Server]:
    yield from serve(tmp_path, per_address=f"{PER_ADDRESS}/minute")


@pytest.fixture
async def client(server: Server) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=server.url) as opened:
        yield opened


def assert_problem(response: httpx.Response, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]
    assert body["type"] == "about:blank" or body["type"].startswith("urn:problem:")
    assert body["request_id"] == response.headers["x-request-id"]
    assert_headers(response)
    return body


def assert_headers(response: httpx.Response, **own: str) -> None:
    for name, value in HEADERS.items():
        assert response.headers.get_list(name) == [own.get(name.replace("-", "_"), value)], name
    assert "server" not in response.headers


# Headers


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/contacts/1", {}, 200),
        ("GET", "/openapi.json", {}, 200),
        ("GET", "/healthz", {}, 200),
        ("GET", "/readyz", {}, 503),
        ("GET", "/metrics", {}, 401),
        ("GET", "/nothing/here", {}, 404),
        ("PATCH", "/contacts/1", {}, 405),
        ("GET", "/contacts/1?limit=1000", {}, 422),
        ("GET", "/crash", {}, 500),
        ("GET", "/database/down", {}, 503),
        ("GET", "/contacts/1", {"host": "evil.test"}, 400),
        ("POST", "/contacts", {"content-length": str(LIMIT + 1)}, 413),
        ("OPTIONS", "/contacts/1", {"origin": "https://x.test"}, 405),
    ],
)
async def test_every_answer_has_every_header(
    client: httpx.AsyncClient, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    content = b"x" * (LIMIT + 1) if status == 413 else None
    response = await client.request(method, path, headers=headers, content=content)
    assert response.status_code == status
    assert_headers(response)
    assert re.fullmatch("[0-9a-f]{32}", response.headers["x-request-id"])


async def test_the_policy_of_the_api_allows_nothing(client: httpx.AsyncClient) -> None:
    policy = (await client.get("/contacts/1")).headers["content-security-policy"]
    assert policy == (
        "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    )


# Errors


async def test_an_unknown_path_and_a_wrong_method_are_problems(client: httpx.AsyncClient) -> None:
    assert_problem(await client.get("/nothing"), 404)
    response = await client.put("/contacts/1")
    assert_problem(response, 405)
    assert response.headers["allow"] == "GET"


async def test_invalid_fields_are_named_and_not_repeated(client: httpx.AsyncClient) -> None:
    response = await client.post("/contacts", json={"name": {"password": "hunter2"}})
    body = assert_problem(response, 422)
    assert [error["field"] for error in body["errors"]] == ["name"]
    assert "hunter2" not in response.text

    response = await client.get("/contacts/1", params={"limit": "1000"})
    assert [error["field"] for error in assert_problem(response, 422)["errors"]] == ["limit"]

    response = await client.post(
        "/contacts", content=b"{nonsense", headers={"content-type": "application/json"}
    )
    assert [error["field"] for error in assert_problem(response, 422)["errors"]] == ["body"]


async def test_a_crash_tells_the_log_and_not_the_client(
    client: httpx.AsyncClient, server: Server
) -> None:
    response = await client.get("/crash")
    body = assert_problem(response, 500)
    assert "secret" not in response.text
    assert "Traceback" not in response.text
    line = await server.line(event="unexpected error", request_id=body["request_id"])
    assert "RuntimeError: a secret of the inside" in line["exception"]
    assert line["level"] == "error"


async def test_a_crash_in_the_middle_of_an_answer_cuts_the_connection(
    client: httpx.AsyncClient,
) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        await client.get("/half")


@pytest.mark.parametrize(
    ("what", "status"),
    [
        ("down", 503),
        ("gone", 503),
        ("23505", 409),
        ("23503", 409),
        ("42501", 403),
        ("40P01", 503),
        ("22012", 500),
    ],
)
async def test_what_the_database_says_stays_inside(
    client: httpx.AsyncClient, server: Server, what: str, status: int
) -> None:
    response = await client.get(f"/database/{what}")
    assert_problem(response, status)
    assert ("retry-after" in response.headers) == (status == 503)
    assert "ada@" not in response.text
    assert "db-7" not in response.text
    await server.line(event="request", request_id=response.headers["x-request-id"])
    assert "ada@" not in server.log.read_text()


# Body limits


@pytest.mark.parametrize(("path", "limit"), [("/contacts", LIMIT), ("/uploads", UPLOAD_LIMIT)])
@pytest.mark.parametrize("announced", [True, False], ids=["content-length", "chunked"])
async def test_a_large_body_is_refused(
    client: httpx.AsyncClient, path: str, limit: int, *, announced: bool
) -> None:
    body = multipart(limit + 1)
    headers = {"content-type": "multipart/form-data; boundary=edge"}
    content = body if announced else chunks(body)
    response = await client.post(path, content=content, headers=headers)
    assert assert_problem(response, 413)["limit_bytes"] == limit
    assert response.headers["connection"] == "close"


async def test_a_body_within_the_limit_arrives(client: httpx.AsyncClient) -> None:
    headers = {"content-type": "multipart/form-data; boundary=edge"}
    for content in (multipart(UPLOAD_LIMIT - 1000), chunks(multipart(UPLOAD_LIMIT - 1000))):
        response = await client.post("/uploads", content=content, headers=headers)
        assert response.json() == {"size": UPLOAD_LIMIT - 1000}


async def test_an_endpoint_cannot_swallow_the_refusal(client: httpx.AsyncClient) -> None:
    response = await client.post("/swallows", content=chunks(b"x" * (LIMIT + 1)))
    assert_problem(response, 413)


@pytest.mark.parametrize("framing", ["Content-Length: {size}", "Transfer-Encoding: chunked"])
async def test_a_client_that_reads_only_after_sending_gets_its_answer(
    server: Server, framing: str
) -> None:
    """Six megabytes against a limit of two: more than the buffers of both sides of a socket."""

    body = multipart(6 * MEBIBYTE)
    head = (
        "POST /uploads HTTP/1.1\r\nHost: localhost\r\n"
        "Content-Type: multipart/form-data; boundary=edge\r\n"
        f"{framing.format(size=len(body))}\r\n\r\n"
    )
    if "chunked" in framing:
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)

    def talk() -> bytes:
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
            connection.sendall(head.encode() + body)
            return read_to_end(connection)

    assert (await asyncio.to_thread(talk)).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("path", ["/contacts", "/uploads"])
@pytest.mark.parametrize("announced", [True, False], ids=["content-length", "chunked"])
async def test_two_hundred_megabytes_are_refused(
    client: httpx.AsyncClient, path: str, *, announced: bool
) -> None:
    """This client, too, sends everything before it reads anything."""

    async def body() -> AsyncIterator[bytes]:
        yield multipart(0).partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
        piece = b"x" * MEBIBYTE
        for _ in range(200):
            yield piece
        yield multipart(0)[-len(b"\r\n--edge--\r\n") :]

    headers = {"content-type": "multipart/form-data; boundary=edge"}
    if announced:
        headers["content-length"] = str(len(multipart(200 * MEBIBYTE)))
    response = await client.post(path, content=body(), headers=headers, timeout=30)
    assert_problem(response, 413)


async def test_a_client_that_waits_for_permission_is_not_asked_to_send(server: Server) -> None:
    answer = await raw(
        server,
        f"POST /contacts HTTP/1.1\r\nHost: localhost\r\nContent-Length: {LIMIT + 1}\r\n"
        "Expect: 100-continue\r\nConnection: close\r\n\r\n",
    )
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"100 Continue" not in answer


@pytest.mark.parametrize(
    "headers",
    [
        "Content-Length: -1",
        "Content-Length: 5\r\nContent-Length: 500",
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Content-Length: 5, 5",
        "Content-Length: 0x5",
    ],
)
async def test_a_contradictory_length_is_a_bad_request(server: Server, headers: str) -> None:
    answer = await raw(
        server,
        f"POST /contacts HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n"
        "Connection: close\r\n\r\n12345",
    )
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1") == 1


# Rate limits


async def test_an_address_has_a_limit_and_probes_have_none(limited_server: Server) -> None:
    async with httpx.AsyncClient(base_url=limited_server.url) as client:
        statuses = [(await client.get("/contacts/1")).status_code for _ in range(PER_ADDRESS)]
        assert statuses == [200] * PER_ADDRESS
        response = await client.get("/contacts/1")
        assert_problem(response, 429)
        seconds = int(response.headers["retry-after"])
        assert 1 <= seconds <= 60
        assert response.headers["ratelimit"] == f'"address";r=0;t={seconds}'
        assert response.headers["ratelimit-policy"] == f'"address";q={PER_ADDRESS};w=60'
        assert (await client.get("/healthz")).status_code == 200
        assert (await client.get("/metrics")).status_code == 401
    with pytest.raises(InvalidStatus) as refused:
        await connect(f"ws://127.0.0.1:{limited_server.port}/socket/a")
    assert refused.value.response.status_code == 429


async def test_a_principal_has_a_limit_of_its_own() -> None:
    limit = RateLimit("principal", "2/minute", open_storage("async+memory://"))
    await limit.check("a")
    await limit.check("a")
    await limit.check("b")
    with pytest.raises(Problem) as refused:
        await limit.check("a")
    assert refused.value.status == 429
    await limit.check("b")


async def test_a_window_ends() -> None:
    limit = RateLimit("principal", "1/second", open_storage("async+memory://"))

    async def is_refused() -> bool:
        try:
            await limit.check("a")
        except Problem:
            return True
        return False

    assert not await is_refused()
    assert await is_refused()
    async with asyncio.timeout(30):
        while await is_refused():
            await asyncio.sleep(0.05)


async def test_limits_are_off_while_their_storage_is_down(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound and not listening: refuses
        storage = open_storage(f"async+redis://127.0.0.1:{nobody.getsockname()[1]}")
        limit = RateLimit("principal", "1/minute", storage)
        log = structlog.testing.CapturingLogger()
        monkeypatch.setattr(rates, "log", log)
        for _ in range(5):
            await limit.check("a")
    assert [call.method_name for call in log.calls] == ["warning"]


# Hosts and origins


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LOCALHOST:8000", 200),
        ("[::1]:8000", 200),
        ("app.example.com", 200),
        ("example.com", 400),
        ("evil.test", 400),
        ("localhost.evil.test", 400),
        ("evil.test:80@localhost", 400),
        ("localhost\r\nHost: evil.test", 400),
        ("", 400),
    ],
)
async def test_only_known_hosts_are_answered(server: Server, host: str, status: int) -> None:
    request = f"GET /contacts/1 HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    answer = await raw(server, request)
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert (b"urn:problem:unknown-host" in answer) == (status == 400)


async def test_probes_ask_by_address(client: httpx.AsyncClient) -> None:
    response = await client.get("/healthz", headers={"host": "10.2.3.4:8000"})
    assert response.status_code == 200


async def test_a_websocket_for_another_host_is_refused(server: Server) -> None:
    with pytest.raises(InvalidStatus) as refused:
        await connect(f"ws://evil.test:{server.port}/socket/a", host="127.0.0.1", port=server.port)
    assert refused.value.response.status_code == 400
    assert refused.value.response.headers["x-content-type-options"] == "nosniff"


async def test_without_origins_no_page_may_call(client: httpx.AsyncClient) -> None:
    response = await client.get("/contacts/1", headers={"origin": "https://app.example.com"})
    assert not [name for name in response.headers if name.startswith("access-control-")]


async def test_a_named_origin_may_call_without_cookies(browser_server: Server) -> None:
    ours, others = {"origin": "https://app.example.com"}, {"origin": "https://evil.test"}
    preflight = {
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization, content-type, idempotency-key",
    }
    async with httpx.AsyncClient(base_url=browser_server.url) as client:
        allowed = await client.options("/contacts", headers={**ours, **preflight})
        assert allowed.status_code == 200
        assert allowed.headers["access-control-allow-origin"] == ours["origin"]
        assert "access-control-allow-credentials" not in allowed.headers
        assert_headers(allowed)

        refused = await client.options("/contacts", headers={**others, **preflight})
        assert_problem(refused, 400)
        assert "access-control-allow-origin" not in refused.headers

        # A page must be able to read why it failed.
        for path, status in (("/contacts/1", 200), ("/crash", 500), ("/nothing", 404)):
            response = await client.get(path, headers=ours)
            assert response.status_code == status
            assert response.headers["access-control-allow-origin"] == ours["origin"]
            assert "X-Request-ID" in response.headers["access-control-expose-headers"]
            response = await client.get(path, headers=others)
            assert "access-control-allow-origin" not in response.headers


# Request ids and logs


async def test_a_request_id_is_kept_when_harmless(client: httpx.AsyncClient) -> None:
    response = await client.get("/contacts/1", headers={"x-request-id": "edge-7f.3_A1"})
    assert response.headers.get_list("x-request-id") == ["edge-7f.3_A1"]


@pytest.mark.parametrize(
    "given", ["short", "x" * 65, "has space here", "<script>alert", "ümlaut-äöü"]
)
async def test_a_bad_request_id_is_replaced(client: httpx.AsyncClient, given: str) -> None:
    response = await client.get("/contacts/1", headers={b"x-request-id": given.encode()})
    assert re.fullmatch("[0-9a-f]{32}", response.headers["x-request-id"])


async def test_a_request_id_cannot_add_headers(server: Server) -> None:
    answer = await raw(
        server,
        "GET /contacts/1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        "X-Request-ID: abcdefgh\n\rX-Injected: yes\r\n\r\n",
    )
    assert b"x-injected" not in answer.lower()


async def test_one_line_a_request_names_who_and_not_what(
    client: httpx.AsyncClient, server: Server
) -> None:
    response = await client.get(
        "/contacts/ada@example.com?q=a-private-search&ticket=a-secret-ticket",
        headers={"authorization": "Bearer a-secret-token"},
    )
    request_id = response.headers["x-request-id"]
    line = await server.line(event="request", request_id=request_id)
    assert (
        line.items()
        >= {
            "method": "GET",
            "route": "/contacts/{contact_id}",
            "status": 200,
            "actor_id": "actor-1",
            "tenant_id": "org-1",
            "level": "info",
        }.items()
    )
    assert line["duration_ms"] > 0
    assert [entry.get("request_id") for entry in server.lines()].count(request_id) == 1
    for secret in ("a-private-search", "a-secret-ticket", "a-secret-token", "ada@example.com"):
        assert secret not in server.log.read_text()


async def test_a_websocket_ticket_is_not_logged(server: Server) -> None:
    address = f"ws://127.0.0.1:{server.port}/socket/a?ticket=another-secret-ticket"
    async with connect(address) as socket_:
        await socket_.wait_closed()
    line = await server.line(event="request", method="WEBSOCKET", status=101)
    assert line["route"] == "/socket/{name}"
    assert "another-secret-ticket" not in server.log.read_text()


async def test_probes_are_logged_for_debugging_only(
    client: httpx.AsyncClient, server: Server
) -> None:
    response = await client.get("/healthz")
    line = await server.line(event="request", request_id=response.headers["x-request-id"])
    assert line["level"] == "debug"


# Probes and metrics


async def test_readiness_names_the_part_and_keeps_the_reason(
    client: httpx.AsyncClient, server: Server
) -> None:
    response = await client.get("/readyz")
    assert response.status_code == 503
    assert response.json() == {
        "status": "unready",
        "checks": {"database": "unreachable", "storage": "ok"},
    }
    assert (await server.line(event="not ready"))["check"] == "database"


async def test_metrics_need_their_token(client: httpx.AsyncClient) -> None:
    for wrong in ({}, {"authorization": "Bearer wrong"}, {"authorization": "metrics-secret"}):
        response = await client.get("/metrics", headers=wrong)
        assert_problem(response, 401)
        assert response.headers["www-authenticate"] == "Bearer"


async def test_metrics_count_by_template(client: httpx.AsyncClient) -> None:
    for path in ("/contacts/7", "/contacts/8", "/no/such/path"):
        await client.get(path)
    response = await client.get("/metrics", headers={"authorization": "Bearer metrics-secret"})
    assert response.status_code == 200
    assert 'method="GET",route="/contacts/{contact_id}",status="2xx"' in response.text
    assert 'route="unmatched",status="4xx"' in response.text
    assert "/contacts/7" not in response.text
    assert "/no/such" not in response.text
    assert "http_requests_in_flight 1.0" in response.text


async def test_a_metric_that_cannot_be_read_hides_no_other() -> None:
    async def four() -> float:
        return 4

    async def fails() -> float:
        raise ConnectionError

    app = FastAPI()
    readings = {"test_four": Reading("Four.", four), "test_broken": Reading("Fails.", fails)}
    app.include_router(metrics_router(None, readings))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        text = (await client.get("/metrics")).text
    assert "test_four 4.0" in text
    assert "test_broken NaN" in text


# The documentation page


async def test_the_reference_loads_nothing_from_elsewhere(client: httpx.AsyncClient) -> None:
    response = await client.get("/docs")
    assert response.status_code == 200
    assert_headers(response, content_security_policy=docs.POLICY)
    assert "unsafe" not in docs.POLICY
    assert "http" not in docs.POLICY

    loaded = re.findall(r'(?:src|href)="([^"]+)"', response.text)
    assert len(loaded) == 5
    for address in loaded:
        assert not re.match(r"\w+:|//", address)
        asset = await client.get(f"/{address}")
        assert asset.status_code == 200, address
        assert_headers(asset, cache_control="public, no-cache")
    # Nothing inline: every script has an address, nothing has a style or a handler.
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", response.text)


async def test_the_reference_tells_the_truth_about_errors(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    answers = document["paths"]["/contacts"]["post"]["responses"]
    assert set(answers) == {"200", "400", "409", "413", "422", "429", "500", "503"}
    for status, answer in answers.items():
        is_problem = "application/problem+json" in answer["content"]
        assert is_problem is (status != "200"), status
    assert "HTTPValidationError" not in document["components"]["schemas"]


# Helpers


def multipart(size: int) -> bytes:
    head = b'--edge\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'
    return head + b"x" * size + b"\r\n--edge--\r\n"


async def chunks(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 65536):
        yield body[start : start + 65536]


async def raw(server: Server, request: str) -> bytes:
    """Send these bytes and read until the server closes, or has answered and waits."""

    def talk() -> bytes:
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
            connection.sendall(request.encode())
            return read_to_end(connection)

    return await asyncio.to_thread(talk)


def read_to_end(connection: socket.socket) -> bytes:
    answer = b""
    while piece := connection.recv(65536):
        answer += piece
    return answer

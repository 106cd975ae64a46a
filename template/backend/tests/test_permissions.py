"""The table of permissions: what it says is written down, and every endpoint asks for one of it.

Endpoints are those of the application, however they came to be there.
"""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple, get_args

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.routing import WebSocketRoute

from app.auth.permissions import MEANINGS, ROLES, Permission
from app.choices import managing
from app.command_choices import tenancy
from app.dev.servers import BACKEND
from app.main import create_app
from app.realtime import access
from app.settings import Settings
from tests.running import Platform

PUBLIC = {
    "/healthz": "asked by whoever restarts the process",
    "/readyz": "asked by the load balancer",
    "/metrics": "asked by Prometheus, with a token of its own outside development",
    "/openapi.json": "what the API is, the same for everybody",
    "/docs": "what the API is, for people",
    "/docs/docs.css": "what that page is made of",
    "/docs/docs.js": "the same",
    "/docs/icon.svg": "the same",
    "/docs/swagger-ui-bundle.js": "the same",
    "/docs/swagger-ui.css": "the same",
    "/api/v1/webhooks/auth": "asked by the sign-in provider, who signs what it sends",
    "/api/v1/realtime": "opened with a ticket, for which realtime:connect was asked",
}
"""What asks for no permission, and why."""

IS_MANAGED_HERE = "app.features.organizations.endpoints" in managing.ENDPOINTS
RESERVED = {} if IS_MANAGED_HERE else {"organization:write": "the provider renames organizations"}
"""Permissions that no endpoint asks for yet, and what they are for."""


class Gate(NamedTuple):
    """What a route asks of its callers."""

    method: str
    path: str
    permissions: tuple[Permission | None, ...]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@pytest.fixture(scope="module")
def app(platform: Platform) -> FastAPI:
    values = platform.environment(platform.connections.for_api())
    fields = {name.lower(): value for name, value in values.items()}
    return create_app(Settings(_env_file=None, **fields))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def gates(app: FastAPI) -> list[Gate]:
    return [
        Gate(method, route.path or "", tuple(permissions_in(route)))
        for route in iter_route_contexts(app.routes)
        for method in sorted(route.methods or {"WS"})
    ]


def permissions_in(route: Any) -> Iterator[Permission | None]:
    """What the dependencies of a route ask for; None: to be signed in."""
    if not isinstance(route.original_route, APIRoute):
        return
    waiting = [route.original_route.dependant]
    while waiting:
        dependant = waiting.pop()
        waiting += dependant.dependencies
        call: Any = dependant.call
        if hasattr(call, "permission"):
            yield call.permission


def test_every_endpoint_asks_for_one_permission_or_is_public_for_a_reason(
    gates: list[Gate],
) -> None:
    for gate in gates:
        if gate.path in PUBLIC:
            assert not gate.permissions, f"{gate} is not public: take it out of PUBLIC"
        else:
            assert len(gate.permissions) == 1, (
                f"{gate} asks for {gate.permissions}: declare requires(…), caller_with(…) or"
                " signed_in() in its signature, or give a reason in PUBLIC"
            )


def test_the_openapi_document_knows_the_same_endpoints(app: FastAPI, gates: list[Gate]) -> None:
    documented = {
        (method.upper(), path): bool(operation.get("security"))
        for path, methods in app.openapi()["paths"].items()
        for method, operation in methods.items()
    }
    asked = {(gate.method, gate.path): bool(gate.permissions) for gate in gates}
    unlisted = {gate for gate in asked if gate not in documented and gate[1] not in PUBLIC}
    assert not unlisted, "an endpoint that the document does not name"
    wrong = {gate for gate, is_secured in documented.items() if asked[gate] is not is_secured}
    assert not wrong, "the document says otherwise who may call it"


def test_the_only_websocket_asks_for_a_ticket(app: FastAPI) -> None:
    sockets = {
        route.path
        for route in iter_route_contexts(app.routes)
        if isinstance(route.original_route, WebSocketRoute)
    }
    assert sockets == {"/api/v1/realtime"}
    assert access.PERMISSION == "realtime:connect"


def test_every_permission_is_asked_for_somewhere(gates: list[Gate]) -> None:
    asked = {permission for gate in gates for permission in gate.permissions}
    known = {name for name in get_args(Permission) if not is_unused_here(name)}
    assert asked - {None} <= known
    unused = known - asked - RESERVED.keys()
    assert not unused, f"no endpoint asks for {unused}: remove them, or say in RESERVED what for"
    used = asked & RESERVED.keys()
    assert not used, f"an endpoint asks for {used} now: take them out of RESERVED"


def is_unused_here(permission: str) -> bool:
    return permission.partition(":")[0] in tenancy.UNUSED


def test_every_permission_has_a_meaning() -> None:
    assert list(MEANINGS) == list(get_args(Permission))
    assert all(meaning and "|" not in meaning for meaning in MEANINGS.values())


def test_every_role_is_listed_and_owners_may_do_everything() -> None:
    assert set(tenancy.ROLES) <= ROLES.keys()
    assert ROLES["owner"] == frozenset(get_args(Permission))


def run(*arguments: str) -> str:
    return subprocess.run(
        [sys.executable, "-m", "app.cli", "permissions", *arguments],
        cwd=BACKEND,
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def test_the_page_is_what_the_command_prints() -> None:
    (page,) = (BACKEND.parent / "docs" / "permissions").glob("*.md")
    assert page.read_text() == run("--format", "markdown"), (
        f"{page} is not the table of app/auth/permissions.py: make permissions writes it, or"
        f" in backend/: uv run app permissions --format markdown > ../docs/permissions/{page.name}"
    )


def test_the_table_names_every_permission_and_role() -> None:
    printed = run()
    for name in (*tenancy.ROLES, *(name for name in MEANINGS if not is_unused_here(name))):
        assert name in printed


def test_it_answers_at_once() -> None:
    """Nothing of the product is loaded: no database driver, no web framework."""
    done = subprocess.run(
        [
            *(sys.executable, "-X", "importtime", "-m", "app.cli"),
            *("permissions", "--format", "markdown"),
        ],
        cwd=BACKEND,
        check=True,
        capture_output=True,
        text=True,
    )
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "app.auth.permissions" in loaded
    assert not loaded & {"fastapi", "sqlalchemy", "psycopg", "app.settings", "app.main"}

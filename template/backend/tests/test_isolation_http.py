"""Every endpoint, attacked by whoever the data does not belong to.

The endpoints come from the OpenAPI document of the running application, and so do their parameters
and bodies: a new endpoint is attacked as soon as it exists. What cannot be attacked because nobody
said how fails as well.
"""

import json
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from psycopg.types.json import Jsonb
from starlette.routing import WebSocketRoute

from app.choices import tenancy
from app.command_choices import tenancy as roles
from app.dev.choices import provider
from app.dev.servers import Connections
from app.features.api_keys.schemas import SCOPES
from app.main import create_app
from app.settings import Settings
from tests import sample_rows
from tests.choices import tenants
from tests.conftest import MintToken
from tests.running import Platform

Connection = psycopg.Connection[Any]

MINE = tenancy.TENANT_COLUMN

# What anyone may ask, without a token: it says nothing about any tenant.
# Webhooks are signed, and have a test of their own.
PUBLIC_PATHS = {"/healthz", "/readyz", "/metrics", "/openapi.json", "/api/v1/webhooks/auth"}
PUBLIC_PREFIXES = ("/docs",)
# WebSockets, each with a test of its own.
SOCKETS = {"/api/v1/realtime"}
# What a signed-in person may ask about themselves without belonging to a tenant.
PERSONAL = {("get", "/api/v1/me")}

CSV = b"name,email,company,amount\r\nAda,ada@example.com,Engines,1.00\r\n"


@dataclass(frozen=True)
class Operation:
    """One method of one path, as the OpenAPI document describes it."""

    method: str
    path: str
    description: Mapping[str, Any]
    schemas: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.method.upper()} {self.path}"

    @property
    def key(self) -> tuple[str, str]:
        return self.method, self.path

    @property
    def ids(self) -> list[str]:
        """The path's parameters."""
        return re.findall(r"\{(\w+)\}", self.path)

    def parameters(self, place: str) -> list[Mapping[str, Any]]:
        """The parameters in the `query`, the `header` or the `path`."""
        return [p for p in self.description.get("parameters", []) if p["in"] == place]

    def url(self, ids: Mapping[str, str]) -> str:
        return self.path.format(**ids)

    def body(self, text: str) -> dict[str, Any]:
        """The arguments of a request with a body that the schema allows; every text is `text`."""
        content = self.description.get("requestBody", {}).get("content", {})
        if "multipart/form-data" in content:
            return {"files": {"file": ("contacts.csv", CSV, "text/csv")}}
        if "application/json" in content:
            return {"json": self._example(content["application/json"]["schema"], text)}
        assert not content, f"{self}: say how a body of {list(content)} is made"
        return {}

    def _example(self, schema: Mapping[str, Any], text: str) -> Any:
        if "$ref" in schema:
            return self._example(self.schemas[schema["$ref"].rsplit("/", 1)[1]], text)
        if "enum" in schema:
            return schema["enum"][0]
        if "anyOf" in schema:
            return self._example(schema["anyOf"][0], text)
        kind = schema.get("type")
        if kind == "object":
            return {
                name: self._example(part, text)
                for name, part in schema.get("properties", {}).items()
            }
        if kind == "string":
            tomorrow = datetime.now(UTC) + timedelta(days=1)
            formats = {
                "uuid": str(uuid4()),
                "date": tomorrow.date().isoformat(),
                "date-time": tomorrow.isoformat(),
            }
            return formats.get(schema.get("format", ""), text)
        few = schema.get("minItems", 0)
        examples: dict[Any, Any] = {
            "integer": 1,
            "number": 1,
            "boolean": True,
            "array": [self._example(schema["items"], text)] * few if few else [],
        }
        assert kind in examples, f"{self}: say how a value of {schema} is made"
        return examples[kind]


A_KEY = "an API key"
ME = Operation("get", "/api/v1/me", {}, {})


@dataclass
class Tenant:
    """A tenant, and data that nobody else may see."""

    made: tenants.Tenant
    ids: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.made.name

    @property
    def email(self) -> str:
        return f"{self.name}@victim.example.com"

    @property
    def key(self) -> str:
        return f"key-{self.name}"

    def secrets(self) -> list[str]:
        """What must not stand in an answer to anybody else; every text of theirs has the name."""
        return [*self.ids.values(), *self.made.words, f"secret-{self.name}"]


class World:
    """The running application, and who talks to it."""

    def __init__(
        self, app: FastAPI, http: httpx.AsyncClient, admin: Connection, mint: MintToken
    ) -> None:
        self.app = app
        self.http = http
        self.admin = admin
        self._mint = mint
        document = app.openapi()
        self.operations = [
            Operation(method, path, description, document["components"]["schemas"])
            for path, methods in document["paths"].items()
            for method, description in methods.items()
            if path not in PUBLIC_PATHS and not path.startswith(PUBLIC_PREFIXES)
        ]

    def token(self, user: str, organization: str | None, role: str = "owner") -> str:
        return self._mint(user, organization, role)

    def token_of(self, tenant: Tenant, role: str = "owner") -> str:
        """The owner's, or that of somebody with this role."""
        user = tenant.name if role == "owner" else f"{role}_{tenant.name}"
        return self.token(user, tenant.name, role)

    async def key_of(self, tenant: Tenant) -> tuple[str, str]:
        """A key of the tenant's owner that may do whatever keys may, and its id."""
        made = await self.http.post(
            "/api/v1/api-keys",
            headers={"Authorization": f"Bearer {self.token_of(tenant)}"},
            json={"name": "robot", "scopes": SCOPES},
        )
        assert made.status_code == 201, made.text
        return made.json()["key"], made.json()["id"]

    async def ask(
        self, operation: Operation, token: str | None, url: str, **request: Any
    ) -> httpx.Response:
        headers = dict(request.pop("headers", {}))
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        return await self.http.request(operation.method, url, headers=headers, **request)

    def tenant(self) -> Tenant:
        """A tenant with a contact, an import with a rejected row, and records of all of it."""
        name = uuid4().hex[:12]
        made = Tenant(tenants.make(self.admin, name, f"secret-{name}"))

        def one(query: str, *parameters: object) -> str:
            row = self.admin.execute(query.encode(), parameters).fetchone()
            assert row is not None
            return str(row[0])

        tenant_id = made.made.id
        home = tenants.schema_of(tenant_id)
        contact = one(
            f"insert into {home}.contacts ({MINE}, name, email, company)"
            " values (%s, %s, %s, %s) returning id",
            tenant_id,
            f"secret-{made.name}",
            made.email,
            f"secret-{made.name}",
        )
        run = one(
            f"insert into {home}.imports"
            f" ({MINE}, file_name, file_bytes, file_sha256, idempotency_key)"
            " values (%s, %s, 1, sha256('x'), %s) returning id",
            tenant_id,
            f"secret-{made.name}",
            made.key,
        )
        self.admin.execute(
            f"insert into {home}.import_rejections"
            f" ({MINE}, import_id, row_no, line, reason, fields)"
            " values (%s, %s, 1, 2, 'bad', %s)".encode(),
            [tenant_id, run, Jsonb([f"secret-{made.name}"])],
        )
        key = one(
            "insert into app.api_keys"
            " (tenant_id, user_id, name, hash, ending, scopes, expires_at)"
            " values (%s, %s, %s, sha256(%s), 'abcd', '{contacts:read}', now() + interval '1 day')"
            " returning id",
            tenant_id,
            made.made.user_id,
            f"secret-{made.name}",
            made.name.encode(),
        )
        made.ids = {
            "api_key_id": key,
            "tenant": str(tenant_id),
            "user": str(made.made.user_id),
            "contact_id": contact,
            "import_id": run,
            **tenants.ids(self.admin, made.made),
        }
        for operation in self.operations:
            self._make_what_it_names(operation, made)
        return made

    def _make_what_it_names(self, operation: Operation, tenant: Tenant) -> None:
        """Make the row that `/line-items/{line_item_id}` names, where the table says how."""
        for segment, name in re.findall(r"/([\w-]+)/\{(\w+)\}", operation.path):
            table = f"{tenants.schema_of(tenant.made.id)}.{segment.replace('-', '_')}"
            if name in tenant.ids or not sample_rows.is_of_tenants(self.admin, table):
                continue
            try:
                made = sample_rows.make(self.admin, table, tenant.made.id, f"secret-{tenant.name}")
            except (psycopg.Error, LookupError) as error:
                pytest.fail(
                    f"{operation}: say in World.tenant what the victim's {name} is: {error}"
                )
            tenant.ids[name] = made

    def state(self, tenant: Tenant) -> list[Any]:
        """Everything that the tenant has, except the records of what was refused."""
        tables = self.admin.execute(
            "select format('%%I.%%I', n.nspname, c.relname), a.attname from pg_class c"
            " join pg_namespace n on n.oid = c.relnamespace"
            " join pg_attribute a on a.attrelid = c.oid"
            "     and a.attname = case n.nspname when 'app' then 'tenant_id' else %s end"
            " where c.relkind = 'r' and n.nspname in ('public', 'app', %s) order by 1",
            [MINE, tenants.schema_of(tenant.made.id)],
        ).fetchall()
        assert len(tables) > 3
        return [
            self.admin.execute(
                f"select jsonb_agg(to_jsonb(t) order by to_jsonb(t)::text) from {table} t"
                f" where {column} = %s".encode(),
                [tenant.made.id],
            ).fetchone()
            for table, column in tables
        ]


@pytest.fixture(scope="module")
def database(new_database: Callable[..., Connections]) -> Connections:
    """A database of these tests' own, in which no worker runs."""
    return new_database()


@pytest.fixture(scope="module")
def admin(database: Connections) -> Iterator[Connection]:
    assert database.admin is not None
    with psycopg.connect(database.admin, autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="module")
async def world(
    admin: Connection, platform: Platform, database: Connections, token: MintToken
) -> AsyncIterator[World]:
    values = platform.environment(database.for_api()) | {"LOG_LEVEL": "error"}
    fields = {name.lower(): value for name, value in values.items()}
    settings = Settings(_env_file=None, **fields)  # type: ignore[arg-type]
    app = create_app(settings)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://localhost") as http,
    ):
        yield World(app, http, admin, token)


@pytest.fixture
def victim(world: World) -> Tenant:
    return world.tenant()


@pytest.fixture
def attacker(world: World) -> Tenant:
    return world.tenant()


def ids_of(operation: Operation, tenant: Tenant) -> dict[str, str]:
    unknown = set(operation.ids) - tenant.ids.keys()
    assert not unknown, f"{operation}: say in World.tenant what the victim's {unknown} is"
    return {name: tenant.ids[name] for name in operation.ids}


def is_answered(operation: Operation, response: httpx.Response) -> bool:
    """Whether nothing but what the request asked for was in its way.

    Here the provider manages organizations, and no invitation has the token that is sent.
    """
    if operation.key in tenants.ALONE and response.status_code == httpx.codes.NOT_FOUND:
        return operation.path.endswith(("/choose", "/accept"))
    return response.is_success or response.json()["type"] == "urn:problem:managed-by-provider"


def guesses(operation: Operation, victim: Tenant) -> list[dict[str, Any]]:
    """Requests whose parameters and headers name what the victim has, one at a time."""
    asked: list[dict[str, Any]] = [{}]
    for place, argument in (("query", "params"), ("header", "headers")):
        for parameter in operation.parameters(place):
            schemas = parameter["schema"].get("anyOf", [parameter["schema"]])
            for schema in schemas:
                if schema.get("format") == "uuid":
                    values = list(victim.ids.values())
                elif schema.get("format") == "date-time":
                    values = ["2000-01-01T00:00:00Z"]
                elif schema.get("type") == "string":
                    values = [
                        *victim.ids.values(),
                        victim.email,
                        victim.key,
                        f"secret-{victim.name}",
                        provider.subject(victim.name),
                        "insert",
                    ]
                else:
                    continue
                asked += [{argument: {parameter["name"]: value}} for value in values]
    return asked


def check_silence(
    operation: Operation, response: httpx.Response, victim: Tenant, sent: Any
) -> None:
    """The answer holds nothing of the victim's but what was sent along."""
    told = told_of(victim, response, sent)
    assert not told, f"{operation} {sent} shows another tenant's data: {told}"


def told_of(victim: Tenant, response: httpx.Response, sent: Any) -> list[str]:
    """What the answer holds of the victim's and was not sent along."""
    echo = json.dumps(sent, default=str)
    return [secret for secret in victim.secrets() if secret not in echo and secret in response.text]


def without_request_id(response: httpx.Response) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    """The answer without what differs in any two requests."""
    own = response.headers["x-request-id"].encode()
    return (
        response.content.replace(own, b""),
        [(name, value.replace(own, b"")) for name, value in response.headers.raw],
    )


# --- The tests ------------------------------------------------------------------------------------


def test_every_route_is_in_the_document_or_known_to_be_public(world: World) -> None:
    documented = {operation.path for operation in world.operations}
    for route in iter_route_contexts(world.app.routes):
        path = route.path or ""
        if isinstance(route.original_route, WebSocketRoute):
            assert path in SOCKETS, f"the WebSocket {path} has no test that attacks it"
        else:
            is_public = path in PUBLIC_PATHS or path.startswith(PUBLIC_PREFIXES)
            assert is_public or path in documented, f"{path!r} is not in the OpenAPI document"
    assert {"/api/v1/me", "/api/v1/contacts/{contact_id}"} <= documented


async def test_the_owner_gets_an_answer(world: World) -> None:
    """Otherwise every attack would fail for the wrong reason."""
    reader = world.tenant()
    for operation in world.operations:
        # Others may find something deleted that was theirs.
        owner = reader if operation.method == "get" else world.tenant()
        response = await world.ask(
            operation,
            world.token_of(owner),
            operation.url(ids_of(operation, owner)),
            **operation.body("somebody@example.com"),
        )
        assert is_answered(operation, response), f"{operation}: {response.text}"


@pytest.mark.parametrize("bearer", [None, "", "garbage", "a.b.c"])
async def test_without_a_token_nobody_is_answered(
    world: World, victim: Tenant, bearer: str | None
) -> None:
    for operation in world.operations:
        url = operation.url(ids_of(operation, victim))
        response = await world.ask(operation, bearer, url, **operation.body("x@example.com"))
        assert response.status_code == 401, f"{operation}: {response.text}"
        check_silence(operation, response, victim, url)


@pytest.mark.parametrize("state", ["suspended", "deleted"])
async def test_a_tenant_that_is_not_served_is_refused_everywhere(
    world: World, victim: Tenant, state: str
) -> None:
    token = world.token(victim.made.insider, victim.name)
    assert (await world.ask(ME, token, ME.path)).is_success
    world.admin.execute(
        "update public.tenants set state = %s where id = %s", [state, victim.made.id]
    )
    before = world.state(victim)
    for operation in world.operations:
        if operation.key in tenants.ALONE:
            continue
        url = operation.url(ids_of(operation, victim))
        response = await world.ask(operation, token, url, **operation.body("x@example.com"))
        assert response.status_code == 403, f"{operation}: {response.text}"
        assert response.json()["type"].endswith(f"tenant-{state}"), response.text
        check_silence(operation, response, victim, url)
    assert world.state(victim) == before


@pytest.mark.parametrize("end", ["revoked", "expired", "suspended", "deleted"])
async def test_a_key_that_has_ended_is_refused_everywhere(
    world: World, victim: Tenant, end: str
) -> None:
    key, key_id = await world.key_of(victim)
    assert (await world.ask(ME, key, ME.path)).is_success
    if end in {"suspended", "deleted"}:
        world.admin.execute(
            "update public.tenants set state = %s where id = %s", [end, victim.made.id]
        )
    else:
        column = {"revoked": "revoked_at", "expired": "expires_at"}[end]
        query = f"update app.api_keys set {column} = now() where id = %s"
        world.admin.execute(query.encode(), [key_id])
    before = world.state(victim)
    for operation in world.operations:
        url = operation.url(ids_of(operation, victim))
        response = await world.ask(operation, key, url, **operation.body("x@example.com"))
        no_key_may = operation.key in tenants.ALONE
        assert response.status_code == (403 if no_key_may else 401), f"{operation}: {response.text}"
        check_silence(operation, response, victim, url)
    assert world.state(victim) == before


@pytest.mark.parametrize("role", [*roles.ROLES, A_KEY])
async def test_another_tenants_ids_are_as_good_as_none(
    world: World, attacker: Tenant, victim: Tenant, role: str
) -> None:
    """Byte for byte the same answer, but for the request's own id."""
    before = world.state(victim)
    token = (await world.key_of(attacker))[0] if role == A_KEY else world.token_of(attacker, role)
    attacked = 0
    for operation in world.operations:
        if not operation.ids:
            continue
        attacked += 1
        theirs, nobodys = ids_of(operation, victim), {name: str(uuid4()) for name in operation.ids}
        answers = []
        for ids in (theirs, nobodys):
            url = operation.url(ids)
            body = operation.body("x@example.com")
            answers.append(await world.ask(operation, token, url, **body))
        there, nowhere = answers
        assert there.status_code in {403, 404}, f"{operation}: {there.text}"
        assert there.status_code == nowhere.status_code, operation
        assert without_request_id(there) == without_request_id(nowhere), operation
        check_silence(operation, there, victim, list(theirs.values()))
    assert attacked
    assert world.state(victim) == before


@pytest.mark.parametrize("kind", ["a token", A_KEY])
async def test_no_parameter_or_header_reaches_another_tenant(
    world: World, victim: Tenant, kind: str
) -> None:
    """Cursors, filters, searches, idempotency keys and whatever comes later."""
    before = world.state(victim)

    async def new_attacker() -> str:
        attacker = world.tenant()
        return (await world.key_of(attacker))[0] if kind == A_KEY else world.token_of(attacker)

    token = await new_attacker()
    for operation in world.operations:
        if operation.ids:
            continue
        for guess in guesses(operation, victim):
            body = operation.body(f"{uuid4().hex}@example.com")
            response = await world.ask(operation, token, operation.path, **guess, **body)
            if told_of(victim, response, guess):
                # It may be what this one sent before, such as the filters of an earlier export:
                # a new one, who has sent nothing else, would only read what leaks.
                token = await new_attacker()
                response = await world.ask(operation, token, operation.path, **guess, **body)
            assert response.status_code < 500, f"{operation} {guess}: {response.text}"
            check_silence(operation, response, victim, guess)
    assert world.state(victim) == before


async def test_another_tenants_values_may_be_used_freely(
    world: World, attacker: Tenant, victim: Tenant
) -> None:
    """A conflict would tell that the value exists: an email address, an idempotency key."""
    token = world.token_of(attacker)
    for operation in world.operations:
        if operation.ids or operation.method == "get":
            continue
        headers = {p["name"]: victim.key for p in operation.parameters("header")}
        response = await world.ask(
            operation, token, operation.path, headers=headers, **operation.body(victim.email)
        )
        assert is_answered(operation, response), f"{operation}: {response.text}"
        check_silence(operation, response, victim, victim.email)


async def test_a_ticket_opens_the_tenant_of_its_caller(
    world: World, attacker: Tenant, victim: Tenant
) -> None:
    await world.http.post(
        "/api/v1/realtime/tickets",
        headers={"Authorization": f"Bearer {world.token_of(attacker)}"},
        params={"tenant_id": victim.ids["tenant"], MINE: victim.ids["tenant"]},
    )
    tickets = world.admin.execute(
        "select tenant_id, user_id, claims ->> 'sub' from app.realtime_tickets"
        " where tenant_id = any(%s)",
        [[attacker.made.id, victim.made.id]],
    ).fetchall()
    assert tickets == [(attacker.made.id, attacker.made.user_id, attacker.made.subject)]
